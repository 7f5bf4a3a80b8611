"""The page of a study: what helped, how sure that is, what was fair, and what to do next."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fastrun.report.location import is_race
from fastrun.report.page.conclusion import Conclusion, conclude, describe_check, is_untuned, is_worse_on_test, span
from fastrun.report.page.forest import draw_forest, interval
from fastrun.report.page.number_format import enumerate_words, number, percent, plural
from fastrun.report.page.pair import describe_pair
from fastrun.report.page.screened import screened_out
from fastrun.report.page.study_files import StudyFiles, VerdictRow, read_study
from fastrun.report.page.study_progress import Progress, read_progress
from fastrun.report.page.study_words import describe_least_p, explain_words, title_of
from fastrun.report.page.timing import describe_quiet

_KINDS = {"without": 0, "added": 1, "same": 2}
_EQUIVALENCE, _CONFIDENCE = 0.02, 0.95
_DEFAULTS = {"tune": 0, "plain": True, "resample": False, "equivalence": _EQUIVALENCE, "keep": 8}  # of study.*


def study_context(folder: Path) -> dict[str, Any]:
    """Return what the template of a study's page shows.

    Raises:
        StorageError: its verdicts cannot be read.
    """
    study = read_study(folder)
    rule = _part(study.plan, "rule")
    rows = sorted(study.verdicts, key=lambda row: (_KINDS.get(row.kind, 3), -(row.ratio or 0.0)))
    is_tuned = bool(study.plan.get("tuned"))
    conclusion = conclude(rows, is_tuned=is_tuned)
    same = next((row for row in rows if row.kind == "same"), None)
    holds, check = describe_check(same)
    rows = [replace(row, verdict="not told apart" if holds else "told apart") if row is same else row for row in rows]
    is_quiet, quiet = describe_quiet(study.timing, None if same is None else same.seconds_ratio)
    progress = None if rows else read_progress(study)
    is_sequential, confidence = bool(rule.get("sequential")), rule.get("confidence", _CONFIDENCE)
    return {
        "title": title_of(study),
        "words": list(explain_words(study)) if rows else [],
        "study": study,
        "conclusion": conclusion,
        "run": shlex.join(["fastrun", "train", *_run_words(study)]),
        "is_untuned": partial(is_untuned, is_tuned=is_tuned),
        "check_holds": holds if rows else None,
        "check": check,
        "is_busy": bool(rows) and is_quiet is False,
        "quiet": quiet,
        "progress": progress,
        "screened_out": screened_out(_part(study.plan, "screening")),
        "screening_runs": len(_part(study.plan, "screening").get("runs") or ()),
        "pairs": [describe_pair(pair) for pair in study.pairs],
        "forest": draw_forest(rows, rule.get("equivalence", _EQUIVALENCE)),
        "interval": interval,
        "span": span,
        "confidence": percent(confidence),
        "equivalence": percent(rule.get("equivalence", _EQUIVALENCE)),
        "most_misses": percent(rule.get("most_misses")),
        "is_sequential": is_sequential,
        "least_p": describe_least_p(rows, confidence) if rows and not is_sequential else "",
        "contrasts": sum(row.kind != "same" for row in rows),
        "target": describe_target(study.plan),
        "noise": _part(study.plan, "target").get("noise"),
        "fairness": _fairness(study, quiet),
        "test_name": next((row.test_metric_name for row in rows if row.test_metric_name), None),
        "is_worse_on_test": is_worse_on_test,
        "arms": _arms(study),
        "dropped": _part(study.plan, "dropped"),
        "facts": _facts(study),
        "commands": list(
            _commands(study, rows, conclusion, progress, is_trusted=holds is not False, is_busy=is_quiet is False)
        ),
    }


def describe_target(plan: dict[str, Any]) -> str:
    """Return the target of a study and where it came from, in a sentence."""
    target = _part(plan, "target")
    if target.get("value") is None:
        return "The target is not set yet."
    origin = target.get("text") or {"pilot": "set by pilot runs"}.get(str(target.get("source")), "given")
    origin = "given on the command line" if origin == "given" else origin
    return f"{target.get('metric')} {number(target['value'])} on validation data: {origin}."


def _fairness(study: StudyFiles, quiet: str) -> list[tuple[str, str]]:
    """Return what was done so that the arms can be compared, each as a word or two and a sentence."""
    plan, is_over = study.plan, bool(study.verdicts)
    if not plan:
        return []
    seeds = plan.get("seeds") or []
    listed = f" ({', '.join(map(str, seeds))})" if 0 < len(seeds) <= 16 else ""
    tuned = (
        ("Tuned", "Every arm has its own learning rate from the same number of trials, on seeds that are not scored.")
        if plan.get("tuned")
        else (
            "Dropped in, not retuned",
            "No arm's learning rate was looked for: each has that of the recipe, and another optimizer in the place of "
            "the recipe's has its default. One that needs another rate may look slower than it is; study.tune=5 gives "
            "each arm its own.",
        )
    )
    cap, pace = plan.get("cap_steps"), plan.get("pace_steps")
    alone = f" Runs that are only timed have {number(pace)}." if pace else ""
    return [
        (
            "Paired",
            f"All arms share each of {plural(len(seeds), 'seed')}{listed}: the same initialization, order and "
            "augmentation. A block is a seed, and a ratio is taken within a block. Only the recipe beside itself has "
            "seeds of its own.",
        ),
        (
            "Own schedules",
            "Each arm runs complete trainings of several lengths, its schedule fitted to each. None is cut off"
            + (f", and none that is scored is longer than {number(cap)} steps.{alone}" if cap else "."),
        ),
        tuned,
        (
            "Steps and seconds apart",
            "Steps to the target come from the seeds. Seconds a step are measured in rounds: one run at a time, the "
            "arms in turns; compiling, starting up, validating and saving are not counted. "
            + (quiet if is_over else "That comes last, when the ladders are over."),
        ),
        (
            "Written down before",
            f"Arms, seeds, target, longest run and rule are fixed before the first scored run: plan.json, sha256 "
            f"{str(plan.get('sha256') or '–')[:16]}.",
        ),
    ]


def _arms(study: StudyFiles) -> dict[str, str]:
    """Return the overrides of each arm, without what was measured for it, and which arm trains the same."""
    typed = _part(study.typed, "arms")
    shared = _part(study.plan, "same")
    arms = {}
    for name, overrides in _part(study.plan, "arms").items():
        own = typed.get(name)
        words = _words(own.get("overrides") if isinstance(own, dict) else overrides)
        arms[str(name)] = " ".join(words) + (f" (the runs of {shared[name]})" if name in shared else "")
    return arms


def _facts(study: StudyFiles) -> list[tuple[str, str]]:
    plan, machine = study.plan, study.plan.get("machine")
    described = ", ".join(f"{key} {value}" for key, value in machine.items()) if isinstance(machine, dict) else machine
    created = plan.get("created")
    if isinstance(created, (int, float)):
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(created))
    cap = plan.get("cap_steps")
    rows = [
        ("command", _typed_command(study, [])),
        ("seeds", ", ".join(map(str, plan.get("seeds") or []))),
        ("seeds of pilot runs", ", ".join(map(str, plan.get("pilot_seeds") or []))),
        ("length of the recipe", f"{number(plan.get('base_steps'))} steps"),
        ("longest run", f"{number(cap)} steps; an arm that needs more has missed the target" if cap else ""),
        ("machine", described),
        ("made", created),
        ("plan's sha256", plan.get("sha256")),
    ]
    return [(name, str(value)) for name, value in rows if value] if plan else []


def _commands(
    study: StudyFiles,
    rows: Sequence[VerdictRow],
    conclusion: Conclusion,
    progress: Progress | None,
    *,
    is_trusted: bool,
    is_busy: bool,
) -> Iterator[tuple[str, str]]:
    """Yield what to do next, each with its command."""
    look = "Look at all runs", shlex.join(["fastrun", "report", str(study.folder / "runs")])
    if not rows:
        if progress is not None and progress.refusal:
            yield look if is_race(study.folder) else ("Start another, changed as said above", _typed_command(study, []))
        elif study.is_running:
            yield "Watch it", shlex.join(["fastrun", "watch", str(study.folder)])
        else:
            yield "Go on with it", shlex.join(["fastrun", "resume", str(study.folder)])
        return
    if is_race(study.folder):
        yield look
        return
    if not is_trusted or is_busy:
        yield "Measure again with nothing else running", _typed_command(study, [])
    if not is_trusted:
        return
    neutral = _neutral(study)
    dropped = [neutral[factor] for factor in conclusion.drop if factor in neutral]
    train = shlex.join(["fastrun", "train", *_run_words(study), *dropped])
    if dropped:
        yield f"Train without {enumerate_words(conclusion.drop)}", train
    elif conclusion.keep:
        rest = f"; {enumerate_words(conclusion.undecided)} as in the recipe" if conclusion.undecided else ""
        yield f"Train with {enumerate_words(conclusion.keep)}{rest}", train
    if conclusion.more_blocks:
        total = max(row.blocks for row in rows) + conclusion.more_blocks
        names = enumerate_words(list(dict.fromkeys(row.factor for row in rows if row.more_blocks)))
        words = (
            f"Decide {names} in a new study, which has seeds of its own: {total} blocks decide with even odds, "
            f"{2 * total} in about 80 % of cases"
        )
        yield words, _typed_command(study, [f"study.blocks={2 * total}"])
    if not study.plan.get("tuned"):
        yield "Check it with a learning rate for each arm", _typed_command(study, ["study.tune=5"])
    yield look
    if not dropped and not conclusion.keep:
        yield "Train with the recipe as it is", train


def _typed_command(study: StudyFiles, changed: Sequence[str]) -> str:
    """Return the command of the study with some of its own keys changed."""
    new = {word.partition("=")[0] for word in changed}
    own = [
        f"study.{key}={_typed(value)}"
        for key, value in _part(study.typed, "study").items()
        if value != _DEFAULTS.get(key) and f"study.{key}" not in new
    ]
    return shlex.join(["fastrun", "ablate", *_run_words(study), *own, *changed])


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(_typed, value))}]" if isinstance(value, list) else str(value)


def _run_words(study: StudyFiles) -> list[str]:
    """Return the overrides of the run that the study is about."""
    words, recipe = _words((study.plan or study.typed).get("overrides")), study.plan.get("recipe")
    has_recipe = any(word.startswith("+recipe=") for word in words)
    return words if has_recipe or not isinstance(recipe, str) else [f"+recipe={recipe}", *words]


def _neutral(study: StudyFiles) -> dict[str, str]:
    """Return the override that turns each factor off."""
    factors = study.typed.get("factors")
    found = [one for one in factors if isinstance(one, dict)] if isinstance(factors, list) else []
    return {str(one.get("name")): str(one["without"]) for one in found if "without" in one}


def _words(overrides: Any) -> list[str]:
    return list(map(str, overrides)) if isinstance(overrides, list) else []


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}
