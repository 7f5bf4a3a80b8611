"""The result of a search as a user sees it: lines, a table, a chart, and a record for ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastrun.errors import UsageError
from fastrun.report.plot.chart import Chart
from fastrun.report.plot.found import batch_chart, number_chart, rate_chart
from fastrun.tune.find import batch as find_batch
from fastrun.tune.find import number as find_number
from fastrun.tune.find import rate as find_rate
from fastrun.tune.find.batch import BatchResult
from fastrun.tune.find.comparison import Candidate
from fastrun.tune.find.key import Number
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.number import NumberResult
from fastrun.tune.find.rate import KEY, RateResult
from fastrun.tune.find.subject import Subject

_FEW_SEEDS = 3  # whose losses are shown one by one


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        chart: what was measured; None where there is nothing to draw.
        overrides: what sets the suggestion.
        record: everything as plain values.
        before: lines above the chart.
        table: the values beside each other.
        after: lines below the table.
    """

    chart: Chart | None
    overrides: list[str]
    record: dict[str, Any]
    before: list[str]
    table: Table
    after: list[str]

    def show(self) -> None:
        """Print it; without the chart where the package that draws it is not installed."""
        console = Console(highlight=False, soft_wrap=True)
        if not console.is_terminal:
            console = Console(highlight=False, soft_wrap=True, width=100)
        for line in self.before:
            console.print(line, markup=False)
        self._show_chart()
        console.print(self.table)
        for line in self.after:
            console.print(line, markup=False)

    def _show_chart(self) -> None:
        if self.chart is None:
            return
        try:
            from fastrun.report.plot.terminal import render_chart

            print(f"\n{render_chart(self.chart)}\n")
        except ImportError:
            print("(pip install 'fastrun[report]' draws the curve)")

    def save_picture(self, path: Path) -> None:
        """Draw the chart as a PNG file.

        Raises:
            UsageError: the file exists, or there is nothing to draw.
            StorageError: the file cannot be written.
        """
        from fastrun.report.plot.picture import save_chart

        if self.chart is None:
            raise UsageError("there is no curve to draw: no value above 0 has a loss", "leave --png out")
        save_chart(self.chart, path)


def rate(subject: Subject, meter: Meter, *, seeds: int | None, steps: int | None) -> Finding:
    """Find a learning rate."""
    result = find_rate.find_rate(subject, meter, seeds=seeds, steps=steps)
    fall, best = result.fall, result.best
    networks = f"{len(result.tests)} network{'s' * (len(result.tests) > 1)}"
    return Finding(
        chart=rate_chart(result),
        overrides=[f"{KEY}={best.value:g}"],
        record={
            "key": KEY,
            "suggestion": best.value,
            "range": [fall.begins, fall.diverges],
            "steepest": fall.steepest,
            "tests": [asdict(test) for test in result.tests],
            **_runs_record(result.candidates, result.steps, result.total_steps),
        },
        before=[
            f"range test of {networks} over {result.test_steps} steps: the loss begins to fall at {fall.begins:.2g}, "
            f"falls fastest at {fall.steepest:.2g}, {_end_of_fall(result)} {fall.diverges:.2g}"
        ],
        table=_table(KEY, result.candidates, best),
        after=[
            _describe_runs(result.steps, result.total_steps, len(best.losses)),
            f"suggestion: {KEY}={best.value:g}, with a loss of {best.loss:.4g}",
        ],
    )


def number(subject: Subject, wanted: Number, meter: Meter, *, seeds: int | None, steps: int | None) -> Finding:
    """Find a value of a number."""
    result = find_number.find_value(subject, wanted, meter, seeds=seeds, steps=steps)
    chosen = result.suggestion
    return Finding(
        chart=number_chart(result),
        overrides=[wanted.override(chosen.value)],
        record={
            "key": wanted.key,
            "suggestion": chosen.value,
            "present": wanted.value,
            **_runs_record(result.candidates, result.steps, result.total_steps),
        },
        before=[],
        table=_table(wanted.key, result.candidates, chosen),
        after=[_describe_runs(result.steps, result.total_steps, len(chosen.losses)), _describe_choice(result)],
    )


