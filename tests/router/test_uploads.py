"""Forms with files: where they end up, and who gets at them."""

import json

import aiohttp
import pytest

from mephisto_nb.router.intake.multipart import Upload, name_files
from tests.router.harness import TOKEN

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


def form(agent, data='{"x": 1}', files=(("photo", "cat.png", b"meow"),)):
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("USED_AGENT_ID", agent)
    form.add_field("final_string_data", data)
    for field, name, content in files:
        form.add_field(field, content, filename=name, content_type="image/png")
    return form


async def test_files_are_kept_under_random_names_and_described(router, browser, operator, agent):
    files = [
        ("photo", "../../evil\N{CAT}.png", b"meow"),
        ("photo", "b.png", b""),
        ("other/one", "c.png", b"x" * 70_000),
    ]
    assert (await browser.post("/submit_task", data=form(agent, files=files)))[0] == 200
    data = (await operator.message("submit_unit"))[1]["data"]
    assert data["final_data"] == {"x": 1}
    assert [file["size"] for file in data["files"]] == [4, 0, 70_000]
    for file, (field, _, content) in zip(data["files"], files, strict=True):
        assert (router.directory / "files" / file["filename"]).read_bytes() == content
        assert (file["fieldname"], file["mimetype"]) == (field, "image/png")
        assert "/" not in file["originalname"]


def named(names):
    return {"file_names": json.dumps({"files": [{"field": field, "name": name} for field, name in names]})}


async def labels(browser, operator, agent, files, told=None):
    data = form(agent, files=files)
    for name, value in (told or {}).items():
        data.add_field(name, value)
    assert (await browser.post("/submit_task", data=data))[0] == 200
    found = (await operator.message("submit_unit"))[1]["data"]["files"]
    return [(file["fieldname"], file["originalname"]) for file in found]


async def test_the_page_says_how_fields_and_files_are_called(browser, operator, agent):
    names = [("100%22", 'a"%22.png'), ("x" * 300, "b.png"), ("two\nlines", "c.png")]
    # As browsers write these fields.
    files = [("100%22", "x", b""), ("x" * 300, "x", b""), ("two%0D%0Alines", "x", b"")]
    assert await labels(browser, operator, agent, files, named(names)) == names


@pytest.mark.parametrize("field", ["x" * 5000, "photo (as sent)", "(more)", "photo\x1b", "pho\nto", "", "photo "])
def test_a_field_keeps_its_name_but_for_how_that_is_spelt(field):
    uploads = [Upload("photo", "cat.png", "image/png")]
    name_files(uploads, {"files": [{"field": field, "name": "dog.png"}]})
    assert (uploads[0].fieldname, uploads[0].originalname) == ("photo", "cat.png")


@pytest.mark.parametrize("char", ["\x1b", "\x00", "\u202e", "\ud800", "\t"])
def test_the_spelling_of_a_field_is_a_harmless_label(char):
    uploads = [Upload("a\ufffdb", "cat.png", "image/png")]
    name_files(uploads, {"files": [{"field": f"a{char}b", "name": "dog.png"}]})
    assert (uploads[0].fieldname, uploads[0].originalname) == ("a\ufffdb", "dog.png")


async def test_without_that_quotes_are_read_as_browsers_write_them(browser, operator, agent):
    assert await labels(browser, operator, agent, [('a"b/c', 'd".png', b"")]) == [('a"b/c', 'd".png')]


@pytest.mark.parametrize(
    "told",
    [named([]), named([("a", "b"), ("c", "d")]), {"file_names": '{"files": [{"field": 1, "name": "b"}]}'}],
)
async def test_names_that_do_not_fit_the_files_are_left_alone(browser, operator, agent, told):
    assert await labels(browser, operator, agent, [("photo", "cat.png", b"")], told) == [("photo", "cat.png")]


async def test_no_name_that_the_page_says_is_a_path_or_loses_its_ending(browser, operator, agent):
    names = named([("photo", "../../\u202e" + "x" * 300 + ".png")])
    ((field, name),) = await labels(browser, operator, agent, [("photo", "x", b"")], names)
    assert (field, name) == ("photo", "\ufffd" + "x" * 250 + ".png")


async def test_only_the_operator_downloads(browser, operator, agent):
    await browser.post("/submit_task", data=form(agent))
    name = (await operator.message("submit_unit"))[1]["data"]["files"][0]["filename"]
    allowed = await browser.get(f"/download_file/{name}", headers=AUTHORISED)
    assert (allowed.status, await allowed.text()) == (200, "meow")
    assert allowed.content_type == "application/octet-stream"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        assert (await browser.get(f"/download_file/{name}", headers=headers)).status == 404


