"""Filters on runs: what they find, and what is said where they are mistyped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fastrun.errors import UsageError
from fastrun.report.filter import parse_filter
from fastrun.report.record import RunRecord

RECORD = RunRecord(
    Path("outputs/mlp_fast/2026-11-28_07-29-54-767f"),
    "767f",
    "mlp_fast",
    recipe="mlp_fast",
    status="failed",
    reason="The loss is not finite",
    metric="val/acc",
    best=0.91,
    target_seconds=6.5,
    train_seconds=12.0,
    choices={"model": "resnet", "clip": "none", "data": "digits"},
    config={"optimizer.lr": 0.003, "model.hidden": [256, 128], "target.value": None, "deterministic": False},
    seed=3,
    started=time.time() - 3 * 86400,
)


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("model=resnet", True),
        ("model=mlp", False),
        ("model=mlp,resnet status=failed", True),
        ("model!=mlp", True),
        ("model!=mlp,resnet", False),
        ("model=res*", True),
        ("best>0.9", True),
        ("best>0.91", False),
        ("best>=0.91 best<1 status=failed,killed", True),
        ("best>0.9 status=finished", False),
        ("optimizer.lr=3e-3", True),
        ("optimizer.lr<0.001", False),
        ("optimizer.momentum=0.9", False),
        ("optimizer.momentum=null", True),
        ("model.hidden=[256,128]", True),
        ("'model.hidden=[256, 128]'", True),
        ("target.value=null", True),
        ("deterministic=false", True),
        ("age>2d", True),
        ("age<2d", False),
        ("seed=3", True),
        ("reason~finite", True),
        ("reason~LOSS", True),
        ("'reason~not finite'", True),
        ("steps>0", False),  # not known
        ("target<7 seconds>10", True),
        ("train_seconds>10", True),
        ("name=mlp_fast id=767f recipe=mlp*", True),
        ("clip=none", True),
        ("ema=null", True),
    ],
)
def test_a_filter_finds_what_meets_every_condition(folder: Path, text: str, is_met: bool) -> None:
    assert parse_filter(text)(RECORD) is is_met


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "--filter is empty", "such as --filter"),
        ("resnet", "resnet is not a condition", "write KEY=VALUE"),
        ("best>", "best> is not a condition", "write KEY=VALUE"),
        ("best > 0.9", "best is not a condition", "write KEY=VALUE"),
        ("modl=resnet", "no run has the key modl", "did you mean model?"),
        ("lr>0.1", "no run has the key lr", "did you mean optimizer.lr?"),
        ("stauts=failed", "no run has the key stauts", "did you mean status?"),
        ("best>high", "high is not a number", "compare texts with = or ~"),
        ("age>3", "3 is not an age", "write 30d"),
        ("name='a b", "no closing quotation", "write KEY=VALUE"),
    ],
)
def test_a_mistake_is_a_line_and_a_hint(folder: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_filter(text)
    assert message in error.value.message
    assert hint in (error.value.hint or "")
