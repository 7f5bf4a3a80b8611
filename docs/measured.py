"""Writes docs/measured.md, its plots, and the first table of the README from benchmarks/measured.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "measured.json"
PAGE, README = DOCS / "measured.md", DOCS.parent / "README.md"
MARKS = "<!-- measured: begin -->\n", "<!-- measured: end -->"

HEAD = """# What the heuristics bring, measured

`fastrun ablate` has measured each well-known heuristic on small trainings: how many times as long the training takes to
the same validation metric without it. Above 1, the heuristic makes the training faster. An interval is that of an exact
test over paired seeds; within a study, the verdicts hold for all of its comparisons (Holm's procedure), with an
error of 5 %. No arm was retuned: what replaces a heuristic has its default values, so SGD has the rate 0.1.
[studies.md](studies.md) says how it decides. `python benchmarks/summary_table.py --outputs FOLDER` makes the studies
again, and `python docs/measured.py` this page.

"""
QUIET = 0.9  # the share of the CPU time asked for, from which a machine counts as quiet


@dataclass(frozen=True)
class Heuristic:
    """A heuristic, what is said of it, and where it was measured.

    Attributes:
        name: what it is called.
        claim: what it is said to do.
        factor: its name in a study.
    """

    name: str
    claim: str
    factor: str


PLACES = {"deep": "56 layers", "transfer": "few images"}

HEURISTICS = (
    Heuristic("weight initialization (He)", "avoids a slow start", "init"),
    Heuristic("adaptive optimizer (AdamW)", "converges faster than SGD", "optimizer"),
    Heuristic("learning-rate schedule", "explores first, then refines", "schedule"),
    Heuristic("batch normalization", "stable at higher rates, so faster", "norm"),
    Heuristic("mini-batches", "a balance of noise and efficiency", "batch.size"),
    Heuristic("gradient clipping", "avoids unstable updates", "clip"),
    Heuristic("skip connections", "fewer steps in deep networks", "model"),
    Heuristic("mixed precision (bf16)", "faster steps on hardware that has it", "amp"),
    Heuristic("data pipeline", "more samples a second", "pipeline"),
    Heuristic("transfer learning", "fewer steps on a new task", "transfer"),
)


def results() -> dict[str, Any]:
    """Return what was measured."""
    content: dict[str, Any] = json.loads(RESULTS.read_text())
    return content


def measured(found: dict[str, Any], heuristic: Heuristic) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the verdicts on a heuristic, each with the name of its study."""
    for name, study in found.items():
        if isinstance(study, dict) and "verdicts" in study:
            for row in study["verdicts"]:
                if row["factor"].startswith(heuristic.factor) and row["kind"] != "same":
                    yield name, row


def interval(row: dict[str, Any]) -> str:
    """Return a ratio and its interval; where too many runs missed the target, the shares that reached it."""
    if row["ratio"] is None:
        with_it, without = (f"{100 * row[key]:.0f} %" for key in ("reached_baseline", "reached"))
        return f"reached by {with_it} of the runs with it, {without} without"
    low, high = (f"{row[end]:.2f}" if row[end] is not None else "…" for end in ("low", "high"))
    return f"{row['ratio']:.2f} ({low} to {high})"


def place(name: str) -> str:
    """Return what a study trained on, from its name."""
    return PLACES.get(name, name.partition("_")[0])


def readme_table(found: dict[str, Any]) -> str:
    """Return the table of the README: of each heuristic, the claim, what was measured, and where it did not hold."""
    lines = ["| heuristic | said to | times as long without it | not confirmed |", "| --- | --- | --- | --- |"]
    for heuristic in HEURISTICS:
        rows = [(place(name), row) for name, row in measured(found, heuristic) if row["kind"] == "without"]
        held = [f"{name} {interval(row)}" for name, row in rows if row["verdict"] == "faster"]
        not_held = [f"{name}: {row['verdict']}, {interval(row)}" for name, row in rows if row["verdict"] != "faster"]
        if rows:
            cells = (heuristic.name, heuristic.claim, "; ".join(held) or "-", "; ".join(not_held) or "-")
            lines.append(f"| {' | '.join(cells)} |")
    if "early_stopping" in found:
        lines.append(early_row(found["early_stopping"]))
    return "\n".join(lines) + "\n"


def early_row(row: dict[str, Any]) -> str:
    """Return the row of early stopping, which is judged by what it saves and what it loses."""
    low, high = row["lost_interval"]
    loses = f"loses {row['lost']:.4f} ({low:.4f} to {high:.4f}) of {row['metric']}"
    return f"| early stopping | saves computation | digits {interval(row)}, in runs of 60 epochs; {loses} | - |"


def sections(found: dict[str, Any]) -> Iterator[str]:
    """Yield a section for each study."""
    for name, study in found.items():
        if not (isinstance(study, dict) and "verdicts" in study):
            continue
        yield f"## {place(name)[0].upper()}{place(name)[1:]}: {study['what']}\n"
        target = study["target"]
        yield f"`fastrun ablate {' '.join(study['overrides'])}`, to {target['metric']} {target['value']:.4g}; "
        yield f"{study['blocks']} seeds, runs of about {study['base_steps']} steps.\n\n![{name}](measured-{name}.svg)\n"
        yield "| arm | beside | times as long | steps | seconds a step | p (Holm) | verdict | on test data |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        yield from map(verdict_line, study["verdicts"])
        if study.get("cpu_share", 1) < QUIET:
            share = f"{100 * study['cpu_share']:.0f} %"
            yield f"\nThe machine was busy while seconds were timed: they got {share} of the CPU time they asked for."
        yield ""


def verdict_line(row: dict[str, Any]) -> str:
    """Return the line of a verdict."""
    steps = "-" if row["steps_ratio"] is None else f"{row['steps_ratio']:.2f}"
    tested = [row["test_metric"], row["test_metric_baseline"]]
    test = "-" if None in tested else f"{tested[0]:.4f}; {tested[1]:.4f}"
    verdict = "the same run twice" if row["kind"] == "same" else row["verdict"]
    p = f"{row['p_adjusted']:.2g}"
    cells = (row["arm"], row["baseline"], interval(row), steps, f"{row['seconds_ratio']:.2f}", p, verdict, test)
    return f"| {' | '.join(cells)} |"


def page(found: dict[str, Any]) -> str:
    """Return docs/measured.md."""
    body = "\n".join(sections(found)).replace("; \n", "; ")
    return f"{HEAD}Machine: {found['machine']}.\n\n{readme_table(found)}\n{body}"


def readme(found: dict[str, Any]) -> str:
    """Return the README with the table in its place."""
    begin, end = MARKS
    return re.sub(f"(?<={begin}).*?(?={end})", lambda _: readme_table(found), README.read_text(), flags=re.DOTALL)


def draw(name: str, study: dict[str, Any]) -> None:
    """Draw the ratios of a study with their intervals."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = [row for row in study["verdicts"] if row["ratio"] is not None]
    with mpl.rc_context({"svg.hashsalt": name, "font.size": 9}):
        figure = Figure(figsize=(7, 0.6 + 0.28 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place_, row in enumerate(rows):
            low, high = (row[end] or row["ratio"] for end in ("low", "high"))
            color = {"faster": "tab:green", "slower": "tab:red"}.get(row["verdict"], "tab:gray")
            axes.plot([low, high], [place_, place_], color=color, linewidth=2)
            axes.plot([row["ratio"]], [place_], "o", color=color, markersize=5)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set(xscale="log", yticks=range(len(rows)), xlabel="times as long without it")
        axes.set_yticklabels([row["arm"] for row in rows])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.invert_yaxis()
        figure.savefig(DOCS / f"measured-{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    content = results()
    PAGE.write_text(page(content))
    README.write_text(readme(content))
    for key, one in content.items():
        if isinstance(one, dict) and "verdicts" in one:
            draw(key, one)
