"""What is known of a run, read from the files of its directory alone: how it ended, its results, and its config."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from fastrun.config.monitor import Monitor, directions_of
from fastrun.report.location import name_of, short_id
from fastrun.report.unfinished import measured_so_far, reason_of_end
from fastrun.report.values import number, part, whole
from fastrun.storage.format import FORMAT
from fastrun.storage.metrics_file import finite
from fastrun.storage.run_dir import RunDir

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # with libyaml, ten times as fast
_NOT_SETTINGS = {"format", "choices"}
_NOT_CONFIGURED = {"speed.found", "batch.found"}  # what fastrun measured, not what the user chose
_DIRECTION = ("metrics", "higher_is_better")  # the first and the last word of the key of a metric's direction
_PLAIN = (str, int, float, list)
_NOT_DIFFERENT = ("recipe", "name", "outputs", "hydra.")  # keys of overrides that do not change what is trained


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run. A value that the run does not have, or that cannot be read, is None.

    Attributes:
        path: the run directory.
        id: a short name, such as ``767f``, or ``767f/3`` for a job of a sweep; see :mod:`fastrun.report.find_run`.
        name: the folder that holds the run, or its sweep: the name of its recipe, or the one in its config.
        recipe: the recipe; several are joined by ``+``.
        status: ``running``, ``finished``, ``failed``, ``interrupted``, ``diverged``, ``killed`` or ``unknown``.
        reason: why a run failed, diverged or was stopped.
        metric: the metric that decides on the best validation.
        best: its best value.
        higher_is_better: whether larger values of it are better.
        best_step: the optimizer step of the best value.
        target: the value that the run was to reach.
        target_reached: whether it did.
        target_seconds: seconds of training until then.
        target_wall_seconds: seconds until then since the start of the process.
        target_steps: optimizer steps until then.
        steps: optimizer steps done.
        train_seconds: seconds of training, waiting for data included.
        wall_seconds: seconds since the start of the process, of all attempts.
        samples_per_second: of training.
        peak_memory: the most bytes that it held: of the GPU, or of its process where it trained on the CPU.
        overrides: the overrides of its command line, those of later attempts included.
        differs: the overrides that change what is trained, without the recipe; of several for one key the last.
        choices: the chosen option of each group.
        config: the value of each key, such as ``optimizer.lr``.
        seed: the seed.
        started: when it was started first, in seconds since the epoch.
        updated: when its status changed last, in seconds since the epoch.
        sweep: the folder of the sweep or study that it belongs to.
        kind: ``run``; ``sweep``, ``study`` or ``race`` where the record is of all of its runs.
        runs: how many of these runs have each status; empty of a run.
    """

    path: Path
    id: str
    name: str
    recipe: str | None = None
    status: str = "unknown"
    reason: str | None = None
    metric: str | None = None
    best: float | None = None
    higher_is_better: bool = True
    best_step: int | None = None
    target: float | None = None
    target_reached: bool = False
    target_seconds: float | None = None
    target_wall_seconds: float | None = None
    target_steps: int | None = None
    steps: int | None = None
    train_seconds: float | None = None
    wall_seconds: float | None = None
    samples_per_second: float | None = None
    peak_memory: int | None = None
    overrides: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    seed: int = 0
    started: float = 0.0
    updated: float = 0.0
    sweep: Path | None = None
    kind: str = "run"
    runs: dict[str, int] = field(default_factory=dict)

    @property
    def rank(self) -> float:
        """Return what is largest for the run with the best validation; minus infinity where nothing was measured."""
        if self.best is None:
            return -math.inf
        return self.best if self.higher_is_better else -self.best

    @property
    def directions(self) -> dict[str, bool]:
        """Return whether larger values are better of the metrics of its config that say so, such as ``val/mine``."""
        parts = [(key.split("."), value) for key, value in self.config.items()]
        found = {tuple(words): value for words, value in parts if isinstance(value, bool)}
        return {f"val/{words[1]}": value for words, value in found.items() if words[::2] == _DIRECTION}

    @property
    def sweep_id(self) -> str | None:
        """Return the short id of the sweep or study that the run belongs to."""
        return None if self.sweep is None else self.id.rpartition("/")[0] or short_id(self.sweep)

    def plain(self) -> dict[str, Any]:
        """Return all that is known of the run as plain data; the path of its directory is ``run``."""
        values = {entry.name: finite(getattr(self, entry.name)) for entry in fields(self) if entry.name != "path"}
        return {"run": str(self.path)} | values | {"sweep": None if self.sweep is None else str(self.sweep)}