def batch(subject: Subject, meter: Meter, *, seeds: int | None, steps: int | None) -> Finding:
    """Find a batch size."""
    result = find_batch.find_batch(subject, meter, seeds=seeds, steps=steps)
    largest = max(result.sizes.throughput)
    at_least = " or more" if result.is_at_least else ""
    return Finding(
        chart=batch_chart(result),
        overrides=result.overrides,
        record={
            "key": "batch.size",
            "suggestion": result.size,
            "fits": largest,
            "is_full": result.sizes.is_full,
            "full_throughput": result.sizes.size,
            "critical": result.critical,
            "critical_is_at_least": result.is_at_least,
            "lr_scaling": result.rule,
            "steps": result.steps,
            "throughput": {str(size): value for size, value in result.sizes.throughput.items()},
            "branches": [
                {"size": one.size, "factor": one.factor, "samples": _plain(one.samples)} for one in result.branches
            ],
        },
        before=[],
        table=_batch_table(result),
        after=[
            f"{'largest that fits':<21} {largest}{_why_no_larger(result)}",
            f"{'full throughput from':<21} {result.sizes.size}",
            f"{'critical batch':<21} {result.critical}{at_least}: larger ones need more than twice the samples; rates "
            f"{'proportional to' if result.rule == 'linear' else 'by the square root of'} the size",
            f"suggestion: batch.size={result.size}, {_why_size(result)}",
        ],
    )


def _plain(value: float) -> float | None:
    """Return a number as JSON has it, which has no infinity."""
    return value if isfinite(value) else None


def _runs_record(candidates: Sequence[Candidate], steps: int, total_steps: int) -> dict[str, Any]:
    measured = [
        {"value": one.value, "loss": _plain(one.loss), "losses": list(map(_plain, one.losses))} for one in candidates
    ]
    return {"candidates": measured, "steps": steps, "run_steps": total_steps}


def _format_loss(loss: float) -> str:
    return f"{loss:.4f}" if isfinite(loss) else "diverged"


def _table(key: str, candidates: Sequence[Candidate], chosen: Candidate) -> Table:
    """Return the losses of the short runs with each value."""
    table = Table(key, "loss", "times the best", "each seed" if len(chosen.losses) <= _FEW_SEEDS else "of all seeds")
    best = min(candidate.loss for candidate in candidates)
    for one in candidates:
        ratio = f"{one.loss / best:.2f}" if isfinite(one.loss) and best > 0 else "-"
        losses = _format_seeds(one.losses)
        table.add_row(f"{one.value:.9g}", _format_loss(one.loss), ratio, losses, style="bold" if one is chosen else "")
    return table


def _format_seeds(losses: Sequence[float]) -> str:
    """Return each of a few losses, or the lowest and the highest of more."""
    if len(losses) <= _FEW_SEEDS:
        return " ".join(map(_format_loss, losses))
    return f"{_format_loss(min(losses))} to {_format_loss(max(losses))}"


def _describe_runs(steps: int, total_steps: int, seeds: int) -> str:
    length = "the whole run" if steps == total_steps else f"of the {total_steps} of the run"
    what = "validation loss" if seeds == 1 else f"median validation loss of {seeds} seeds"
    return f"short runs of {steps} steps ({length}), with the run's own schedule; {what}"


def _end_of_fall(result: RateResult) -> str:
    return "diverges at" if any(test.has_diverged for test in result.tests) else "is back where it began at"


def _describe_choice(result: NumberResult) -> str:
    key, chosen, best = result.number.key, result.suggestion, result.best
    if chosen is best and best is not result.present:
        return f"suggestion: {key}={chosen.value:.9g}, with a loss of {chosen.loss:.4g}; now {result.present.loss:.4g}"
    if best is result.present:
        return f"suggestion: {key}={chosen.value:.9g}, as it is: no other value has a lower loss"
    return f"suggestion: {key}={chosen.value:.9g}, as it is: {best.value:.9g} is not better with every seed"


def _batch_table(result: BatchResult) -> Table:
    table = Table("batch.size", "samples/s", "learning rate times", "samples for the same progress")
    branches = {branch.size: branch for branch in result.branches}
    for size in sorted({*branches, *result.sizes.throughput}):
        branch, speed = branches.get(size), result.sizes.throughput.get(size)
        needed = "-" if branch is None else f"{branch.samples:,.0f}" if isfinite(branch.samples) else "too many"
        table.add_row(
            str(size),
            "-" if speed is None else f"{speed:,.0f}",
            "-" if branch is None else f"{branch.factor:.3g}",
            needed,
            style="bold" if size == result.size else "",
        )
    return table


def _why_no_larger(result: BatchResult) -> str:
    if result.sizes.is_full:
        return ""
    return (
        " (the next would be more than the training set)" if result.is_whole_set else " or more: steps of it are slow"
    )


def _why_size(result: BatchResult) -> str:
    if result.size < result.sizes.size:
        return "the critical one; larger ones are faster a sample, but need too many samples"
    return "the smallest with full throughput"
