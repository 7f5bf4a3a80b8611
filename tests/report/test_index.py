"""The records of many runs: what the index keeps is as right as what is read, whatever becomes of files and index."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.report import index
from fastrun.report.index import read_runs, records
from fastrun.report.index_file import NAME
from fastrun.report.record import RunRecord
from fastrun.storage.run_dir import RunDir
from fastrun.system.process import Process

Make = Callable[..., Path]
HEX = "2026-11-28_07-29-{:02d}-{:04x}"


@pytest.fixture
def outputs(folder: Path, make_run: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with six runs, two of them of a sweep, and an index of them however few they are."""
    monkeypatch.setattr(index, "_LEAST", 0)
    monkeypatch.setenv("FASTRUN_CACHE", str(folder / "cache"))
    for number in range(4):
        path = Path("outputs/mlp_fast") / HEX.format(number, 0xA000 + number)
        make_run(path, best=0.9 + number / 100, started=100.0 + number, overrides=[f"seed={number}"])
    sweep = Path("outputs/mlp_fast") / f"sweep-{HEX.format(9, 0xBEEF)}"
    for number, status in enumerate(("finished", "failed")):
        make_run(sweep / f"{number}-clip=norm", status, started=200.0 + number)
    (sweep / "ledger").mkdir()
    (sweep / "sweep.json").write_text('{"format": 2}')
    return Path("outputs")


