"""What is read of a command line that a sweep's files hold: they may come from a stranger, so only what sets values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

_OF_HYDRA = re.compile(r"(^|[\s/@.:+~])hydra($|[\s/@.:])")  # in a group, package or key
_OPTIONS = re.compile(r"\+*hydra/(launcher=\w+|sweeper=(fastrun|optuna))")
_PLAIN = re.compile(r"\+*hydra\.(launcher|sweeper)\.(?:\w+\.)*([a-z]\w*)=[\w.:+-]*")
_OF_LAUNCHERS = {
    "n_jobs", "timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name",
    "partition", "qos", "account", "constraint", "exclude", "gres", "cpus_per_gpu", "gpus_per_task", "mem_per_gpu",
    "mem_per_cpu", "signal_delay_s", "max_num_timeout", "array_parallelism", "num_cpus", "num_gpus",
    "include_dashboard",
}  # fmt: skip
"""What a launcher is told in numbers and words. Others of its keys name commands, hosts or paths."""


def are_values(texts: Any) -> TypeGuard[list[str]]:
    """Say whether something is a list of overrides of a run, none of which is a flag or sets a key of Hydra's."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return False
    return not any(text.startswith("-") or _OF_HYDRA.search(text.partition("=")[0]) for text in texts)


def hydra_arguments(texts: Any, sweep: Path) -> Iterator[str]:
    """Yield what sweep.json says to Hydra: its launcher, its sweeper, their plain values, and the user's own folders.

    What is left out is printed, so that the user can say it again.

    Args:
        texts: the list in the file.
        sweep: the folder of the sweep. A folder of options in it is nobody's choice.
    """
    said = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    for before, text in zip(["", *said], said, strict=False):
        if before == "--config-dir":
            if _is_own(Path(text), sweep):
                yield from (before, text)
            else:
                _leave_out(f"--config-dir {text}")
        elif text != "--config-dir":
            if _is_plain(text):
                yield text
            else:
                _leave_out(text)


def _is_plain(text: str) -> bool:
    plain = _PLAIN.fullmatch(text)
    is_value = plain is not None and (plain[1] == "sweeper" or plain[2] in _OF_LAUNCHERS)
    return is_value or _OPTIONS.fullmatch(text) is not None


def _is_own(folder: Path, sweep: Path) -> bool:
    there = folder.resolve()
    return there.is_relative_to(Path.cwd()) and not there.is_relative_to(sweep.resolve())


def _leave_out(text: str) -> None:
    print(f"sweep.json: {text} is not taken from a file; say it again if you want it")
