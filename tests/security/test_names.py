"""Names that strangers choose: none of them becomes a path, and none is shown as it is."""

import os

import pytest
from yarl import URL

from tests.security.strangers import request
from tests.security.test_worker_text import HARMFUL

#: Names that some system or decoder takes for a way out, for a device, or for another name.
NAMES = [
    "../router_config.json", "..\\router_config.json", "....//router_config.json", "/etc/passwd", "//etc/passwd",
    "C:\\Windows\\win.ini", "\\\\host\\share\\x", "%2e%2e/router_config.json", "%252e%252e%252frouter_config.json",
    "..%c0%afrouter_config.json", "．．／router_config.json", "‥/router_config.json", "..∕router_config.json",
    "..\x00/router_config.json", "CON", "con.txt", "NUL.", "LPT1:", "aux/x", "x" * 5000, ".", "..", "", " ", "~",
    "~root", "router_config.json::$DATA", "site/../../router_config.json", "index.html/../../router_config.json",
    "index.html\x00.png", "\u202egnp.exe", "*", "?", "|", "-rf", "$HOME", "`id`",
]  # fmt: skip
SECRET_WORDS = ("token", "root:", "run_id")


@pytest.mark.parametrize("prefix", ["/", "/download_file/", "/static/", "//"])
async def test_no_name_leads_out_of_the_site(browser, prefix):
    for name in NAMES:
        for encoded in (URL.build(path=f"/{name}").raw_path[1:], "".join(f"%{byte:02x}" for byte in name.encode())):
            url = URL(f"http://{browser.address}{prefix}{encoded}", encoded=True)
            async with browser.session.get(url, allow_redirects=False) as answer:
                text = await answer.text()
                assert answer.status in (404, 200, 431), name
                assert answer.status != 200 or text == "<div id=app></div>"
                assert not any(word in text for word in SECRET_WORDS)


@pytest.mark.parametrize("path", ["/../router_config.json", "/./../router_config.json", "/..;/router_config.json"])
async def test_a_path_as_no_browser_would_send_it_leads_nowhere_either(stranger, path):
    await stranger.send(request("GET", path))
    assert await stranger.status() == 404


async def test_no_name_of_an_upload_becomes_a_path(router, browser, operator):
    before = everything_below(router.directory)
    codes = {(await send_file(browser, await operator.give_agent(), name))[0] for name in NAMES}
    assert codes <= {200, 400}
    new = everything_below(router.directory) - before
    assert {os.path.dirname(path) for path in new} == {"files"}
    assert all(len(os.path.basename(path)) == 32 for path in new)


@pytest.mark.parametrize("name", [name for name in [*NAMES, *HARMFUL] if len(name) < 1000])
async def test_the_name_of_an_upload_is_told_as_a_harmless_label(browser, operator, agent, name):
    await send_file(browser, agent, name)
    files = (await operator.message("submit_unit"))[1]["data"]["files"]
    labels = [file["originalname"] for file in files]
    assert all(len(label) <= 255 and not set(label) & set("/\\\x00\x1b\r\n\u202e\u2066") for label in labels)


async def send_file(browser, agent, name):
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    parts = [f'Content-Disposition: form-data; name="USED_AGENT_ID"\r\n\r\n{agent}']
    parts += ['Content-Disposition: form-data; name="final_string_data"\r\n\r\n{}']
    parts += [f'Content-Disposition: form-data; name="photo"; filename="{quoted}"\r\n\r\nbytes']
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return await browser.post("/submit_task", data=body.encode(errors="surrogatepass"), headers=headers)


def everything_below(directory):
    return {
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _, names in os.walk(directory)
        for name in names
    }