def fresh(outputs: Path) -> list[RunRecord]:
    """The records without an index."""
    least, index._LEAST = index._LEAST, sys.maxsize
    try:
        return records(outputs)
    finally:
        index._LEAST = least


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The run directories whose files are read from now on."""
    read: list[Path] = []
    real = index.read_record
    monkeypatch.setattr(index, "read_record", lambda path, sweep: read.append(path) or real(path, sweep))
    return read


def test_the_newest_is_last_and_a_second_call_reads_nothing(outputs: Path, reads: list[Path]) -> None:
    found = records(outputs)
    assert [record.id for record in found] == ["a000", "a001", "a002", "a003", "beef/0", "beef/1"]
    assert found[4].sweep == Path("outputs/mlp_fast") / f"sweep-{HEX.format(9, 0xBEEF)}"
    assert {record.name for record in found} == {"mlp_fast"}
    assert len(reads) == 6
    assert records(outputs) == found == fresh(outputs)
    assert len(reads) == 12  # six of them without the index
    assert records(outputs)[3].config["clip.kind"] == "none"


def _touched(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    summary["best"]["value"] = 0.123
    (run / "summary.json").write_text(json.dumps(summary))


def _moved(run: Path) -> None:
    run.rename(run.with_name("mine"))


def _copied(run: Path) -> None:
    shutil.copytree(run, run.with_name("again"))


def _resumed(run: Path) -> None:
    RunDir(run).begin()


def _cut(run: Path) -> None:
    (run / "summary.json").write_text('{"best": {"metr')


@pytest.mark.parametrize(
    "change",
    [
        _touched,
        _moved,
        _copied,
        _resumed,
        _cut,
        shutil.rmtree,
        lambda run: (run / "config.yaml").unlink(),
        lambda run: (run / "status.json").unlink(),
        lambda run: (run / "overrides.yaml").write_text("- seed=7\n"),
        lambda run: (run / "config.yaml").write_text("format: 1\n"),
    ],
)
def test_what_changed_is_read_again(outputs: Path, reads: list[Path], change: Callable[[Path], object]) -> None:
    before = records(outputs)
    reads.clear()
    change(before[2].path)
    found = records(outputs)
    assert len(reads) <= 1
    assert found == fresh(outputs)
    assert found != before
    assert records(outputs) == found


def test_a_running_run_is_killed_once_its_process_is_gone(outputs: Path, make_run: Make) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path = make_run(outputs / "mlp_fast" / HEX.format(30, 0xCCCC), "running", started=300.0)
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps(status | {"pid": process.pid, "start_ticks": None}))
    assert Process.of(status) is not None
    assert [records(outputs)[-1].status for _ in range(2)] == ["running", "running"]
    process.communicate(b"\n")
    killed = records(outputs)[-1]
    assert killed.status == "killed"
    assert killed.reason == "its process is gone"
    RunDir(path).append([{"step": 11, "train_seconds": 2.0, "val/acc": 0.99}])
    assert records(outputs)[-1].best == 0.99


def _damaged(file: Path) -> None:
    file.write_bytes(b"not a database at all" * 100)


def _cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _of_another_version(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def _with_damaged_rows(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE runs SET content = '[{\"1\": 2}]' WHERE path LIKE '%a001'")
        connection.execute("UPDATE runs SET content = 'nonsense' WHERE path LIKE '%a002'")
        connection.execute("DELETE FROM bases")
    connection.close()


@pytest.mark.parametrize("damage", [_damaged, _cut_in_half, _of_another_version, _with_damaged_rows])
def test_a_damaged_index_is_made_anew(outputs: Path, reads: list[Path], damage: Callable[[Path], object]) -> None:
    before = records(outputs)
    damage(outputs / NAME)
    assert records(outputs) == before
    assert records(outputs) == before
    reads.clear()
    assert records(outputs) == before
    assert reads == []


def test_the_database_of_another_program_and_a_link_are_left_alone(outputs: Path, folder: Path) -> None:
    other = folder / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE runs (mine TEXT)")
    connection.close()
    before = other.read_bytes()
    (outputs / NAME).symlink_to(other)
    assert len(records(outputs)) == 6
    (outputs / NAME).unlink()
    shutil.copyfile(other, outputs / NAME)
    assert len(records(outputs)) == 6
    assert (outputs / NAME).read_bytes() == other.read_bytes() == before


def test_a_locked_index_is_done_without(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastrun.report.index_file._LOCK_SECONDS", 0.0)
    before = records(outputs)
    other = sqlite3.connect(outputs / NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    _touched(before[0].path)
    assert records(outputs)[0].best == 0.123
    other.close()
    assert records(outputs)[0].best == 0.123


def test_where_the_folder_cannot_be_written_the_index_is_in_the_cache(
    outputs: Path, folder: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    before = records(outputs)
    assert not (outputs / NAME).exists()
    assert len(list((folder / "cache/runs").iterdir())) == 1
    reads.clear()
    assert records(outputs) == before
    assert reads == []
    monkeypatch.setenv("FASTRUN_CACHE", "/proc/none")
    assert records(outputs) == before


def test_few_runs_need_no_index(folder: Path, make_run: Make) -> None:
    make_run(Path("outputs/a/one"))
    assert len(records(Path("outputs"))) == 1
    assert not (Path("outputs") / NAME).exists()


def test_ids_that_are_the_same_are_made_longer(folder: Path, make_run: Make) -> None:
    for place in (HEX.format(1, 0xAAAA), HEX.format(2, 0xAAAA), "sweep-" + HEX.format(3, 0xAAAA) + "/0-lr=1"):
        make_run(Path("outputs/mlp_fast") / place)
    make_run(Path("outputs/copy") / HEX.format(2, 0xAAAA))
    (Path("outputs/mlp_fast") / ("sweep-" + HEX.format(3, 0xAAAA)) / "sweep.json").write_text("{}")
    ids = {record.id for record in records(Path("outputs"))}
    assert ids == {"01-aaaa", f"mlp_fast/{HEX.format(2, 0xAAAA)}", f"copy/{HEX.format(2, 0xAAAA)}", "aaaa/0"}


def test_links_are_not_followed_and_what_cannot_be_read_is_named(
    folder: Path, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(Path("outputs/a/one"))
    make_run(Path("elsewhere/two"))
    Path("outputs/link").symlink_to(Path("elsewhere").resolve())
    Path("outputs/closed").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = read_runs(Path("outputs"))
    assert [record.path.name for record in found.records] == ["one"]
    assert found.unreadable == [Path("outputs/closed")]