def read_record(path: Path, sweep: Path | None = None) -> RunRecord:
    """Read the record of a run from its directory. Files that are missing or broken leave values out.

    Args:
        path: the run directory.
        sweep: the folder of the sweep or study that it belongs to.
    """
    run = RunDir(path)
    content, status, times = _yaml(path / "config.yaml"), run.status(), run.read("status.json")
    config = dict(_flat({key: value for key, value in content.items() if key not in _NOT_SETTINGS}))
    overrides = [str(one) for one in _yaml_list(path / "overrides.yaml")]
    choices = {str(group): _joined(option) for group, option in part(content, "choices").items() if option is not None}
    summary = run.read("summary.json") if status == "finished" else {}  # else it is that of an earlier attempt
    directions = directions_of(part(content, "metrics"))
    results = _of_summary(summary, directions) if summary else _so_far(run, status, config, directions)
    if content.get("format") != FORMAT:
        results["reason"] = f"has format {content.get('format')}; this version of fastrun reads format {FORMAT}"
    started = number(times.get("started"))
    changed = _changed(path)
    return RunRecord(
        path,
        short_id(path, sweep),
        name_of(path, sweep),
        recipe=choices.get("recipe"),
        status=status,
        overrides=overrides,
        differs=[one for one in _last_of_each(overrides) if not one.lstrip("+~").startswith(_NOT_DIFFERENT)],
        choices=choices,
        config=config,
        seed=whole(config.get("seed")) or 0,
        started=changed if started is None else started,
        updated=number(times.get("updated")) or changed,
        sweep=sweep,
        **({"target": number(config.get("target.value"))} | results),
    )


def _last_of_each(overrides: Sequence[str]) -> list[str]:
    """Return overrides without those that a later one of the same key replaces, as a resume may."""
    last = {override.partition("=")[0].lstrip("+~"): at for at, override in enumerate(overrides)}
    return [overrides[at] for at in sorted(last.values())]


def _of_summary(summary: Mapping[str, Any], directions: Mapping[str, bool]) -> dict[str, Any]:
    """Return the results of a run that has finished, by the names of the fields."""
    best, target, clock = part(summary, "best"), part(summary, "target"), part(summary, "clock")
    metric = best.get("metric") or target.get("metric")
    train, waiting = number(clock.get("train")), number(clock.get("data_wait"))
    stopped, memory = summary.get("stopped"), part(summary, "memory")
    return {
        "reason": stopped if isinstance(stopped, str) else None,
        "metric": metric if isinstance(metric, str) else None,
        "best": number(best.get("value")),
        "higher_is_better": Monitor.of(str(metric), directions).higher_is_better,
        "best_step": whole(best.get("step")),
        "target_reached": target.get("reached") is True,
        "target_seconds": number(target.get("train_seconds")),
        "target_wall_seconds": number(target.get("wall_seconds")),
        "target_steps": whole(target.get("steps")),
        "steps": whole(summary.get("steps")),
        "train_seconds": None if train is None else train + (waiting or 0.0),
        "wall_seconds": number(clock.get("total")),
        "samples_per_second": number(part(summary, "throughput").get("samples_per_second")),
        "peak_memory": whole(memory.get("device")) or whole(memory.get("process")),
    }


def _so_far(run: RunDir, status: str, config: Mapping[str, Any], directions: Mapping[str, bool]) -> dict[str, Any]:
    """Return the results of a run that has not finished, by the names of the fields."""
    metric = config.get("target.metric")
    chosen = metric if isinstance(metric, str) else None
    measured = measured_so_far(run, chosen, number(config.get("target.value")), directions)
    return measured | {"reason": reason_of_end(run, status)}


def _joined(option: Any) -> str:
    """Return a chosen option, or several recipes, as a text."""
    return "+".join(map(str, option)) if isinstance(option, list) else str(option)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of each leaf of a config; lists are leaves."""
    for name, value in node.items():
        key = f"{prefix}{name}"
        if key in _NOT_CONFIGURED:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value if isinstance(value, _PLAIN) or value is None else str(value)  # a date, for example


def _yaml(path: Path) -> dict[str, Any]:
    content = _load_yaml(path)
    return content if isinstance(content, dict) else {}


def _yaml_list(path: Path) -> list[Any]:
    content = _load_yaml(path)
    return content if isinstance(content, list) else []


def _load_yaml(path: Path) -> Any:
    """Return the content of a YAML file; None if it is missing or broken."""
    with suppress(OSError, ValueError, yaml.YAMLError, RecursionError):
        return yaml.load(path.read_bytes(), Loader=_LOADER)
    return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
