"""Measure the network of a run on the validation or test set; of several runs, their ensemble, too."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastrun.errors import UsageError
from fastrun.redaction import redact_override
from fastrun.report.find_run import check_is_run, find_run
from fastrun.report.index import records
from fastrun.report.location import is_study
from fastrun.storage.checkpoint.select import select
from fastrun.storage.metrics_file import finite
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep
from fastrun.system import streams
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.training.trained.ensemble import Member
    from fastrun.training.trained.evaluate import Evaluation, Watch

_TRAINING_ALONE = (
    "name", "outputs", "epochs", "steps", "val_every", "log_every", "optimizer", "schedule", "init", "augment", "clip",
    "early_stopping", "checkpoint", "on_divergence", "transfer", "ema", "logger", "callbacks", "sweep",
    "target.value", "target.stop",
)  # fmt: skip
_HINT = "what a measurement takes: data.…, device.…, batch.eval_size, views, amp.…, speed.…, pipeline.…"
_CHECKPOINTS = "best", "last"


@dataclass(frozen=True)
class _Request:
    """What the command line asks for.

    Attributes:
        runs: the directories of the runs.
        are_several: whether several runs were named, or a sweep.
        overrides: the values that replace those of the runs.
        given: the options.
    """

    runs: list[Path]
    are_several: bool
    overrides: list[str]
    given: Namespace

    @property
    def is_new_data(self) -> bool:
        """Say whether other data than the runs' own is measured."""
        return any(override.startswith("data.") for override in self.overrides)


def run(arguments: list[str]) -> int:
    """Print the metrics of checkpoints and what else was found, which is kept in the directories of the runs."""
    request = _read(_parser().parse_intermixed_args(arguments))
    members = [_member(path, request) for path in request.runs]
    if request.are_several:
        _evaluate_several(request, members)
    else:
        _evaluate_one(request, members[0])
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun eval", __doc__)
    parser.add_argument(
        "words", nargs="*", metavar="RUN", help="a run: its directory, `latest`, `best`, an id …; several, or a sweep"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values; data.root=… is other data")
    parser.add_argument("--split", choices=("train", "val", "test"), help="the split (default: test)")
    parser.add_argument("--anyway", action="store_true", help="measure though the data of the run has changed")
    parser.add_argument("--ckpt", default="best", metavar="CKPT", help="best, last or a path (default: best)")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


def _read(given: Namespace) -> _Request:
    """Tell the runs from the values on the command line.

    Raises:
        UsageError: there is no run, a word names none, one is named twice, or a value changes nothing.
    """
    words = [word for word in given.words if not _is_override(word)]
    overrides = [word for word in given.words if _is_override(word)]
    if not words:
        raise UsageError("eval needs a run", "fastrun eval RUN; `fastrun runs` lists those there are")
    paths = [find_run(word) for word in words]
    runs = [one for path, word in zip(paths, words, strict=True) for one in _runs_of(path, word)]
    for path, count in Counter(path.resolve() for path in runs).items():
        if count > 1:
            raise UsageError(f"{path.name} is named {count} times", "an ensemble has each run once")
    are_several = len(runs) > 1 or any(map(is_sweep, paths))
    if are_several and given.ckpt not in _CHECKPOINTS:
        raise UsageError(f"--ckpt {given.ckpt} is the checkpoint of one run", "for several runs, give best or last")
    _check_overrides(overrides)
    return _Request(runs, are_several, overrides, given)


def _is_override(word: str) -> bool:
    """Say whether a word is a value; the directory of a job in a sweep has an equals sign, too."""
    return ("=" in word or word.startswith(("+", "~"))) and not os.path.isfile(f"{word}/config.yaml")  # noqa: PTH113


def _runs_of(path: Path, word: str) -> list[Path]:
    """Return the run that a path names, or those of a sweep that have finished.

    Raises:
        UsageError: it is a study, or a sweep of which no run has finished.
        UnknownRun: it is no run.
    """
    if not is_sweep(path) or is_study(path):
        check_is_run(path, word)
        return [path]
    found = records(path)
    finished = [record.path for record in found if record.status == "finished"]
    if not finished:
        raise UsageError(f"no run of the sweep {word} has finished", f"fastrun watch {path} shows where it is")
    if len(finished) < len(found):
        streams.say_error(f"note: {len(found) - len(finished)} of the runs of {word} have not finished: left out")
    return finished


def _check_overrides(overrides: list[str]) -> None:
    """Check that every override can change what is measured.

    Raises:
        UsageError: one is for a training alone.
    """
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if any(key == part or key.startswith(f"{part}.") for part in _TRAINING_ALONE):
            raise UsageError(f"{redact_override(override)}: nothing is trained, so {key} would change nothing", _HINT)


def _member(path: Path, request: _Request) -> Member:
    """Return a run with its settings and its checkpoint."""
    from fastrun import compose
    from fastrun.components.data.early import check_early

    directory = RunDir(path)
    settings = compose.from_config(directory.config(), request.overrides, has_trackers=False)
    checkpoint = select(directory.checkpoints, request.given.ckpt, settings.target.metric, settings.metrics)
    check_early(settings.data)  # before torch, which takes seconds
    from fastrun.training.trained.ensemble import Member

    return Member(path, settings, checkpoint)


def _evaluate_one(request: _Request, member: Member) -> None:
    from fastrun.cli import evaluations

    found = _examine(request, member)
    kept = evaluations.keep(member, found, request.given.ckpt, request.overrides)
    if request.given.json:
        print(json.dumps(evaluations.as_json(member, found, kept)))
    else:
        evaluations.show(member, found, kept)


def _evaluate_several(request: _Request, members: list[Member]) -> None:
    from fastrun.cli import evaluations
    from fastrun.components.data.progress import show_progress
    from fastrun.training.trained.ensemble import Ensemble, check_alike

    check_alike(members, is_new_data=request.is_new_data)
    ensemble, found = Ensemble(members), []
    with show_progress("measuring runs", len(members)) as progress:
        for member in members:
            found.append(_examine(request, member, ensemble.watch))
            progress(1)
    kept = [
        evaluations.keep(member, one, request.given.ckpt, request.overrides)
        for member, one in zip(members, found, strict=True)
    ]
    together = ensemble.evaluation(found[0].split) if len(members) > 1 else None
    if request.given.json:
        runs = [evaluations.as_json(*one) for one in zip(members, found, kept, strict=True)]
        print(json.dumps({"runs": runs, "ensemble": together and finite(together.plain())}))
    else:
        evaluations.show_several(members, found, together, kept)


def _examine(request: _Request, member: Member, watch: Watch | None = None) -> Evaluation:
    from fastrun.training.trained.evaluate import examine

    return examine(
        member.settings,
        member.checkpoint,
        request.given.split,
        is_new_data=request.is_new_data,
        anyway=request.given.anyway,
        watch=watch,
    )
