"""``fastrun prune``: what it removes, what it never does, and that it asks."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.cli.main import main
from fastrun.config.settings import TransferConfig
from fastrun.report.prune import remove as removing
from fastrun.storage.lock import locked

Make = Callable[..., Path]
DAY = 86400.0
OLD = Path("outputs/mlp_fast/2026-11-01_10-00-00-aaaa")
NEW = Path("outputs/mlp_fast/2026-11-28_10-00-00-bbbb")
FAILED = Path("outputs/text/2026-11-28_11-00-00-cccc")
SWEEP = Path("outputs/mlp_fast/sweep-2026-11-02_12-00-00-dddd")


@pytest.fixture
def outputs(folder: Path, make_run: Make) -> Path:
    """Two runs that finished, one that failed, and a sweep of two, one of which failed."""
    now = time.time()
    make_run(OLD, started=now - 40 * DAY, checkpoints={10: 0.9, 20: 0.8, 30: 0.85})
    make_run(NEW, started=now - DAY, checkpoints={10: 0.7})
    make_run(FAILED, "failed", started=now - 2 * DAY, checkpoints={10: 0.9, 20: 0.8})
    for number, status in enumerate(("finished", "failed")):
        make_run(SWEEP / f"{number}-seed={number}", status, started=now - 35 * DAY)
    (SWEEP / "ledger").mkdir()
    (SWEEP / "ledger/00000.json").write_text("{}")
    (SWEEP / "sweep.json").write_text("{}")
    return Path("outputs")


@pytest.fixture
def prune(outputs: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str, code: int = 0) -> str:
        assert main(["prune", *arguments]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    return run


def test_old_runs_are_removed_and_a_sweep_with_all_its_runs(prune: Callable[..., str]) -> None:
    text = prune("--older-than", "30d", "--yes")
    assert "removed 3 runs, " in text
    assert not OLD.exists()
    assert not SWEEP.exists()
    assert NEW.exists()
    assert FAILED.exists()


def test_conditions_add_up(prune: Callable[..., str]) -> None:
    assert "nothing to remove" in prune("--older-than", "1000d", "--status", "failed", "--yes")
    assert "removed 1 run, " in prune("--filter", "best>0.8 model=mlp age<30d", "--status", "failed", "--yes")
    assert not FAILED.parent.exists()  # nothing else was in it
    assert OLD.exists()


def test_without_a_terminal_nothing_is_removed_unasked(prune: Callable[..., str]) -> None:
    text = prune("--older-than", "30d", code=2)
    assert "aaaa" in text
    assert "--yes removes without asking" in text
    assert OLD.exists()


@pytest.mark.parametrize(("answer", "stays"), [("y", False), ("yes", False), ("n", True), ("", True)])
def test_it_asks(prune: Callable[..., str], monkeypatch: pytest.MonkeyPatch, answer: str, stays: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or answer)
    prune("--older-than", "38d")
    assert asked[0].startswith("remove 1 run, ")
    assert OLD.exists() is stays


def test_single_runs_of_a_sweep_are_kept_unless_told(prune: Callable[..., str]) -> None:
    text = prune("--status", "failed", "--yes")
    assert "kept dddd/1: it is in the ledger of the sweep dddd, of which other runs stay" in text
    assert (SWEEP / "1-seed=1").exists()
    assert not FAILED.exists()
    assert "dddd/1: it is in the ledger" in prune("--status", "failed", "--needed", "--yes")
    assert not (SWEEP / "1-seed=1").exists()
    assert (SWEEP / "sweep.json").exists()


def test_runs_of_a_sweep_that_goes_on_are_kept(prune: Callable[..., str]) -> None:
    with locked(SWEEP):
        assert "is running in process" in prune("--filter", "sweep=sweep-*", "--yes", code=8)
    assert len(list(SWEEP.glob("*/config.yaml"))) == 2
    (SWEEP / ".runs.sqlite").write_bytes(b"")
    assert "removed 2 runs" in prune("--filter", "sweep=sweep-*", "--yes")
    assert not SWEEP.exists()


def test_files_of_the_user_in_a_sweep_stay(prune: Callable[..., str]) -> None:
    (SWEEP / "notes.txt").write_text("mine")
    prune("--older-than", "30d", "--yes")
    assert [path.name for path in SWEEP.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("source", [OLD, OLD / "checkpoints/step-00000010.ckpt", Path("outputs/../") / OLD])
def test_what_another_run_starts_from_is_kept(prune: Callable[..., str], make_run: Make, source: Path) -> None:
    make_run(Path("outputs/b/tuned"), transfer=TransferConfig(kind="finetune", source=str(source)), started=time.time())
    text = prune("--older-than", "38d", "--yes")
    assert "kept aaaa: tuned starts from its weights (transfer.source); --needed removes it as well" in text
    assert "nothing to remove" in text
    assert "tuned starts from its weights" in prune("--older-than", "38d", "--yes", "--needed")
    assert not OLD.exists()


def test_what_is_kept_keeps_what_it_needs(prune: Callable[..., str], make_run: Make) -> None:
    start = TransferConfig(kind="finetune", source=str(SWEEP / "0-seed=0"))
    user = make_run(Path("outputs/b/user"), transfer=start, started=time.time())
    text = prune("--filter", "best>0", "--older-than", "30d", "--yes")
    assert "kept dddd/0: user starts from its weights" in text
    assert "kept dddd/1: it is in the ledger of the sweep dddd" in text
    assert user.exists()
    assert len(list(SWEEP.glob("*/config.yaml"))) == 2
    assert not OLD.exists()
    assert "removed 4 runs" in prune("--filter", "best>0 id!=bbbb", "--status", "finished,failed", "--yes", "--needed")


def test_an_index_that_lies_removes_nothing(prune: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastrun.report.index._LEAST", 0)
    assert "nothing to remove" in prune("--status", "interrupted")
    with sqlite3.connect("outputs/.runs.sqlite") as connection:
        connection.execute("UPDATE runs SET content = replace(content, 'finished', 'interrupted')")
    connection.close()
    assert main(["runs", "--filter", "status=interrupted"]) == 0
    assert "nothing to remove" in prune("--status", "interrupted", "--yes").splitlines()[-1]


def test_a_running_run_is_never_removed(prune: Callable[..., str], make_run: Make) -> None:
    running = make_run(Path("outputs/b/now"), "running", started=1.0)
    elsewhere = make_run(Path("outputs/b/there"), "running", started=1.0)
    status = json.loads((elsewhere / "status.json").read_text())
    (elsewhere / "status.json").write_text(json.dumps(status | {"host": "another"}))
    text = prune("--older-than", "60d", "--yes", "--needed")
    assert "kept now: it is running" in text
    assert "kept there: it is running" in text
    assert running.exists()
    with locked(OLD):  # its status is stale
        assert "is running in process" in prune("--older-than", "38d", "--yes", code=8)
    assert (OLD / "summary.json").exists()


def test_the_best_checkpoint_is_kept_and_of_what_may_go_on_the_newest(prune: Callable[..., str]) -> None:
    text = prune("--filter", "age>0s", "--checkpoints-only", "--yes")
    assert "removed 2 checkpoints of 1 run, " in text
    assert sorted(path.name for path in (OLD / "checkpoints").iterdir()) == ["step-00000010.ckpt", "step-00000010.json"]
    assert len(list((FAILED / "checkpoints").glob("*.ckpt"))) == 2
    assert (OLD / "summary.json").exists()
    assert "nothing to remove" in prune("--filter", "age>0s", "--checkpoints-only", "--yes")


@pytest.mark.slow
def test_without_checkpoints_a_resume_says_so(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    small = "data=synthetic", "data.samples=64", "data.shape=[4]", "model=mlp", "model.hidden=[8]", "batch.size=8"
    assert shell("train", *small, "steps=3").returncode == 0
    done = shell("prune", "--filter", "age>0s", "--checkpoints-only", "--all-checkpoints", "--yes")
    assert "removed 1 checkpoint of 1 run" in done.stdout
    for arguments in (("resume", "latest", "steps=6"), ("eval", "latest")):
        done = shell(*arguments)
        assert done.returncode == 6
        assert "has no checkpoints: `fastrun prune` removed them" in done.stderr


def test_links_are_not_followed(prune: Callable[..., str]) -> None:
    outside = Path("precious")
    outside.mkdir()
    (outside / "file").write_text("keep")
    (OLD / "link").symlink_to(outside.resolve())
    (OLD / "file").symlink_to((outside / "file").resolve())
    prune("--older-than", "38d", "--yes")
    assert not OLD.exists()
    assert (outside / "file").read_text() == "keep"
    (NEW / "checkpoints/step-00000020.ckpt").symlink_to((outside / "file").resolve())
    assert "is a link" in prune("--filter", "id=bbbb", "--checkpoints-only", "--all-checkpoints", "--yes", code=6)
    assert (outside / "file").exists()


def test_a_directory_that_is_not_ours_stays(prune: Callable[..., str]) -> None:
    foreign = Path("outputs/other/app")
    foreign.mkdir(parents=True)
    (foreign / "config.yaml").write_text("server: example\n")
    text = prune("--status", "unknown", "--yes", code=7)
    assert "is not removed: it is not a run directory of fastrun" in text
    assert (foreign / "config.yaml").exists()


def test_what_cannot_be_removed_is_named_and_the_rest_goes(
    prune: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = removing.shutil.rmtree

    def rmtree(path: str) -> None:
        if "aaaa" in path:
            raise PermissionError(13, "Permission denied", path)
        real(path)

    monkeypatch.setattr(removing.shutil, "rmtree", rmtree)
    text = prune("--older-than", "30d", "--yes", code=7)
    assert "cannot remove" in text
    assert "removed 2 runs" in text
    assert (OLD / "config.yaml").exists()  # so it can be removed again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "prune needs to know which runs"),
        (["--checkpoints-only"], "prune needs to know which runs"),
        (["--older-than", "30"], "write 30d"),
        (["--status", "runing"], "no run ends so"),
        (["--status", "running"], "a run that trains is not removed"),
        (["--status", "faild"], "did you mean failed?"),
        (["--status", "failed", "--all-checkpoints"], "goes with --checkpoints-only"),
        (["--filter", "bst<1"], "did you mean best?"),
    ],
)
def test_a_mistake_is_a_line_and_a_hint(prune: Callable[..., str], arguments: list[str], message: str) -> None:
    assert message in prune(*arguments, code=2)
    assert OLD.exists()


def test_a_study_without_a_verdict_goes_as_a_whole(prune: Callable[..., str], make_study: Make) -> None:
    name = "outputs/mlp_fast/study-2026-11-28_1{}-00-00-{}"
    stopped, proved = (
        make_study(Path(name.format(2, "eeee")), 2),
        make_study(Path(name.format(3, "ffff")), 1, has_verdicts=True),
    )
    text = prune("--status", "interrupted", code=2)
    (line,) = (line for line in text.splitlines() if line.startswith("eeee"))
    assert "mlp_fast study of norm, 8 runs" in line
    assert "interrupted: block 2 of 6" in line
    assert "to remove 8 runs" in text
    assert "there is no terminal to ask on" in text
    with locked(stopped):
        assert "nothing to remove" in prune("--status", "interrupted", "--yes")
    assert "removed 8 runs" in prune("--status", "interrupted", "--yes")
    assert not stopped.exists()
    assert "kept 6 runs: it is a run of the study ffff" in prune("--filter", "id=ffff", "--yes")
    assert proved.exists()
