"""Requests and packets made from the schema that a router publishes: right ones, and ones that went wrong.

All is drawn from one `random.Random`, so a seed gives the same again, and hypothesis may play the dice.
"""

import json
import string
from dataclasses import dataclass
from urllib.parse import quote

#: Text that has broken programs before.
NASTY = [
    "", " ", "\x00", "null", "NaN", "-1", "0", "1e999", "true", "[]", "{}", "../../etc/passwd", "..\\..\\x",
    "%2e%2e%2f", "%252e%252e%252f", "%00", "%ff%fe", "%c0%ae%c0%ae/", "．．／", "C:\\x", "\\\\host\\x", "CON",
    "aux.txt", "file:///etc", "<script>alert(1)</script>", "'; DROP TABLE agents;--", "{{7*7}}", "${7*7}", "=1+1", "@x",
    "\x1b[31m", "\u202etxt.exe", "\ud800", "\ufeff", "\r\nX-Injected: 1", "a" * 300, "ü" * 5000, "__proto__",
    "constructor", "USED_AGENT_ID", "👩‍👩‍👧‍👦", "\u2028", "9" * 400,
]  # fmt: skip
#: The key of the address for events.
EVENTS_KEY = "k" * 22
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"]
HEADERS = ["Range", "If-None-Match", "If-Modified-Since", "Authorization", "Cookie", "Origin", "Accept-Encoding",
           "X-Forwarded-For", "Content-Encoding", "Accept", "Content-Disposition"]  # fmt: skip
RANGES = ["bytes=0-", "bytes=-1", "bytes=5-1", "bytes=0-0,0-0,1-2", "bytes=x", "lines=1", "bytes=" + "0-1," * 200]


@dataclass(frozen=True)
class Shot:
    """What is sent: one HTTP request, or the messages of one socket at `path`."""

    path: str
    raw: bytes = b""
    messages: tuple[str | bytes, ...] = ()

    @property
    def count(self):
        return len(self.messages) or 1


