"""Thousands of values for every key of every option, alone and together: each is taken, or refused in a line by name.

Values are composed and bound to what they configure, which is where all but a few are refused; a part of those that
are taken trains two steps. Everything happens in forks, whose memory and time are limited.
"""

from __future__ import annotations

import json
import math
import os
import random
import resource
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch
from omegaconf import OmegaConf

import fastrun
from fastrun.components.optimizer.rates import rate_factors
from fastrun.components.schedule.build import build_curve
from fastrun.compose import compose, from_config
from fastrun.config import instantiate, registry
from fastrun.config.settings import CLOSED, OPEN, SEVERAL, known_keys
from fastrun.errors import FastrunError

SEED = 20
FULL = "FASTRUN_FULL" in os.environ  # set by make test-all
SINGLES, COMBINATIONS, TRAINED = (3000, 500, 60) if FULL else (400, 200, 12)
SECONDS = 30  # for a value; one that takes longer hangs
ROOM = 6 << 30  # bytes of address space beyond what the process has, so that a huge network is refused, not built

VALUES = [
    "nan", ".inf", "inf", "-inf", "-1", "0", "1", "2", "3", "0.5", "-0.5", "1.5", "1e30", "-1e30", "1e-30", "-0.0",
    "100000000000000000000", "-100000000000000000000", "true", "false", "null", "''", "abc", "[]", "[0]", "[1,2]",
    "[nan,0.9]", "[-1,0.5]", "{a:1}", "{a:nan}", "5%", "2ep", "-5%", "10min", "1000ep", "auto", "none", "'a b'",
]  # fmt: skip
SMALL = {  # what a run is to be small by, where a group is not what is tried
    "data": ["data=synthetic", "data.samples=64", "data.shape=[3,8,8]", "data.classes=2"],
    "model": ["model=cnn", "model.depth=1", "model.width=2"],
    "batch": ["batch.size=8"],
    "pipeline": ["pipeline.num_workers=0"],
}
OFFERED = {"in_shape": (3, 8, 8), "num_classes": 2, "vocabulary": 5}
NEGATIVE = {"optimizer.beta2_decay", "target.value"}  # what makes sense below zero
UNTRAINED = {"logger", "device", "transfer", "data", "sweep", "epochs", "steps"}  # packages, processes, files, time
SKIPPED = {*OPEN, "callbacks", "choices", "name", "outputs", "sweep.file"}
NET = torch.nn.Linear(1, 1)
DEFAULTS: dict[str, Any] = {}

Act = Callable[[list[str]], list[str]]


@dataclass
class Outcome:
    """What became of a command line: its exit code, what was said, and what should not have been taken."""

    overrides: list[str]
    code: int
    text: str
    odd: list[str]


def keys() -> list[tuple[str, str | None]]:
    """Every key of every shipped option, each with the override that chooses the option."""
    found: list[tuple[str, str | None]] = []
    for group in registry.groups():
        for option in registry.shipped_options(group):
            names = registry.shipped_option(group, option).content().keys() - {"_target_", "kind"}
            place = f"{group}.{option}" if group in SEVERAL else group
            found += [(f"{place}.{name}", f"{group}={option}") for name in sorted(names)]
    plain = [key for key in known_keys() if key.partition(".")[0] not in registry.groups()]
    return found + [(key, None) for key in plain if key not in SKIPPED]


def groups_of(overrides: list[str]) -> set[str]:
    return {override.partition("=")[0].partition(".")[0] for override in overrides}


def bind(settings: Any, groups: set[str]) -> None:
    """Bind components of a run, as it does when it starts."""
    for group in groups & set(OPEN):
        config = dict(getattr(settings, group))
        if group == "schedule":
            build_curve(config, steps_per_epoch=10, total_steps=100)
            continue
        if group == "optimizer":
            lr_scale = config.pop("lr_scale", None)
            rate_factors(NET, config.pop("layer_decay", 1.0), {} if lr_scale is None else lr_scale)
        bound = instantiate.bind(group, config)
        if bound is not None and group in ("loss", "augment"):
            bound(**instantiate.accepted(bound, task="classification", **OFFERED))


