"""fastrun trains a network faster with the well-known heuristics, and proves which of them did it."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import fastrun.sweep  # noqa: F401 (before the function of that name: importing the package later would replace it)
from fastrun import errors

if TYPE_CHECKING:
    from pytorch_lightning import Callback, LightningDataModule
    from torch import nn

    from fastrun.report.run import Run
    from fastrun.report.sweep_result import Sweep
    from fastrun.storage.job import Job, JobRecord
    from fastrun.study.conclusion import Conclusion
    from fastrun.training.trained.model import TrainedModel

__all__ = ["__version__", "ablate", "compare", "errors", "load", "resume", "runs", "sweep", "train"]

__version__ = "0.1.0"

_PRINTS = (
    "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-i", "--info", "--resolve", "-sc",
    "--shell-completion", "--plan", "--json",
)  # fmt: skip


def train(
    overrides: str | Sequence[str] = (),
    quiet: bool = False,
    *,
    model: nn.Module | None = None,
    data: Mapping[str, Any] | LightningDataModule | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Run:
    """Train a network, as ``fastrun train …`` does.

    Args:
        overrides: the arguments of the command line: a text that is split as a shell splits it, such as
            ``"+recipe=resnet_amp epochs=3"``, or a list of them.
        quiet: whether to print nothing.
        model: a network, or a LightningModule with steps of its own, in place of the option of ``model``. A copy is
            trained, from the weights as they are unless ``init=…`` is among the overrides.
        data: data sets or dataloaders, ``{"train": …, "val": …}`` and perhaps ``"test"``; or a LightningDataModule.
        callbacks: callbacks of Lightning, beside those of the overrides.

    Returns:
        The run: its settings, its directory, its summary and metrics, ``model``, its best network, and ``plot()``.

    Raises:
        fastrun.errors.FastrunError: the error with which the command line would end.

    Example:
        >>> run = fastrun.train(["+recipe=mlp_fast", "epochs=3"], model=net, data={"train": train, "val": val})
        >>> logits = run.model(images)
    """
    from fastrun import compose
    from fastrun.report.run import Run
    from fastrun.run import runner
    from fastrun.training.objects import Objects

    started = time.time()
    objects, ended = Objects(model, data, callbacks), list[runner.Ended]()

    def run_job(job: Job) -> None:
        how: dict[str, Any] = {"started": started, "quiet": quiet, "objects": objects}
        ended.append(runner.train(objects.named(job.settings), job.folder, words, **how))

    def refuse_sweep(*_: object) -> list[JobRecord]:
        hint = "train in a loop, since jobs of a sweep have processes of their own" if objects.given else None
        raise errors.UsageError("fastrun.train trains one run only", hint or "fastrun.sweep(overrides)")

    with _trusted(overrides) as words:
        objects.check(words)
        compose.run([*words, *objects.overrides(words)], run_job, refuse_sweep)
    return Run(*ended[0], objects)


def resume(
    run: str | os.PathLike[str],
    overrides: str | Sequence[str] = (),
    quiet: bool = False,
    *,
    model: nn.Module | None = None,
    data: Mapping[str, Any] | LightningDataModule | None = None,
    callbacks: Sequence[Callback] | None = None,
    anyway: bool = False,
) -> Run:
    """Resume a run from its newest good checkpoint, as ``fastrun resume RUN`` does; it ends as if it had not stopped.

    Args:
        run: a run, its directory, or a word that names it, such as ``latest``.
        overrides: values to change, such as ``"epochs=20"``.
        quiet: whether to print nothing.
        model: the network, if the run was given one: of the same class and size. Its weights are not used.
        data: the data, if the run was given it as an object.
        callbacks: the callbacks, if the run was given some; an empty list goes on without them.
        anyway: go on with data that has changed.

    Returns:
        The run; a run that has finished is returned as it is, unless there are overrides.

    Raises:
        fastrun.errors.FastrunError: the error with which the command line would end.

    Example:
        >>> run = fastrun.resume("latest", model=net, data={"train": train, "val": val})
        >>> run.summary["best"]["value"]
    """
    from fastrun import compose
    from fastrun.report.find_run import check_is_run, find_run
    from fastrun.report.run import Run
    from fastrun.run.resume import resume
    from fastrun.storage.run_dir import RunDir
    from fastrun.training.objects import Objects

    started, objects = time.time(), Objects(model, data, callbacks)
    path = find_run(os.fspath(run))
    check_is_run(path, os.fspath(run))
    directory = RunDir.open(path)
    with _trusted(overrides) as words:
        objects.check(words)
        if directory.status() == "finished" and not words:
            ended = Run.open(path, objects)
            objects.fitted(ended.settings)
            return ended
        settings = objects.fitted(compose.from_config(directory.config(), words))
        how: dict[str, Any] = {"started": started, "quiet": quiet, "anyway": anyway, "objects": objects}
        return Run(*resume(settings, directory, words, **how), objects)


def load(path: str | os.PathLike[str], checkpoint: str = "best", *, model: nn.Module | None = None) -> TrainedModel:
    """Load a trained model on the CPU, in evaluation mode. The data that it was trained on is not needed.

    Args:
        path: a run, its directory, the file of a checkpoint, or a ``model.safetensors`` of ``fastrun export``.
        checkpoint: of a run directory, ``best``, ``last``, or a path.
        model: the network, if the run was given one; a copy gets the trained weights.

    Returns:
        A module that prepares its inputs as the run prepared its data: ``model(inputs)``. ``model.takes`` says which
        inputs it takes, ``model.classes`` names its outputs, and ``model.net`` is the network alone.

    Raises:
        fastrun.errors.CheckpointError: there is no such run or checkpoint, or it cannot be read.
        fastrun.errors.ConfigError: the model cannot be built here, for example because its code is missing.
        fastrun.errors.UsageError: the model is of another class or size than that of the run.

    Example:
        >>> model = fastrun.load("outputs/mlp_fast/20260101_120000-767f")
        >>> logits = model(images)
    """
    from pathlib import Path

    from fastrun.storage.checkpoint.select import select
    from fastrun.storage.run_dir import RunDir
    from fastrun.training.objects import Objects
    from fastrun.training.trained.export import weights_file
    from fastrun.training.trained.model import TrainedModel, load_model

    source, objects = Path(path), Objects(model)
    objects.check(())
    if source.suffix == weights_file.SUFFIX and source.is_file():
        objects.check_unused(str(source))
        return TrainedModel(weights_file.load_file(source))
    if not source.is_file():
        run = RunDir.open(source)
        config = run.config()
        source = select(run.checkpoints, checkpoint, config["target"]["metric"], config.get("metrics", {}))
    return load_model(source, objects=objects)


def sweep(overrides: str | Sequence[str], quiet: bool = False) -> Sweep:
    """Train a run for each combination of values, as ``fastrun train … -m`` does.

    Args:
        overrides: the arguments of the command line; ``key=1,2`` is one key with two values.
        quiet: whether to print nothing.

    Returns:
        The runs, those that failed among them, and the best one.

    Raises:
        fastrun.errors.FastrunError: no job could start, or a signal stopped the sweep. A job that fails raises nothing.

    Example:
        >>> sweep = fastrun.sweep("+recipe=mlp_fast optimizer=sgd,adamw epochs=2")
        >>> print(sweep.best.overrides, [run.status for run in sweep])
    """
    from fastrun import compose
    from fastrun.report.sweep_result import Sweep
    from fastrun.sweep import external_job, runner

    found: list[Sweep] = []

    def run_sweep(folder: Any, source: Any, settings: Any, launch: Any) -> list[JobRecord]:
        records = runner.sweep(folder, source, settings, launch, quiet=quiet)
        found[:] = [Sweep.of(folder, records)]
        return records

    with _trusted(overrides) as words:
        compose.run(
            [*(word for word in words if word not in ("-m", "--multirun")), "-m"], external_job.run_job, run_sweep
        )
    return found[0]


def ablate(overrides: str | Sequence[str], quiet: bool = False) -> Conclusion:
    """Measure what each heuristic of a run brings, as ``fastrun ablate …`` does. This takes many trainings.

    Args:
        overrides: the run, and ``study.…``.
        quiet: whether to print nothing.

    Returns:
        The study: ``verdicts``, a dict for each comparison, ``sentence``, what they come to, and ``folder``.

    Raises:
        fastrun.errors.FastrunError: the study cannot be made, or a signal stopped it.

    Example:
        >>> study = fastrun.ablate("+recipe=mlp_fast epochs=6 target.value=0.95 study.factors=[optimizer]")
        >>> print(study.sentence, study.verdicts[0]["ratio"])
    """
    from fastrun.study import forest
    from fastrun.study.ablate import begin, define
    from fastrun.study.settings import split_study

    with _trusted(overrides) as words:
        config, rest = split_study(words)
        study = begin(define(config, rest), quiet=quiet)
    if not quiet:
        forest.show(study)
    return study


def compare(
    *runs: str | os.PathLike[str], filter: str | None = None, metric: str | None = None
) -> list[dict[str, Any]]:
    """Compare runs, as ``fastrun compare …`` does. Runs that differ in the seed alone are one row.

    Args:
        *runs: runs, their directories, or words that name them; or the folder of a sweep.
        filter: only runs that meet it, such as ``"model=resnet best>0.9"``; alone, of all in ``outputs``.
        metric: the metric to compare by, such as ``val/loss``; None for that of the runs.

    Returns:
        The rows, the best first. ``values`` has the keys that differ, ``runs`` the directories, ``best`` and the other
        results their mean, deviation and 95 % interval over the runs. What to know about them is warned of.

    Raises:
        fastrun.errors.UsageError: nothing is named, or a word names no run.

    Example:
        >>> rows = fastrun.compare(first, second)
        >>> print(rows[0]["values"], rows[0]["best"]["mean"])
    """
    import warnings

    from fastrun.report.compare.comparison import compare_runs
    from fastrun.report.compare.export import as_values
    from fastrun.report.compare.metric import full_name
    from fastrun.report.compare.selection import select_runs

    selection = select_runs([os.fspath(run) for run in runs], filter)
    found = compare_runs(selection.records, metric and full_name(metric), len(selection.records), selection.notes)
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    rows: list[dict[str, Any]] = as_values(found)["rows"]
    return rows


def runs(filter: str | None = None, folder: str | os.PathLike[str] = "outputs") -> Any:
    """Return the runs that there are, as ``fastrun runs --all`` lists them, the newest last.

    Args:
        filter: only runs that meet it, such as ``"model=resnet best>0.9 status=finished"``.
        folder: the output folder.

    Returns:
        A data frame of polars, else of pandas, whichever is installed; else a list of dicts. Besides the results it has
        a column for each group of options, and for each key of the config that differs between the runs.

    Raises:
        fastrun.errors.UsageError: the filter is no filter.
        fastrun.errors.StorageError: there is no such folder.

    Example:
        >>> frame = fastrun.runs("recipe=mlp_fast")
        >>> print(frame[["run", "best", "seconds"]])
    """
    from pathlib import Path

    from fastrun.report.data_frame import as_frame, list_runs

    return as_frame(list_runs(filter, Path(folder)))


@contextmanager
def _trusted(overrides: str | Sequence[str]) -> Iterator[list[str]]:
    """Yield overrides as a list without ``trust=…``, whose names are trusted meanwhile."""
    from fastrun import redaction
    from fastrun.config import trust

    words, names = trust.split_trust(_words(overrides))
    for word in words:
        if word.partition("=")[0] in _PRINTS:
            raise errors.UsageError(f"{word} prints something, and trains nothing", "use it on the command line")
    redaction.learn_overrides(words)
    with trust.grant(names):
        yield words


def _words(overrides: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(overrides, str):
        return overrides
    try:
        return shlex.split(overrides)
    except ValueError as error:
        raise errors.UsageError(f"{overrides}: {str(error).lower()}", "close it, or give a list") from error