@pytest.mark.parametrize("name", ["", "..%2frouter_config.json", "../inbox.db", "%00", "0" * 32, "files"])
async def test_nothing_else_is_downloaded(browser, name):
    assert (await browser.get(f"/download_file/{name}", headers=AUTHORISED)).status == 404


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("f", "f", b"x" * 400_000)], 413),
        ([("f", "f", b"x")] * 4, 413),
    ],
)
async def test_a_form_that_is_too_large_leaves_nothing_behind(router, browser, agent, files, code):
    before = set((router.directory / "files").iterdir())
    assert (await browser.post("/submit_task", data=form(agent, files=files)))[0] == code
    assert set((router.directory / "files").iterdir()) == before
    assert await browser.submit(agent) == (200, {"status": "Submitted!"})


async def test_files_tell_one_answer_from_another(router, browser, agent):
    def sent(content, name="a.png"):
        return browser.post("/submit_task", data=form(agent, files=[("photo", name, content)]))

    assert await sent(b"one") == (200, {"status": "Submitted!"})
    assert await sent(b"one") == (200, {"status": "Submitted!", "duplicate": True})
    assert [(await sent(b"two"))[0], (await sent(b"one", "b.png"))[0]] == [409, 409]
    assert len(list((router.directory / "files").iterdir())) > 0


async def test_a_duplicate_leaves_no_files(router, browser, agent):
    await browser.submit(agent)
    before = set((router.directory / "files").iterdir())
    assert (await browser.post("/submit_task", data=form(agent)))[1]["duplicate"] is True
    assert set((router.directory / "files").iterdir()) == before


async def test_a_file_input_that_nobody_used_is_no_file(browser, operator, agent):
    await browser.post("/submit_task", data=form(agent, files=[("photo", "", b"")]))
    assert (await operator.message("submit_unit"))[1]["data"] == {"final_data": {"x": 1}, "files": []}


@pytest.mark.parametrize("beside", ["[object Object]", "", "{}", '{"x": 2}', "undefined"])
async def test_the_text_of_an_answer_counts_beside_its_object(browser, operator, agent, beside):
    # mephisto-core appends the answer itself to its form, which browsers write as "[object Object]".
    fields = form(agent, data='{"name": "Ann"}')
    fields.add_field("final_data", beside)
    assert (await browser.post("/submit_task", data=fields))[0] == 200
    data = (await operator.message("submit_unit"))[1]["data"]
    assert data["final_data"] == {"name": "Ann"}
    assert [file["fieldname"] for file in data["files"]] == ["photo"]


async def test_metadata_may_come_with_files(browser, operator, agent):
    fields = form(agent)
    fields.add_field("metadata", '{"opinion": 5}')
    assert (await browser.post("/submit_metadata", data=fields))[0] == 200
    data = (await operator.message("submit_metadata"))[1]["data"]
    assert (data["metadata"], len(data["files"])) == ({"opinion": 5}, 1)


async def test_a_worker_cannot_name_files_that_were_not_sent(browser, operator, agent):
    await browser.submit(agent, files=[{"filename": "0" * 32}])
    assert (await operator.message("submit_unit"))[1]["data"]["files"] == []


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data"}, b"x"),
        ({"Content-Type": "multipart/form-data; boundary="}, b"x"),
        ({"Content-Type": "multipart/form-data; boundary=" + "b" * 500}, b"x"),
        ({"Content-Type": "multipart/form-data; charset=undefined; boundary=b"}, b"--b\r\n\r\nx\r\n--b--\r\n"),
        (MULTIPART, b""),
        (MULTIPART, b"nonsense"),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="USED_AGENT_ID"\r\n\r\na1'),
        (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\xfe\r\n--b--\r\n'),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="final_data"\r\n\r\n[[\r\n--b--\r\n'),
        (MULTIPART, b"--b\r\n" + b"X-Header: y\r\n" * 1000),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nhalf'),
    ],
)
async def test_a_broken_form_is_refused(router, browser, headers, body):
    before = set((router.directory / "files").iterdir())
    code, answer = await browser.post("/submit_task", data=body, headers=headers)
    assert (code, answer["error"]["code"]) == (400, "bad_request")
    assert set((router.directory / "files").iterdir()) == before
