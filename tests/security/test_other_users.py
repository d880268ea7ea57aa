"""Other users of the machine read nothing below a data directory, whatever its mode, and put nothing of theirs in."""

import json
import os
import stat
import tempfile
import warnings
from pathlib import Path

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.storage import sql_database
from mephisto_nb.storage.connect import migrate
from mephisto_nb.storage.sql_database import SQLDatabase
from tests.importing.old_directory import OldDirectory, fill
from tests.inside import parts_of
from tests.kernel.runs import ABOUT, crowd_of, end_routers, router_pid, take

NOBODY = 65534
OTHERS = 0o077
PAGE = '<p>${text}</p><img src="cat.svg"><input name="mood"><input type="file" name="photo">'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become another user, on POSIX"),
]


def as_nobody(do):
    """Return what a function gives, as JSON, to another user of this machine."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which the child does without
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, json.dumps(do()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


def reach(top):
    """Return every folder that can be listed below one, and every file of which a byte can be read or written."""
    reached = []
    for path in [Path(place, name) for place, folders, files in os.walk(top) for name in (*folders, *files)]:
        for mode in (os.O_RDONLY, os.O_WRONLY):
            try:
                os.close(os.open(path, mode | os.O_NOFOLLOW | os.O_NONBLOCK))
            except OSError:
                continue
            reached.append(str(path))
    return reached


def open_below(top):
    """Return what has a mode for others, should it ever be moved or its folder be opened."""
    return [str(path) for path in top.rglob("*") if not path.is_symlink() and path.lstat().st_mode & OTHERS]


@pytest.fixture
def shared():
    """A folder that everybody may write into, and reach; pytest's own are closed already."""
    before = os.umask(0)
    with tempfile.TemporaryDirectory(prefix="mephisto-shared-") as name:
        os.chmod(name, 0o777)
        Path(name, "a poster").write_text("for everybody")
        yield Path(name)
    os.umask(before)


@pytest.fixture
async def data_dir(shared):
    """A data directory in it, as open as it can be."""
    data = shared / "data"
    data.mkdir(mode=0o777)
    yield data
    await end_routers(data)


def test_the_other_user_of_these_tests_can_read_what_is_open(shared):
    assert as_nobody(lambda: reach(shared)) == [str(shared / "a poster")] * 2


async def launch_with_files(operator, home):
    (home / "pictures").mkdir()
    (home / "pictures" / "cat.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    blueprint = {"task_html": PAGE, "extra_source_dir": str(home / "pictures")}
    config = compose("static_html", blueprint_args=blueprint, task={**ABOUT, "task_reward": 0.1})
    run = await operator.launch_task_run(config, SharedTaskState(static_task_data=[{"text": "a"}, {"text": "b"}]))
    async with crowd_of(run) as worker:
        await worker("ann").submit_form(await take(worker("ann")), {"mood": "sad"}, {"photo": b"a face"})
        await take(worker("bob"))
    return run


async def test_nothing_of_a_run_can_be_read_by_others(data_dir, tmp_path):
    operator = Operator(data_dir=data_dir)
    run = await launch_with_files(operator, tmp_path)
    data_dir.chmod(0o777)  # whatever its owner does with it later
    assert (as_nobody(lambda: reach(data_dir)), open_below(data_dir)) == ([], [])
    await run.force_shutdown()
    for ending in ("csv", "tsv", "json", "jsonl", "xlsx", "parquet", "feather"):
        run.export(data_dir / f"answers.{ending}")
    run.metadata.files(data_dir / "uploads")
    assert (as_nobody(lambda: reach(data_dir)), open_below(data_dir)) == ([], [])
    assert len(list(data_dir.rglob("*"))) > 20
    await operator.shutdown()


async def test_nothing_that_was_imported_can_be_read_by_others(data_dir, tmp_path):
    old = fill(OldDirectory(tmp_path / "old"))
    operator = Operator(data_dir=data_dir)
    await operator.import_mephisto(old.root)
    await operator.shutdown()
    data_dir.chmod(0o777)
    assert list(data_dir.glob("runs/*/files/*")) != []
    assert (as_nobody(lambda: reach(data_dir)), open_below(data_dir)) == ([], [])


async def test_what_an_earlier_version_left_open_is_closed(data_dir):
    site = data_dir / "runs" / "1" / "site"
    site.mkdir(parents=True)
    SQLDatabase(f"sqlite:///{data_dir / 'mephisto_nb.db'}").close()
    for path in (site / "index.html", data_dir / "runs" / "1" / "inbox.db", data_dir / "mephisto_nb.db-shm"):
        path.touch()
    for path in data_dir.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    await Operator(data_dir=data_dir).shutdown()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert open_below(data_dir) == []


def test_a_database_elsewhere_is_closed_and_its_folder_left_alone(shared):
    SQLDatabase(f"sqlite:///{shared / 'mine.db'}").close()
    assert as_nobody(lambda: reach(shared)) == [str(shared / "a poster")] * 2
    assert stat.S_IMODE(shared.stat().st_mode) == 0o777


# What others have put there before


def plant_folder(data_dir):
    os.chown(data_dir, NOBODY, NOBODY)


def plant_link(data_dir):
    data_dir.rmdir()
    (data_dir.parent / "elsewhere").mkdir()
    data_dir.symlink_to(data_dir.parent / "elsewhere")
    os.lchown(data_dir, NOBODY, NOBODY)


def plant(name):
    def do(data_dir):
        (data_dir / name).touch()
        os.chown(data_dir / name, NOBODY, NOBODY)

    return do


def plant_runs(data_dir):
    (data_dir / "runs").mkdir(mode=0o777)
    os.chown(data_dir / "runs", NOBODY, NOBODY)


PLANTED = {"folder": plant_folder, "link": plant_link, "runs": plant_runs} | {
    name: plant(name) for name in ("mephisto_nb.db", "mephisto_nb.db-wal", "mephisto_nb.db-journal")
}


@pytest.mark.parametrize("plant_something", PLANTED.values(), ids=PLANTED)
def test_what_another_user_has_put_there_is_refused(data_dir, plant_something, monkeypatch):
    monkeypatch.setattr(sql_database, "migrate", migrate)  # no copy of a migrated file
    plant_something(data_dir)
    before = sorted(data_dir.parent.rglob("*"))
    with pytest.raises(ConfigError, match=r"cannot be used.*\(nobody\).*(Name|name)"):
        Operator(data_dir=data_dir)
    assert sorted(data_dir.parent.rglob("*")) == before


def test_a_link_of_ones_own_leads_where_it_says(data_dir):
    data_dir.rmdir()
    (data_dir.parent / "elsewhere").mkdir()
    data_dir.symlink_to(data_dir.parent / "elsewhere")
    SQLDatabase(f"sqlite:///{data_dir / 'x.db'}").close()
    assert Operator(data_dir=data_dir)
    assert stat.S_IMODE((data_dir.parent / "elsewhere").stat().st_mode) == 0o700


# Ports


def ports_of(pid):
    """Return the ports that a process listens at."""
    held = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held}


async def test_a_run_listens_at_its_routers_port_alone(data_dir, tmp_path):
    before = ports_of(os.getpid())
    operator = Operator(data_dir=data_dir)
    run = await launch_with_files(operator, tmp_path)
    port = int(json.loads((parts_of(run).directory / "router.json").read_text())["port"])
    assert ports_of(router_pid(run)) == {port}
    assert ports_of(os.getpid()) <= before
    await operator.force_shutdown()
