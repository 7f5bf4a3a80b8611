"""How a diagnosis looks: as plain data, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fastrun.system.free_space import format_mebibytes
from fastrun.tune.diagnose.diagnosis import Diagnosis
from fastrun.tune.diagnose.outcome import Outcome
from fastrun.tune.diagnose.recipe_file import train_command
from fastrun.tune.diagnose.shares import Measured
from fastrun.tune.diagnose.verdict import percent

_BAR = 30  # characters of a share of 100 %
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def conclusion(diagnosis: Diagnosis) -> str:
    """Return the verdict in a line: the bottleneck, and the evidence."""
    return f"{diagnosis.verdict.name}: {diagnosis.verdict.reason}"


def _told(outcome: Outcome) -> str:
    return f"{' '.join(outcome.candidate.overrides)} gives {outcome.factor:.2g} times as many samples a second"


def as_data(diagnosis: Diagnosis, typed: Sequence[str]) -> dict[str, Any]:
    """Return a diagnosis as plain values; times are seconds.

    Args:
        diagnosis: the diagnosis.
        typed: the overrides that the training was composed from.
    """
    measured, best = diagnosis.measured, diagnosis.best
    flops = measured.flops
    return {
        "verdict": diagnosis.verdict.name,
        "reason": diagnosis.verdict.reason,
        "advice": diagnosis.verdict.advice,
        "also": [asdict(verdict) for verdict in diagnosis.verdicts[1:]],
        "overrides": best.candidate.overrides if best else [],
        "factor": best.factor if best else None,
        "command": train_command(typed, best.candidate.overrides) if best else None,
        "tried": [
            {"overrides": one.candidate.overrides, "factor": one.factor, "failure": one.failure or None}
            for one in diagnosis.outcomes
        ],
        "samples_per_second": dict(_paces(measured)),
        "shares": measured.shares(),
        "steps": asdict(measured.steps),
        "validation": measured.validation,
        "save": asdict(measured.save) if measured.save else None,
        "flops_per_step": flops.total if flops else None,
        "uncounted": list(flops.uncounted) if flops else None,
        "peak_share": measured.peak_share,
        "machine": asdict(measured.machine) | {"device": diagnosis.device},
        "memory": measured.memory,
        "notes": diagnosis.notes,
    }


def _paces(measured: Measured) -> Iterator[tuple[str, float]]:
    """Yield what can be done how often: the samples a second of the run, the whole step, and its parts alone."""
    steps = measured.steps
    yield "run", 1 / measured.seconds_per_sample
    for name in ("whole", "loader", "step", "forward"):
        yield name, steps.batch / getattr(steps, name)


def show(diagnosis: Diagnosis, typed: Sequence[str], console: Console) -> None:
    """Print a diagnosis."""
    console.print(Group(*_parts(diagnosis, typed)))


def _parts(diagnosis: Diagnosis, typed: Sequence[str]) -> Iterator[RenderableType]:
    measured, best = diagnosis.measured, diagnosis.best
    yield _pace_table(measured)
    yield ""
    yield _share_table(measured)
    yield ""
    yield _fact_table(diagnosis)
    yield ""
    yield Text(conclusion(diagnosis), style="bold")
    for verdict in diagnosis.verdicts[1:]:
        yield Text(f"also {verdict.name}: {verdict.reason}")
    if best is not None:
        yield Text(f"what helps most: {_told(best)}", style="bold")
    for outcome in diagnosis.outcomes:
        if outcome.helps and outcome is not best:
            yield Text(f"  {_told(outcome)}")
    if best is None or diagnosis.verdict.name == "busy machine":
        yield Text(f"what may help: {diagnosis.verdict.advice}")
    useless = [_useless(outcome) for outcome in diagnosis.outcomes if not outcome.helps]
    if useless:
        yield Text(f"tried without gain: {'; '.join(useless)}")
    for note in diagnosis.notes:
        yield Text(f"note: {note}")
    if best is not None:
        if best.candidate.caution:
            yield Text(f"note: {best.candidate.caution}")
        yield Text(f"to type: {train_command(typed, best.candidate.overrides)}", style="bold")


def _useless(outcome: Outcome) -> str:
    told = outcome.failure if outcome.factor is None else f"{outcome.factor:.2f}"
    return f"{' '.join(outcome.candidate.overrides)} ({told})"


def _pace_table(measured: Measured) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("samples/s", justify="right")
    table.add_column("ms a step", justify="right")
    names = {
        "run": "run, with validations and checkpoints",
        "whole": "whole step",
        "loader": "data alone",
        "step": "step on a kept batch",
        "forward": "forward alone",
    }
    for name, pace in _paces(measured):
        milliseconds = 1e3 * measured.steps.batch / pace
        digits = 0 if milliseconds >= 100 else 3 if milliseconds < 1 else 2
        table.add_row(names[name], f"{pace:,.0f}", f"{milliseconds:,.{digits}f}")
    return table


def _share_table(measured: Measured) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("of the run's time")
    table.add_column("", justify="right")
    table.add_column("")
    for name, share in measured.shares().items():
        table.add_row(name, percent(share), "█" * round(_BAR * share))
    return table


def _fact_table(diagnosis: Diagnosis) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in _facts(diagnosis):
        table.add_row(name, text)
    return table


def _facts(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    """Yield what the machine does and what the model takes of it."""
    measured = diagnosis.measured
    steps, machine, flops = measured.steps, measured.machine, measured.flops
    yield "machine", f"{diagnosis.device}, {machine.threads} thread{'s' * (machine.threads > 1)}"
    product = f"{_scaled(machine.flops)}FLOP/s in a {machine.precision} product"
    yield "peak", f"{product}, {_scaled(machine.bandwidth)}B/s in a copy"
    if flops is not None and measured.peak_share is not None:
        rate = f"{_scaled(flops.total / steps.step)}FLOP/s, {percent(measured.peak_share)} of that product's"
        yield "model", f"{_scaled(flops.total)}FLOP a step: {rate}"
    elif flops is not None and flops.total:
        yield "model", f"{_scaled(flops.total)}FLOP a step in the operations that can be counted"
    yield "memory", f"{format_mebibytes(measured.memory)} at the peak"
    share = f"{percent(steps.cpu_share)} of the CPU time asked for, " if steps.cpu_share is not None else ""
    yield "quiet", f"{share}steps differ by {percent(steps.drift)} over {steps.turns} turns"


def _scaled(value: float) -> str:
    """Return a number with a metric prefix, such as ``1.5 G``."""
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "
