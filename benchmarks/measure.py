"""What every benchmark shares: contestants that take turns, medians, and a small table with the machine.

A machine's speed drifts, and other programs use it. So contestants take turns (A B C, B C A, …) and are compared within
a round: the ratio of two is the median of their ratios round by round, and ratios are what a benchmark claims.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from statistics import median, quantiles

import torch

from fastrun.components.device.device import choose_device
from fastrun.config.settings import DeviceConfig
from fastrun.system.processor import cpu_name

Values = dict[str, list[float]]  # of each contestant, one a round

ROUNDS = 5  # fewer say nothing


def in_turn(contestants: Mapping[str, Callable[[], float]], rounds: int) -> Values:
    """Measure every contestant once a round; each round begins with the next one, so that none is always the first."""
    values: Values = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            values[name].append(contestants[name]())
    return values


def ratio(values: Values, name: str, base: str) -> float:
    """Return the median over the rounds of one contestant's value to another's."""
    return median(one / other for one, other in zip(values[name], values[base], strict=True))


def spread(values: list[float]) -> tuple[float, float]:
    """Return the first and third quartile."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def show(title: str, values: Values, base: str, unit: str) -> None:
    """Print each contestant's median, quartiles, and ratio to ``base``."""
    width = max(map(len, values))
    rounds = len(values[base])
    print(f"\n{title} ({rounds} rounds{'' if rounds >= ROUNDS else ': too few to quote'})")
    print(f"  {'':<{width}}  {unit:>12}  {'quartiles':>21}  / {base}")
    for name, measured in values.items():
        low, high = spread(measured)
        quartiles = f"{number(low)} .. {number(high)}"
        print(f"  {name:<{width}}  {number(median(measured)):>12}  {quartiles:>21}  {ratio(values, name, base):.3f}")


def number(value: float) -> str:
    """Return a number with four digits that count."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def claim(values: Values, name: str, base: str, limit: str) -> None:
    """Print one ratio and what it should be, such as ``at most 1.05``."""
    print(f"  {name} / {base}: {ratio(values, name, base):.3f} (should be {limit})")


def machine(device: torch.device) -> None:
    """Print what the numbers were measured on."""
    name = f"{torch.cuda.get_device_name(device)}, " if device.type == "cuda" else ""
    threads = torch.get_num_threads()
    print(f"{name}{cpu_name()}, {os.cpu_count()} cores, {threads} threads, torch {torch.__version__}, on {device}")


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all benchmarks have; its help is the module's docstring."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=ROUNDS, help="measurements of each contestant (%(default)s)")
    return made


def on_device(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the choice of a device."""
    made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(%(default)s)")
    return made


def device_option(name: str) -> str:
    """Return the option of fastrun's group ``device`` for a ``--device``."""
    return {"cuda": "gpu"}.get(name, name)


def device_of(name: str) -> torch.device:
    """Return the device that fastrun takes for a ``--device``."""
    return choose_device(DeviceConfig(accelerator=device_option(name))).torch_device


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
