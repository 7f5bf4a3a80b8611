"""Evaluations in the terminal, as JSON, and as files in the directories of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fastrun.errors import StorageError
from fastrun.redaction import redact_override
from fastrun.storage.metrics_file import finite
from fastrun.storage.run_dir import RunDir
from fastrun.training.trained.by_class import ByClass
from fastrun.training.trained.ensemble import Member
from fastrun.training.trained.evaluate import Evaluation
from fastrun.training.trained.residuals import Residuals
from fastrun.training.trained.worst import Value, WorstSample

_MANY = 20  # classes: of more, the weakest are shown, and no matrix
_WEAKEST, _CONFUSED, _WORST = 10, 5, 5  # that are shown
_BAR = 40  # characters of the highest bar of a histogram


def keep(member: Member, found: Evaluation, which: str, overrides: Sequence[str]) -> Path | str:
    """Keep what was found in the directory of a run.

    Args:
        member: the run.
        found: what was found.
        which: ``best``, ``last`` or the path of the checkpoint.
        overrides: the values on the command line.

    Returns:
        The file, or why there is none.
    """
    checkpoint = member.checkpoint
    if checkpoint.is_relative_to(member.path):
        checkpoint = checkpoint.relative_to(member.path)
    content = {"checkpoint": str(checkpoint), "arguments": [redact_override(one) for one in overrides]}
    try:
        name = f"{found.split}-{Path(which).stem}"
        return RunDir(member.path).keep_evaluation(name, content | found.plain())
    except StorageError as error:  # a run that is measured need not be one's own
        return error.message


def as_json(member: Member, found: Evaluation, kept: Path | str) -> dict[str, Any]:
    """Return an evaluation as JSON has it; ``file`` is null where it could not be kept."""
    file = str(kept) if isinstance(kept, Path) else None
    content: dict[str, Any] = finite({"checkpoint": str(member.checkpoint), **found.plain(), "file": file})
    return content


def show(member: Member, found: Evaluation, kept: Path | str) -> None:
    """Print an evaluation: the metrics, and the most important of what else was found."""
    width = max(map(len, ["checkpoint ", *found.metrics]))
    print(f"{'checkpoint':<{width}} {member.checkpoint}")
    for name, value in found.metrics.items():
        print(f"{name:<{width}} {value:.4f}")
    console = Console(highlight=False)
    findings = found.findings
    if findings.by_class is not None:
        _show_classes(findings.by_class, console)
    if findings.residuals:
        _show_residuals(findings.residuals, console)
    if findings.worst:
        _show_worst(findings.worst, found.samples, console)
    print(f"\n{'kept in' if isinstance(kept, Path) else 'not kept:'} {kept}")


def show_several(
    members: Sequence[Member], found: Sequence[Evaluation], ensemble: Evaluation | None, kept: Sequence[Path | str]
) -> None:
    """Print a row for each run, and one for their ensemble."""
    table = _new_table()
    table.add_column("run", overflow="fold")
    for name in found[0].metrics:
        table.add_column(name, justify="right")
    rows = [(_short(member.path, members), one) for member, one in zip(members, found, strict=True)]
    if ensemble is not None:
        rows.append((f"ensemble of {len(members)}", ensemble))
    for title, one in rows:
        values = (one.metrics.get(name) for name in found[0].metrics)
        table.add_row(Text(title), *("-" if value is None else f"{value:.4f}" for value in values))
    Console(highlight=False).print(table)
    if ensemble is not None and len(ensemble.metrics) < len(found[0].metrics):
        print("the runs have different losses, so their ensemble has none")
    names = [file.name for file in kept if isinstance(file, Path)]
    if names:
        print(f"\nkept in each run, as {', '.join(dict.fromkeys(names))}")
    for reason in (one for one in kept if isinstance(one, str)):
        print(f"not kept: {reason}")


def _short(path: Path, members: Sequence[Member]) -> str:
    """Return the name of a run's directory, or its path where another one is called the same."""
    return path.name if sum(path.name == other.path.name for other in members) == 1 else str(path)


def _new_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")