class Gunner:
    """Makes shots; `agents` are the ids of agents that exist."""

    def __init__(self, schema, agents, random):
        self._schema, self._agents, self._random = schema, agents, random
        self._routes = [(path, method) for path, methods in schema["paths"].items() for method in methods]
        self._sockets = list(schema["x-websockets"])

    def shot(self):
        """Make one shot: at a socket now and then, otherwise at a route."""
        if self._chance(0.02):
            return self._socket(self._pick(self._sockets))
        return self._request(*self._pick(self._routes))

    # Dice

    def _chance(self, share):
        return self._random.random() < share

    def _pick(self, choices):
        return choices[self._random.randrange(len(choices))]

    def _text(self):
        if self._chance(0.5):
            return self._pick(NASTY)
        letters = string.printable + "äß€\u0000\u202e\ud83d😀"
        return "".join(self._pick(letters) for _ in range(self._random.randrange(12)))

    def _anything(self, depth=3):
        kind = self._random.randrange(9 if depth else 6)
        if kind >= 6:
            values = [self._anything(depth - 1) for _ in range(self._random.randrange(4))]
            return values if kind == 6 else {self._text(): value for value in values}
        return [None, True, self._random.randrange(-(2**65), 2**65), self._random.random(), self._text(), 10**300][kind]

    # What the schema says

    def _resolve(self, schema):
        while "$ref" in schema:
            *_, kind, name = schema["$ref"].split("/")
            schema = self._schema["components"][kind][name]
        return schema

    def _agent(self):
        return self._pick(self._agents) if self._chance(0.7) else self._text()

    def _right(self, schema, name=""):
        """Make a value that the schema allows."""
        schema = self._resolve(schema)
        if name in ("USED_AGENT_ID", "subject_id"):
            return self._agent()
        if "const" in schema:
            return schema["const"]
        if schema.get("type") == "object":
            given = {key: self._right(value, key) for key, value in schema.get("properties", {}).items()}
            return given or {self._text(): self._anything(2) for _ in range(self._random.randrange(4))}
        if schema.get("contentMediaType") == "application/json":
            return json.dumps(self._anything())
        if schema.get("type") == "string":
            return "0" * 64 if "64" in schema.get("pattern", "") else self._text()
        return self._random.random() * 1e10 if schema.get("type") == "number" else self._anything()

    def _wrong(self, value):
        """Spoil a value somewhere."""
        if isinstance(value, dict) and value and self._chance(0.8):
            key = self._pick(sorted(value))
            rest = {name: item for name, item in value.items() if name != key}
            return rest if self._chance(0.2) else rest | {key: self._wrong(value[key])}
        return self._anything()

    def _json(self, schema):
        value = self._right(schema)
        if self._chance(0.6):
            value = self._wrong(value)
        text = json.dumps(value, ensure_ascii=self._chance(0.5))
        if self._chance(0.05):
            text = self._pick(["[", '{"a":', "[[[", '{"x":[']) * self._pick([10, 200, 5000]) + text
        return self._spoil(text.encode("utf-8", "surrogatepass"))

    def _spoil(self, raw):
        """Let some of it be lost or replaced on the way, rarely."""
        if not raw or not self._chance(0.15):
            return raw
        at = self._random.randrange(len(raw))
        return (
            raw[:at]
            + self._pick([b"", b"\xff", b"\x00", b"NaN", b"1e999", b'"'])
            + raw[at + self._pick([0, 1, 9999]) :]
        )

    def _form(self, schema):
        """Make a multipart body and its type."""
        boundary = self._pick(["b", "-" * 40, "x'y"])
        parts = []
        for name, item in self._resolve(schema)["properties"].items():
            if self._chance(0.1):
                continue
            label = name if self._chance(0.9) else self._text()
            is_file = item.get("format") == "binary" or self._chance(0.05)
            file = f'; filename="{self._text()}"' if is_file else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{label}"{file}\r\n'
            head += f"Content-Type: {self._text()}\r\n\r\n" if is_file else "\r\n"
            parts.append(f"{head}{self._right(item, name)}\r\n")
        body = "".join(parts) + f"--{boundary}--\r\n"
        return self._spoil(body.encode("utf-8", "surrogatepass")), f"multipart/form-data; boundary={boundary}"

    # Requests and packets

    def _request(self, path, method):
        content = self._schema["paths"][path][method].get("requestBody", {}).get("content", {})
        body, kind = b"", None
        if content:
            kind = self._pick(sorted(content))
            schema = content[kind]["schema"]
            body, kind = (self._json(schema), kind) if kind.endswith("json") else self._form(schema)
        elif self._chance(0.05):
            body = self._text().encode("utf-8", "surrogatepass")
        if self._chance(0.05):
            kind = self._clean(self._text())
        method = method.upper() if self._chance(0.95) else self._pick(METHODS)
        head = [f"{method} {self._path(path)} HTTP/1.1", "Host: localhost", *self._extras()]
        if kind:
            head.append(f"Content-Type: {kind}")
        if body and self._chance(0.1):
            middle = len(body) // 2
            head.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:middle], body[middle:]) if piece)
            body += b"0\r\n\r\n"
        else:
            head.append(f"Content-Length: {len(body)}")
        return Shot(path, "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + body)

    def _path(self, path):
        given = self._text()
        filled = path.replace("{name}", quote(given, errors="replace")).replace(
            "{path}", quote(given, errors="replace")
        )
        filled = filled.replace("{key}", EVENTS_KEY if self._chance(0.5) else quote(given, errors="replace"))
        if self._chance(0.05):
            filled = filled.replace("/", self._pick(["//", "/./", "/../", "/%2f", "/%5c"]), 1)
        return filled if self._chance(0.9) else f"{filled}?{quote(self._text(), errors='replace')}=%ff"

    def _extras(self):
        count = self._random.randrange(3) if self._chance(0.2) else 0
        return [f"{self._pick(HEADERS)}: {self._header()}" for _ in range(count)]

    def _header(self):
        return self._pick(RANGES) if self._chance(0.5) else self._clean(self._text())

    def _clean(self, text):
        """Leave out what would end the header; the rest may be as odd as it likes."""
        return "".join(letter for letter in text if letter not in "\r\n\0" and not "\ud800" <= letter <= "\udfff")

    def _socket(self, path):
        names = self._schema["x-websockets"][path]["messages"]
        schemas = [
            self._schema["components"]["schemas"][self._pick(names)] for _ in range(self._random.randrange(1, 9))
        ]
        messages = [self._json(schema) for schema in schemas]
        return Shot(path, messages=tuple(_as_text(one) if self._chance(0.97) else one for one in messages))


def _as_text(raw):
    """Return text where this is text: a library would not send anything else as such."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
