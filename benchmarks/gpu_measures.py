"""The measurements of ``gpu.py``: contestants take turns, and ratios are what counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from time import monotonic
from typing import Any

from attempt import attempt, halves, seconds_of_second_half
from checklist import Skip
from gpu_bench import Bench
from measure import Values, in_turn, number, ratio
from step import fastrun_step, hand_written, plain

from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.errors import FastrunError
from fastrun.training.builders.data import load_splits

_SECONDS = 100.0  # after which no further round of choices made by hand is begun
SMALL_VAL = ["data.val_fraction=0.02", "data.test_fraction=0.02", "checkpoint=none", "schedule=onecycle"]
SETTINGS = {
    "auto": [],
    "amp=off": ["amp=off"],
    "amp=bf16": ["amp=bf16"],
    "amp=fp16": ["amp=fp16"],
    "channels_last=false": ["speed.channels_last=false"],
    "speed=plain": ["speed=plain"],
    "compile": ["speed.compile=true"],
}


def case(bench: Bench, name: str, *, is_large: bool) -> tuple[Settings, int]:
    """Return the settings of a network and its data, and the steps that are timed."""
    if name == "mlp":
        size = ["data.shape=[784]", f"data.samples={1000 if bench.quick else 20000}", "batch.size=64"]
        own = ["+recipe=mlp_fast", "data=synthetic", *size]
        return compose([*own, *SMALL_VAL, bench.option]), 10 if bench.quick else 1000
    if name == "resnet":
        network = ["model.depth=20", "model.width=32", "batch.size=256"] if is_large else ["model.depth=8"]
        data = ["data.samples=12000", *network]
        if bench.quick:
            data = ["data.shape=[3,8,8]", "data.samples=400", "model.depth=8", "model.width=4", "batch.size=32"]
        own = ["data=synthetic", "model=resnet", "optimizer=nesterov", *data, *SMALL_VAL]
        return compose([*own, bench.option]), 4 if bench.quick else 60 if is_large else 200
    length, batch = (256, 64) if is_large else (64, 32)
    network = ["model.width=384", "model.depth=6", "model.heads=6"] if is_large else []
    if bench.quick:
        length, batch, network = 16, 4, ["model.width=16", "model.depth=1", "model.heads=2"]
    text = bench.folder / "text.txt"
    text.write_text("".join(chr(97 + (index * index // 7) % 26) for index in range(2 * length * batch * 40)))
    own = ["+recipe=text_gpt", f"data.root={text}", f"data.length={length}", f"batch.size={batch}", *network]
    return compose([*own, "clip=none", "checkpoint=none", bench.option]), 4 if bench.quick else 60


def described(values: Values, base: str) -> dict[str, Any]:
    """Return the medians and ratios of contestants, in a line and as numbers."""
    ratios = {name: ratio(values, name, base) for name in values}
    line = ", ".join(f"{name} {number(median(values[name]))} ms ({ratios[name]:.3f})" for name in values)
    return {"detail": f"{line}; ratios to {base}", "milliseconds": values, "ratios": ratios}


def beside_plain(bench: Bench, name: str, rounds: int) -> dict[str, Any]:
    """Measure a step of fastrun beside one of a plain loop with the same network, precision and data."""
    settings, steps = case(bench, name, is_large=False)
    sets = load_splits(settings)
    contestants = {
        "fastrun": partial(fastrun_step, settings, steps),
        "plain": partial(hand_written, plain, settings, sets, steps),
    }
    return described(in_turn(contestants, rounds), "plain")


def milliseconds(settings: Settings, steps: int) -> float:
    """Return the time of a step, by the run's own clock."""
    return 1e3 * seconds_of_second_half(attempt(halves(settings, steps)).lines) / steps


def beside_by_hand(bench: Bench, name: str, rounds: int, left: Callable[[], float]) -> dict[str, Any]:
    """Measure a step as ``auto`` chooses it beside each choice made by hand; what cannot be measured is left out.

    Args:
        bench: where it is measured.
        name: the network.
        rounds: the rounds; fewer where the time is used up.
        left: returns the seconds that are left.
    """
    start = monotonic()
    made, steps = case(bench, name, is_large=True)
    contestants, missing = dict[str, Callable[[], float]](), []
    for label, overrides in SETTINGS.items():
        if bench.quick and label == "compile":
            continue
        try:
            settings = changed(made, overrides)
            milliseconds(settings, 2)  # a run that does not count: kernels are chosen, and a compiler fills its cache
            contestants[label] = partial(milliseconds, settings, steps)
        except FastrunError as error:
            missing.append(f"{label}: {error.message}")
    values: Values = {label: [] for label in contestants}
    for turn in range(rounds):
        if turn and (left() < 20 or monotonic() - start > _SECONDS):
            break
        for label, measured in in_turn(contestants, 1).items():
            values[label] += measured
    if not values["auto"]:
        raise Skip("auto could not be measured")
    best = min(values, key=lambda label: median(values[label]))
    found = described(values, "auto")
    more = f"; not measured: {'; '.join(missing)}" if missing else ""
    return found | {"best": best, "detail": f"best: {best}; {found['detail']}{more}"}


def changed(settings: Settings, overrides: list[str]) -> Settings:
    """Return the settings with other precision or optimizations."""
    amp, speed = settings.amp, settings.speed
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "amp":
            amp = replace(amp, kind=value)
        elif key == "speed":
            speed = replace(speed, kind=value)
        else:
            chosen: dict[str, Any] = {key.removeprefix("speed."): value == "true"}
            speed = replace(speed, **chosen)
    return replace(settings, amp=amp, speed=speed)


def measures(
    bench: Bench, rounds: int, left: Callable[[], float]
) -> dict[str, tuple[Callable[[], dict[str, Any]], float]]:
    """Return each measurement by its name, with the seconds that it may take at most."""
    named: dict[str, tuple[Callable[[], dict[str, Any]], float]] = {}
    for name in ("mlp", "resnet", "gpt"):
        named[f"step of {name}"] = partial(beside_plain, bench, name, rounds), 120
    for name in ("resnet", "gpt"):
        named[f"auto, {name}"] = partial(beside_by_hand, bench, name, min(rounds, 3), left), 200
    return named