def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a config, with the dotted key of what holds it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from numbers(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from numbers(inner, key)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, value


def odd_values(settings: Any, overrides: list[str]) -> list[str]:
    """What must never be taken: numbers that are not finite, and numbers below zero among those that were given."""
    given = {override.partition("=")[0] for override in overrides} - NEGATIVE
    found = list(numbers(asdict(settings)))
    odd = [f"{key} is not finite" for key, value in found if not math.isfinite(value)]
    return odd + [f"{key} is negative" for key, value in found if value < 0 and key in given]


def composed(overrides: list[str]) -> list[str]:
    """Compose and bind; return what is odd among the accepted values.

    Hydra takes half a second for each choice of options, so the file of an option is put in its place here.
    """
    config, values = DEFAULTS | {"choices": dict(DEFAULTS["choices"])}, []
    for override in overrides:
        group, _, option = override.partition("=")
        if group not in registry.groups():
            values.append(override)
            continue
        content: Any = OmegaConf.to_container(OmegaConf.load(registry.shipped_option(group, option).path))
        content = asdict(CLOSED[group]()) | content if group in CLOSED else content
        config[group] = {option: content} if group in SEVERAL else content
        config["choices"][group] = option
    settings = from_config(config, values)
    bind(settings, groups_of(overrides))
    return odd_values(settings, overrides)


def trained(overrides: list[str]) -> list[str]:
    """Train two steps."""
    given = groups_of(overrides)
    small = [one for group, own in SMALL.items() if group not in given for one in own]
    try:
        fastrun.train([*small, "steps=2", *overrides], quiet=True)
    finally:
        shutil.rmtree("outputs", ignore_errors=True)
    return []


def outcome(overrides: list[str], act: Act) -> Outcome:
    """Try a command line, for a limited time."""
    signal.alarm(SECONDS)
    try:
        return Outcome(overrides, 0, "", act(overrides))
    except FastrunError as error:
        return Outcome(overrides, error.exit_code, error.render(), [])
    except BaseException as error:
        where = "".join(traceback.format_tb(error.__traceback__)[-2:])
        return Outcome(overrides, 1, f"{type(error).__name__}: {error}\n{where}", [])
    finally:
        signal.alarm(0)


def in_fork(lines: list[list[str]], act: Act) -> int:
    """Start a fork that tries command lines; return a descriptor to read its outcomes from."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return reading
    try:
        os.close(reading)
        signal.signal(signal.SIGALRM, _out_of_time)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
        with tempfile.TemporaryDirectory() as folder, os.fdopen(writing, "w") as out:
            os.chdir(folder)
            for line in lines:
                print(json.dumps(asdict(outcome(line, act))), file=out, flush=True)
    finally:
        os._exit(0)


def _out_of_time(*_: object) -> None:
    raise TimeoutError(f"no outcome after {SECONDS} s")


def outcomes(lines: list[list[str]], act: Act) -> list[Outcome]:
    """Try command lines in two forks."""
    DEFAULTS.update(asdict(compose([])))
    found = []
    for reader in [in_fork(lines[part::2], act) for part in range(2)]:
        with os.fdopen(reader) as file:
            found += [Outcome(**json.loads(line)) for line in file]
        os.wait()
    assert len(found) == len(lines), "a fork was killed"
    return found


def singles(chance: random.Random) -> list[list[str]]:
    """Each key with some of the values."""
    each = min(-(-SINGLES // len(keys())), len(VALUES))
    pairs = [(key, choice, value) for key, choice in keys() for value in chance.sample(VALUES, each)]
    return [[*([choice] if choice else []), f"{key}={value}"] for key, choice, value in pairs]


def combinations(chance: random.Random) -> list[list[str]]:
    """A few keys of different groups, with values of which some suit."""
    by_group: dict[str, list[tuple[str, str | None]]] = {}
    for key, choice in keys():
        by_group.setdefault(key.partition(".")[0], []).append((key, choice))
    made = []
    for _ in range(COMBINATIONS):
        line: list[str] = []
        for group in chance.sample(sorted(by_group), chance.randint(2, 5)):
            key, choice = chance.choice(by_group[group])
            value = chance.choice(["1", "2", "0.5", chance.choice(VALUES)])
            line += [*([choice] if choice else []), f"{key}={value}"]
        made.append(line)
    return made


def complaint(one: Outcome) -> str | None:
    """What is wrong with an outcome, or None."""
    typed = [override.partition("=")[0] for override in one.overrides]
    given = [key for key in typed if key not in registry.groups()] or typed
    given += [key.rpartition(".")[0] for key in given if key.startswith("metrics.")]  # one is refused as a whole
    if one.code == 0:
        return "; ".join(one.odd) or None
    if one.code not in (2, 3, 4, 5, 6, 7):
        return one.text
    if len(one.text.splitlines()) > 3 or len(one.text) > 600:
        return f"too long: {one.text}"
    if one.code == 2 and not any(words in one.text for words in (*given, *one.overrides)):
        return f"names no key: {one.text}"
    return None


def report(found: list[Outcome]) -> str:
    lines = [f"{' '.join(one.overrides)}: {said}" for one in found if (said := complaint(one))]
    return f"{len(lines)} of {len(found)}, seed {SEED}\n" + "\n".join(lines[:40])


def test_there_is_something_to_try() -> None:
    assert len(keys()) > 200
    assert {key.partition(".")[0] for key, _ in keys()} >= {"batch", "clip", "optimizer", "schedule", "model", "epochs"}


@pytest.mark.slow
@pytest.mark.parametrize("make", [singles, combinations])
def test_every_value_is_taken_or_refused_in_a_line_that_names_its_key(make: Any) -> None:
    found = outcomes(make(random.Random(SEED)), composed)
    assert len(found) >= (SINGLES if make is singles else COMBINATIONS)
    assert sum(one.code == 0 for one in found) > len(found) / 20
    assert not any(map(complaint, found)), report(found)


@pytest.mark.slow
@pytest.mark.parametrize("make", [singles, combinations])
def test_what_is_taken_trains_or_is_refused_in_a_line(make: Any) -> None:
    chance = random.Random(SEED)
    lines = [line for line in make(chance) if not groups_of(line) & UNTRAINED]
    accepted = [
        one.overrides for one in outcomes(chance.sample(lines, min(len(lines), 4 * TRAINED)), composed) if one.code == 0
    ]
    found = outcomes(accepted[:TRAINED], trained)
    assert not any(map(complaint, found)), report(found)