def _show_classes(found: ByClass, console: Console) -> None:
    rows = found.rows if len(found.rows) <= _MANY else found.rows[:_WEAKEST]
    table = _new_table()
    table.add_column("class", overflow="fold")
    for name in ("precision", "recall", "f1", "support"):
        table.add_column(name, justify="right")
    for row in rows:
        shares = ("-" if share is None else f"{share:.4f}" for share in (row.precision, row.recall, row.f1))
        table.add_row(Text(row.name), *shares, f"{row.support:,}")
    shown = f"the weakest {len(rows)} of {len(found.rows)}" if len(rows) < len(found.rows) else "the weakest first"
    print(f"\nby class, {shown}")
    console.print(table)
    matrix, wide = _matrix(found), Console(width=10_000)
    if matrix is not None and Measurement.get(wide, wide.options, matrix).maximum <= console.width:
        print("\nlabels in rows, predictions in columns")
        console.print(matrix)
    elif found.confused:
        _show_confused(found, console)


def _matrix(found: ByClass) -> Table | None:
    """Return the confusion matrix; None where there are too many classes for one that can be read."""
    if len(found.names) > _MANY:
        return None
    table = _new_table()
    table.add_column("")
    for name in found.names:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for at, counts in enumerate(found.matrix):
        cells = (Text(str(count), "bold" if to == at else "" if count else "dim") for to, count in enumerate(counts))
        table.add_row(Text(found.names[at], "dim"), *cells)
    return table


def _show_confused(found: ByClass, console: Console) -> None:
    table = _new_table()
    for name in ("label", "taken for"):
        table.add_column(name, overflow="fold")
    for name in ("samples", "of"):
        table.add_column(name, justify="right")
    for pair in found.confused[:_CONFUSED]:
        table.add_row(Text(pair.label), Text(pair.prediction), f"{pair.count:,}", f"{pair.support:,}")
    print("\nconfused most")
    console.print(table)


def _show_residuals(found: Sequence[Residuals], console: Console) -> None:
    table = _new_table()
    table.add_column("number", overflow="fold")
    for name in ("mean", "std", *map(_percent, found[0].quantiles)):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(Text(one.name), *(f"{value:.3g}" for value in (one.mean, one.std, *one.quantiles.values())))
    print("\nresiduals: prediction - target")
    console.print(table)
    if len(found) == 1 and found[0].counts:
        console.print(_histogram(found[0]))


def _percent(share: str) -> str:
    return {"0": "lowest", "1": "highest"}.get(share, f"{100 * float(share):g}%")


def _histogram(found: Residuals) -> Table:
    table = _new_table()
    table.show_header = False
    table.add_column(justify="right")
    table.add_column()
    table.add_column(justify="right")
    highest = max(found.counts)
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        table.add_row(f"{low:.3g} to {high:.3g}", "█" * -(-_BAR * count // highest), f"{count:,}")
    return table


def _show_worst(found: Sequence[WorstSample], samples: int, console: Console) -> None:
    shown = found[:_WORST]
    has_classes, has_names = shown[0].probability is not None, any(one.name is not None for one in shown)
    table = _new_table()
    table.add_column("index", justify="right")
    if has_names:
        table.add_column("sample", overflow="fold")
    for name in ("label", "prediction") if has_classes else ("target", "prediction"):
        table.add_column(name, justify="left" if has_classes else "right", overflow="fold")
    for name in (["probability"] if has_classes else []) + ["loss"]:
        table.add_column(name, justify="right")
    for one in shown:
        table.add_row(*_cells(one, has_names))
    print(f"\nthe worst {len(shown)} of {samples:,} samples")
    console.print(table)


def _cells(one: WorstSample, has_names: bool) -> Iterator[str | Text]:
    yield str(one.index)
    if has_names:
        yield Text(one.name or "-")
    yield Text(_format(one.target))
    yield Text(_format(one.prediction))
    if one.probability is not None:
        yield f"{one.probability:.3f}"
    yield f"{one.loss:.3f}"


def _format(value: Value) -> str:
    if isinstance(value, list):
        return ", ".join(map(_format, value))
    return value if isinstance(value, str) else f"{value:.4g}"
