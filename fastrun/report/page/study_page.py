"""The page of a study: what helped, how sure that is, what was fair, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastrun.config.monitor import Monitor
from fastrun.report.page.conclusion import Conclusion, conclude, describe_check
from fastrun.report.page.forest import draw_forest, interval
from fastrun.report.page.number_format import number, percent, plural
from fastrun.report.page.study_files import StudyFiles, VerdictRow, read_study

_KINDS = {"without": 0, "added": 1, "same": 2}
_EQUIVALENCE, _CONFIDENCE = 0.02, 0.95


def study_context(folder: Path) -> dict[str, Any]:
    """Return what the template of a study's page shows.

    Raises:
        StorageError: its verdicts cannot be read.
    """
    study = read_study(folder)
    rule = _part(study.plan, "rule")
    rows = sorted(study.verdicts, key=lambda row: (_KINDS.get(row.kind, 3), -(row.ratio or 0.0)))
    conclusion = conclude(rows)
    holds, check = describe_check(next((row for row in rows if row.kind == "same"), None))
    return {
        "title": f"{folder.parent.name} {folder.name}",
        "study": study,
        "conclusion": conclusion,
        "check_holds": holds if rows else None,
        "check": check,
        "forest": draw_forest(rows, rule.get("equivalence", _EQUIVALENCE)),
        "interval": interval,
        "confidence": percent(rule.get("confidence", _CONFIDENCE)),
        "equivalence": percent(rule.get("equivalence", _EQUIVALENCE)),
        "most_misses": percent(rule.get("most_misses")),
        "is_sequential": bool(rule.get("sequential")),
        "contrasts": sum(row.kind != "same" for row in rows),
        "target": describe_target(study.plan),
        "fairness": list(_fairness(study)),
        "test_name": next((row.test_metric_name for row in rows if row.test_metric_name), None),
        "is_worse_on_test": is_worse_on_test,
        "arms": {str(name): _words(overrides) for name, overrides in _part(study.plan, "arms").items()},
        "facts": _facts(study),
        "commands": _commands(study, rows, conclusion),
    }


def is_worse_on_test(row: VerdictRow) -> bool:
    """Say whether the side with the heuristic is worse on test data than the side without it."""
    if row.test_metric is None or row.test_metric_baseline is None or row.kind == "same":
        return False
    has, lacks = row.test_metric, row.test_metric_baseline
    if row.kind == "without":
        has, lacks = lacks, has
    name = (row.test_metric_name or "").rpartition("/")[2]
    return Monitor.of(f"val/{name}").is_better(lacks, has)


def describe_target(plan: dict[str, Any]) -> str:
    """Return the target of a study and where it came from, in a sentence."""
    target = _part(plan, "target")
    if target.get("value") is None:
        return "The target is not set yet."
    origin = {
        "given": "it was given",
        "pilot": "what the full recipe reached in pilot runs, less a margin; their seeds were never scored",
    }.get(str(target.get("source")), str(target.get("source")))
    return f"{target.get('metric')} {number(target['value'])} on validation data: {origin}."


def _fairness(study: StudyFiles) -> list[tuple[str, str]]:
    """Return what was done so that the arms can be compared, each as a word or two and a sentence."""
    plan = study.plan
    if not plan:
        return []
    seeds = plan.get("seeds") or []
    listed = f" ({', '.join(map(str, seeds))})" if 0 < len(seeds) <= 16 else ""
    tuned = (
        ("Tuned", "Every arm got its own learning rate from the same number of trials, on seeds that were not scored.")
        if plan.get("tuned")
        else (
            "Dropped in, not retuned",
            "Every arm trains with the learning rate of the recipe. One that would need another rate may look slower "
            "than it is; study.tune=5 gives each arm its own.",
        )
    )
    cap = plan.get("cap_steps")
    return [
        (
            "Paired",
            f"All arms share each of {plural(len(seeds), 'seed')}{listed}: the same initialization, order and "
            "augmentation. A ratio is taken within a seed.",
        ),
        (
            "Own schedules",
            "Each arm ran complete trainings of several lengths, its schedule fitted to each. None was cut off"
            + (f"; none was longer than {number(cap)} steps." if cap else "."),
        ),
        tuned,
        (
            "Steps and seconds apart",
            "Steps to the target come from the seeds. Seconds a step were measured in rounds, the arms in turns with "
            "nothing else running; compiling, starting up, validating and saving are not counted.",
        ),
        (
            "Written down before",
            f"Arms, seeds, target, longest run and rule were fixed before the first scored run: plan.json, sha256 "
            f"{str(plan.get('sha256') or '–')[:16]}.",
        ),
    ]


def _facts(study: StudyFiles) -> list[tuple[str, str]]:
    plan, machine = study.plan, study.plan.get("machine")
    described = ", ".join(f"{key} {value}" for key, value in machine.items()) if isinstance(machine, dict) else machine
    rows = [
        ("recipe", plan.get("recipe")),
        ("overrides", " ".join(_words(plan.get("overrides")))),
        ("seeds", ", ".join(map(str, plan.get("seeds") or []))),
        ("lengths tried (steps)", ", ".join(number(rung) for rung in plan.get("rungs") or [])),
        ("longest run", f"{number(plan.get('cap_steps'))} steps"),
        ("machine", described),
        ("created", plan.get("created")),
        ("plan's sha256", plan.get("sha256")),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _commands(study: StudyFiles, rows: Sequence[VerdictRow], conclusion: Conclusion) -> list[tuple[str, str]]:
    """Return what to do next, each with its command."""
    resume = shlex.join(["fastrun", "resume", str(study.folder)])
    if not rows:
        return [("Go on with the study", resume)]
    commands = []
    recipe = study.plan.get("recipe")
    words = [*([f"+recipe={recipe}"] if recipe else []), *_words(study.plan.get("overrides"))]
    words = list(dict.fromkeys(words))
    dropped = [word for factor in conclusion.drop for word in _neutral(study.plan, factor)]
    if dropped:
        command = shlex.join(["fastrun", "train", *words, *dropped])
        commands.append((f"Train without {', '.join(conclusion.drop)}", command))
    else:
        commands.append(("Train with it", shlex.join(["fastrun", "train", *words])))
    if conclusion.more_blocks:
        total = max(row.blocks for row in rows) + conclusion.more_blocks
        kept = [word for word in words if not word.startswith("study.blocks=")]
        command = shlex.join(["fastrun", "ablate", *kept, f"study.blocks={total}"])
        commands.append((f"Decide the rest with about {conclusion.more_blocks} more blocks", command))
    if study.plan and not study.plan.get("tuned"):
        command = shlex.join(["fastrun", "ablate", *words, "study.tune=5"])
        commands.append(("Check it with a learning rate for each arm", command))
    return commands


def _neutral(plan: dict[str, Any], factor: str) -> list[str]:
    """Return the overrides that turn a factor off: those that its arm has and the full recipe has not."""
    arms = _part(plan, "arms")
    full = _words(arms.get("full"))
    return [word for word in _words(arms.get(f"full - {factor}")) if word not in full]


def _words(overrides: Any) -> list[str]:
    return list(map(str, overrides)) if isinstance(overrides, list) else []


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}
