"""A run that is watched, as what is shown of it in a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fastrun.report.plot.line_chart import Line, LineChart
from fastrun.report.times import format_seconds
from fastrun.report.watch.run_state import RunState

STYLES = {"running": "cyan", "finished": "green", "failed": "red", "diverged": "red", "killed": "red"}
_BESIDE = 100  # columns from which two charts stand side by side
_LEAST_HEIGHT, _MOST_HEIGHT = 7, 16  # lines of a chart
_CAPTION = 2  # lines of a chart that are not the drawing: what is drawn, and an empty one
_MARGIN = 2  # lines that are left free, for the prompt after the last frame


def run_frame(state: RunState, console: Console) -> RenderableType:
    """Return what a terminal of this size shows of a run."""
    facts = _facts(state, console.width)
    lines = sum(len(console.render_lines(one, console.options, pad=False)) for one in facts)
    return Group(
        *facts, *_charts(state, console.width, console.height - lines - _MARGIN, console.color_system is not None)
    )


def _facts(state: RunState, width: int) -> list[RenderableType]:
    """Return everything but the charts."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, text in (("training", _train_text(state)), ("validation", _validation_text(state)), *_end_rows(state)):
        if text:
            rows.add_row(name, Text(text))
    return [title(state.record.name, state.record.id, state.status), _bar(state, width), rows]


def title(name: str, identity: str, status: str) -> Text:
    """Return the first line of a frame: what is watched, and its status."""
    return Text.assemble((f"{name} ", "bold"), (f"{identity}  ", "dim"), (status, STYLES.get(status, "yellow")))


def _bar(state: RunState, width: int) -> RenderableType:
    """Return the progress bar with the step, the epoch and the time that is left."""
    measured, total = state.measured, state.total_steps
    parts = [f"step {measured.step:,}" + (f"/{total:,}" if total else ""), f"epoch {measured.epoch:.1f}"]
    if (left := state.seconds_left) is not None:
        parts.append(f"{format_seconds(left)} left")
    text = Text("  ".join(parts))
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=1.0, completed=state.progress, width=max(10, width - len(text) - 2))
    grid.add_row(bar, text)
    return grid


def _train_text(state: RunState) -> str:
    """Return the last metrics of training and both clocks."""
    last = {name: value for name, value in state.measured.last.items() if not name.startswith("val/")}
    parts = [f"{name.removeprefix('train/')} {value:.4g}" for name, value in last.items()]
    if (rate := state.samples_per_second) is not None:
        parts.append(f"{rate:,.0f} samples/s")
    clocks = f"{format_seconds(state.measured.train_seconds)} of training"
    if (wall := state.wall_seconds) is not None:
        clocks += f", {format_seconds(wall)} in all"
        if state.attempts > 1 and state.status == "running":
            clocks += f" since it was resumed (attempt {state.attempts})"
    return "  ".join([*parts, clocks])


def _validation_text(state: RunState) -> str:
    """Return the last validation, the best one, and the target."""
    measured = state.measured
    parts = [
        f"{name.removeprefix('val/')} {value:.4f}" for name, value in measured.last.items() if name.startswith("val/")
    ]
    if measured.best is not None:
        value, step, _ = measured.best
        parts.append(f"best {state.monitor.name.removeprefix('val/')} {value:.4f} at step {step:,}")
    if state.target is not None:
        reached = "not reached yet" if not state.has_ended else "not reached"
        if measured.reached is not None:
            _, step, seconds = measured.reached
            reached = f"reached at step {step:,}, {format_seconds(seconds)} of training"
        parts.append(f"target {state.target:g} {reached}")
    return "  ".join(parts)


def _end_rows(state: RunState) -> list[tuple[str, str]]:
    """Return how the run ended, and how to go on; nothing while it runs."""
    if not state.has_ended:
        return [("directory", str(state.path))]
    rows = [(state.status, state.record.reason or "")]
    if state.status != "finished":
        rows.append(("go on with", f"fastrun resume {state.path}"))
    return [*rows, ("directory", str(state.path))]


def _charts(state: RunState, width: int, height: int, has_colors: bool) -> list[RenderableType]:
    """Return the charts that fit below the facts: the training loss and the metric of the run."""
    names = [name for name in ("train/loss", state.monitor.name) if name in state.measured.curves]
    is_beside = width >= _BESIDE and len(names) > 1
    rows = 1 if is_beside else len(names)
    if height // max(1, rows) - _CAPTION < _LEAST_HEIGHT:
        names, rows = names[-1:], 1
    size = min(_MOST_HEIGHT, height // max(1, rows) - _CAPTION)
    if not names or size < _LEAST_HEIGHT:
        return []
    try:
        drawn = [_draw(state, name, width // 2 - 1 if is_beside else width - 1, size, has_colors) for name in names]
    except ImportError:
        return [Text("(pip install 'fastrun[report]' draws the curves)", "dim")]
    if not is_beside or len(drawn) == 1:
        return [Group(Text(), one) for one in drawn]
    grid = Table.grid(padding=(0, 1))
    grid.add_row(*drawn)
    return [Text(), grid]


def _draw(state: RunState, name: str, width: int, height: int, has_colors: bool) -> Text:
    from fastrun.report.plot.line_text import render_lines

    points = state.measured.curves[name]
    mark = state.target if name == state.monitor.name else None
    chart = LineChart("steps", name, [Line(name, points.xs, points.ys)], mark)
    return Text.from_ansi(render_lines(chart, width, height, has_colors))
