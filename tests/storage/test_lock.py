"""Two runs never write into one directory, and a dead one leaves it free."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import fastrun
from fastrun.cli.main import main
from fastrun.errors import InUse
from fastrun.storage.lock import locked, locked_ahead
from fastrun.storage.run_dir import RunDir, write_atomic

HOLDER = """
import sys
from contextlib import contextmanager
from pathlib import Path
from fastrun.storage.lock import locked, locked_ahead
from fastrun.storage.run_dir import RunDir
with locked(Path(sys.argv[1])):
    RunDir(Path(sys.argv[1])).begin()
    print("held", flush=True)
    sys.stdin.read()
"""
PARENT = """
import os, sys
from pathlib import Path
from fastrun.errors import InUse
from fastrun.storage.lock import locked, locked_ahead
with locked(Path(sys.argv[1])):
    child = os.fork()
    if not child:
        try:
            with locked(Path(sys.argv[1])):
                os._exit(1)
        except InUse as error:
            os._exit(0 if f"process {os.getppid()} " in error.message else 2)
    assert os.waitpid(child, 0)[1] == 0
"""
QUICK = ["model=mlp", "model.hidden=[8]", "data=synthetic", "data.samples=64", "steps=2"]


@contextmanager
def holding(run: Path):
    """Lock a directory in another process for the time of a block."""
    command = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def holder(tmp_path: Path):
    with holding(tmp_path / "run") as process:
        yield process


def files(run: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}


def test_the_one_that_is_refused_names_the_holder_and_changes_nothing(holder, tmp_path: Path) -> None:
    before = files(tmp_path)
    with pytest.raises(InUse) as caught, locked(tmp_path / "run"):
        pytest.fail("two at once")
    assert caught.value.exit_code == 8
    assert f"is running in process {holder.pid} on {socket.gethostname()} since 2" in caught.value.message
    assert caught.value.render().count("\n") == 1
    assert files(tmp_path) == before


def test_the_kernel_frees_what_a_killed_one_held(holder, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / "run/lock").read_text()
    with locked(tmp_path / "run") as notes:
        assert notes == []
        assert json.loads((tmp_path / "run/lock").read_text())["pid"] == os.getpid()


def test_one_process_holds_a_directory_once_under_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with locked(tmp_path / "run"):
        with pytest.raises(InUse, match=f"process {os.getpid()} "), locked(tmp_path / "link"):
            pytest.fail("two at once")
        with locked(tmp_path / "other"):
            pass
        with pytest.raises(InUse), locked(tmp_path / "run"):
            pytest.fail("the first refusal gave it away")
    with locked(tmp_path / "run"):
        pass


def test_a_lock_ahead_is_given_to_the_first_that_asks_and_excludes_others(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with locked_ahead(run):
        with locked(run) as notes:
            assert notes == []
            with pytest.raises(InUse), locked(run):
                pytest.fail("two at once")
        assert json.loads((run / "lock").read_text())["pid"] == os.getpid()
        with pytest.raises(InUse), locked(run):
            pytest.fail("given away twice")
    with locked(run):
        pass
    assert (run / "lock").read_text() == ""


def test_whoever_reads_the_file_while_a_lock_changes_hands_finds_a_holder(tmp_path: Path, monkeypatch) -> None:
    seen = []
    write = os.pwrite

    def looking(handle: int, content: bytes, at: int) -> int:
        seen.append((tmp_path / "lock").read_text())
        return write(handle, content, at)

    (tmp_path / "lock").write_text(json.dumps({"pid": 1, "host": "elsewhere", "filled": "x" * 200}))
    monkeypatch.setattr(os, "pwrite", looking)
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert [json.loads(text)["pid"] for text in seen] == [1]


def test_a_child_does_not_hold_what_its_parent_holds(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PARENT, str(tmp_path)], check=True)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_run_says_so_once_and_goes_on(folder: Path, monkeypatch, number: int) -> None:
    def unknown(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", unknown)
    run = fastrun.train(QUICK, quiet=True).directory
    assert (run / "run.log").read_text().count("this file system has no locks") == 1
    with locked(run), pytest.raises(InUse), locked(run):
        pytest.fail("two at once")


def test_without_locks_the_file_still_tells_of_a_process_that_lives(holder, tmp_path: Path, monkeypatch) -> None:
    def unknown(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", unknown)
    with pytest.raises(InUse, match=f"process {holder.pid} "), locked(tmp_path / "run"):
        pytest.fail("two at once")
    holder.kill()
    holder.wait()
    with locked(tmp_path / "run") as notes:
        assert len(notes) == 1


@pytest.mark.sampled
@pytest.mark.parametrize("command", ["train", "resume", "resume with a value"])
def test_no_second_run_enters_a_directory(folder: Path, capfd, command: str) -> None:
    run = fastrun.train(QUICK, quiet=True).directory
    arguments = {
        "train": ["train", *QUICK, f"hydra.run.dir={run}"],
        "resume": ["resume", str(run)],
        "resume with a value": ["resume", str(run), "steps=4"],
    }[command]
    with holding(run) as holder:
        assert RunDir(run).status() == "running"
        before = files(run)
        assert main(arguments) == 8
        error = capfd.readouterr().err
        assert f"is running in process {holder.pid} " in error
        assert error.count("\n") == 2
        assert files(run) == before
    assert RunDir(run).status() == "killed"
    assert main(["resume", str(run)]) == 0


def status_with(run: RunDir, **other) -> str:
    write_atomic(run.path / "status.json", json.dumps(run.read("status.json") | other))
    return run.status()


def test_running_is_told_from_killed_by_machine_boot_and_start(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.begin()
    now = run.read("status.json")
    assert now["host"] == socket.gethostname()
    assert run.status() == "running"
    assert status_with(run, start_ticks=now["start_ticks"] - 1) == "killed"  # the id went to another process
    assert status_with(run, start_ticks=now["start_ticks"], boot_id="of yesterday") == "killed"
    assert status_with(run, host="elsewhere") == "running"  # nobody here can know
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, nobody has asked how
    assert status_with(run, host=now["host"], boot_id=now["boot_id"], pid=child.pid, start_ticks=None) == "killed"
    child.wait()
