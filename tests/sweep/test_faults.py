"""Jobs that raise, exit, are killed, diverge or hang: each is recorded, the others go on, and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

KINDS = ["fine", "raises", "exits", "killed", "diverges", "hangs", "fine"]
STATES = ["finished", "failed", "failed", "killed", "diverged", "timeout", "finished"]


def began(folder: Path) -> set[str]:
    """The kinds of the jobs that trained since the last look."""
    lines = (folder / "began").read_text().splitlines()
    (folder / "began").unlink()
    return {line.split()[0] for line in lines}


@pytest.mark.slow
def test_every_fault_is_a_row_and_resuming_runs_just_those(
    faults: Path, new_process: Any, tiny: Any, rows: Any, left: Any
) -> None:
    kinds = ",".join(KINDS)
    done = new_process(
        "train", *tiny, "-m", f"+callbacks.fault.kind={kinds}", "sweep.jobs=2", "sweep.timeout=6s", "sweep.grace=1s"
    )
    (sweep,) = faults.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    assert [row["state"] for row in ledger] == STATES, done.stdout
    assert [row["exit_code"] for row in ledger] == [0, 1, 0, 137, 4, 137, 0]
    assert left() == [], "a job that is killed leaves what it started to nobody"
    assert done.returncode == 1, "the first that failed raised something that is none of fastrun's errors"
    assert "RuntimeError: this job raises" in ledger[1]["error"]
    assert "Traceback" in (sweep / ledger[1]["folder"] / "output.log").read_text()
    assert f"fastrun resume {sweep.relative_to(faults)} --failed" in done.stdout
    assert began(faults) == set(KINDS)
    (faults / "armed").unlink()

    again = new_process("resume", str(sweep))
    assert began(faults) == {"killed", "hangs"}
    assert [row["state"] for row in rows(sweep)] == [
        "finished", "failed", "failed", "finished", "diverged", "finished", "finished"
    ]  # fmt: skip
    assert again.returncode == 1, "what failed has not been tried again"

    last = new_process("resume", str(sweep), "--failed")
    assert last.returncode == 0, last.stderr
    assert began(faults) == {"raises", "exits", "diverges"}
    assert {row["state"] for row in rows(sweep)} == {"finished"}
    assert [row["attempts"] for row in rows(sweep)] == [1, 2, 2, 2, 2, 2, 1]
    assert "7 jobs, all finished" in last.stdout
