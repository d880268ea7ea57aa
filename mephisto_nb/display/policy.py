"""Rewrites a page's Content-Security-Policy for a document that holds its own files."""

from __future__ import annotations

_CODE = ("script-src", "script-src-elem", "style-src", "style-src-elem")
_DROPPED = ("base-uri", "frame-ancestors", "report-uri", "report-to", "connect-src", "form-action")


def inline_policy(policy: str, nonce: str) -> str:
    """Give what allows the page's own files where they now stand, and nothing else that `policy` forbids.

    ``'self'`` would mean nothing in such a document. Its scripts and styles bear the nonce or are blobs, its pictures
    are blobs. Nothing is fetched, and no form is sent anywhere.

    Examples
    --------
    >>> inline_policy("default-src 'none'; script-src 'self' https://a.org; img-src *", "n")
    "default-src 'none'; script-src 'nonce-n' blob: https://a.org; img-src *; connect-src 'none'; form-action 'none'"
    """
    directives = {words[0]: words[1:] for words in map(str.split, policy.split(";")) if words}
    fallback = directives.get("default-src", [])
    for name in ("script-src", "style-src", "img-src", "media-src", "font-src"):
        if name not in directives and "'self'" in fallback:
            directives[name] = fallback
    kept = {name: _own(name, sources, nonce) for name, sources in directives.items() if name not in _DROPPED}
    kept |= {"connect-src": ["'none'"], "form-action": ["'none'"]}
    return "; ".join(" ".join([name, *sources]) for name, sources in kept.items())


def _own(name: str, sources: list[str], nonce: str) -> list[str]:
    own = ["blob:", "data:"]
    if name in _CODE:  # a nonce would take back what 'unsafe-inline' allows
        own = ["blob:"] if "'unsafe-inline'" in sources else [f"'nonce-{nonce}'", "blob:"]
    return [word for source in sources for word in (own if source == "'self'" else [source])]
