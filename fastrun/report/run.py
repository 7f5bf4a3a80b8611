"""A run as Python has it: its directory, what came out, and its network."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fastrun import compose
from fastrun.config.constraints import check_word
from fastrun.config.settings import Settings
from fastrun.errors import UsageError
from fastrun.report.compare.metric import full_name
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.training.objects import NONE, Objects

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastrun.training.trained.model import TrainedModel


@dataclass(eq=False)
class Run:
    """A run that has ended. It is taken wherever the path of a run is, such as in ``fastrun.load(run)``.

    Attributes:
        directory: the run directory.
        summary: the content of summary.json; empty if the run did not finish.
        settings: the settings of the run.
        objects: the objects that it was given.
    """

    directory: Path
    summary: dict[str, Any] = field(repr=False)
    settings: Settings = field(repr=False)
    objects: Objects = field(default=NONE, repr=False)

    @classmethod
    def open(cls, path: Path, objects: Objects = NONE) -> Self:
        """Open a run directory.

        Args:
            path: the directory.
            objects: the objects that the run was given.

        Raises:
            CheckpointError: there is no run there, or one of another format.
            ConfigError: its config cannot be read.
        """
        run = RunDir.open(path)
        summary = run.read("summary.json") if run.status() == "finished" else {}
        return cls(path, summary, compose.from_config(run.config(), [], has_trackers=False), objects)

    def __fspath__(self) -> str:
        """Return the path of the run directory."""
        return str(self.directory)

    def __repr__(self) -> str:
        """Return the directory and the result in a line."""
        return f"<Run {self.directory}: {self.result}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: how the run ended, and its numbers."""
        clock = self.summary.get("clock") or {}
        train = clock.get("train", 0.0) + clock.get("data_wait", 0.0)
        rows = {
            "result": self.result,
            "steps": f"{self.summary['steps']:,}" if self.summary else "-",
            "trained": f"{train:.2f} s" if clock else "-",
            "overrides": " ".join(self.overrides) or "-",
            "directory": str(self.directory),
        }
        cells = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows.items())
        return f"<table>{cells}</table>"

    @property
    def result(self) -> str:
        """Return how it ended, and its best validation, in words."""
        best = self.summary.get("best")
        if not best:
            return self.status
        return f"{self.status}, {best['metric']} {best['value']:.4f} at step {best['step']}"

    @property
    def status(self) -> str:
        """Return ``finished``, ``failed``, ``interrupted``, ``diverged``, ``running`` or ``killed``."""
        return RunDir(self.directory).status()

    @property
    def overrides(self) -> list[str]:
        """Return the overrides that it was trained with, those of later attempts included."""
        return RunDir(self.directory).overrides()

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl: what was logged of training, and every validation."""
        return RunDir(self.directory).lines()

    @cached_property
    def model(self) -> TrainedModel:
        """Return the network of the best checkpoint, as :meth:`load_model` loads it; each access returns the same.

        Raises:
            CheckpointError: there is no checkpoint.
        """
        return self.load_model()

    def load_model(self, checkpoint: str = "best") -> TrainedModel:
        """Return the trained model on the CPU, in evaluation mode; it prepares its inputs as the run did.

        Args:
            checkpoint: ``best``, ``last``, or a path.

        Returns:
            A module: ``load_model()(inputs)``; its network alone is ``load_model().net``.

        Raises:
            CheckpointError: there is no such checkpoint.

        Example:
            >>> run = fastrun.train("+recipe=mlp_fast")
            >>> logits = run.load_model("last")(images)
        """
        from fastrun.training.trained.model import load_model

        return load_model(self._checkpoint(checkpoint), self.settings, self.objects)

    def _checkpoint(self, which: str) -> Path:
        settings = self.settings
        return select(RunDir(self.directory).checkpoints, which, settings.target.metric, settings.metrics)

    def evaluate(self, split: str = "test", checkpoint: str = "best") -> dict[str, float]:
        """Measure the network on a split of the run's data, as ``fastrun eval RUN`` does.

        Args:
            split: ``train``, ``val`` or ``test``.
            checkpoint: ``best``, ``last``, or a path.

        Returns:
            The value of each metric by name, such as ``test/acc``.

        Raises:
            ConfigError: the data has no such split.
            DataError: the data has changed since.

        Example:
            >>> run = fastrun.train("+recipe=mlp_fast")
            >>> print(run.evaluate()["test/acc"])
        """
        from fastrun.training.trained.evaluate import examine

        check_word("split", split, ("train", "val", "test"))
        return dict(examine(self.settings, self._checkpoint(checkpoint), split, objects=self.objects).metrics)

    def plot(self, *metrics: str, over: str = "steps") -> Figure:
        """Draw curves of the run. A notebook shows the figure; ``figure.savefig(path)`` writes it.

        Args:
            *metrics: names in metrics.jsonl, such as ``val/acc``; by default the losses and the metric that decides.
            over: ``steps``, ``seconds`` or ``samples``.

        Returns:
            A figure of matplotlib, with a panel for the losses and one for each other metric.

        Raises:
            UsageError: matplotlib is not installed, or there is nothing to draw.

        Example:
            >>> figure = fastrun.train("+recipe=mlp_fast").plot("val/acc", over="seconds")
            >>> figure.savefig("curves.png")
        """
        from fastrun.report.plot.run_picture import draw_run

        target = self.settings.target
        decides = (self.summary.get("target") or {}).get("metric") or target.metric
        wanted = [full_name(name) for name in metrics] or ["train/loss", "val/loss", *([decides] if decides else [])]
        figure = draw_run(RunDir(self.directory), list(dict.fromkeys(wanted)), over, self.settings.batch.size)
        if figure is None:
            measured = sorted({key for line in self.metrics for key in line if "/" in key})
            hint = f"it measured {', '.join(measured)}" if measured else "nothing was measured yet"
            raise UsageError(f"there is no curve of {', '.join(wanted)} to draw", hint)
        return figure
