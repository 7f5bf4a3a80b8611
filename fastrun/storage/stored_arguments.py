"""The arguments that are taken from a command line in a sweep's files: only those that set values.

The files may come from a stranger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

_HYDRA_KEY = re.compile(r"(^|[\s/@.:+~])hydra($|[\s/@.:])")  # in a group, package or key
_PLUGIN_CHOICE = re.compile(r"\+*hydra/(launcher=\w+|sweeper=(fastrun|optuna))")
_PLUGIN_VALUE = re.compile(r"\+*hydra\.(launcher|sweeper)\.(?:\w+\.)*([a-z]\w*)=[\w.:+-]*")
_LAUNCHER_KEYS = {
    "n_jobs", "timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name",
    "partition", "qos", "account", "constraint", "exclude", "gres", "cpus_per_gpu", "gpus_per_task", "mem_per_gpu",
    "mem_per_cpu", "signal_delay_s", "max_num_timeout", "array_parallelism", "num_cpus", "num_gpus",
    "include_dashboard", "max_retries", "memory",
}  # fmt: skip
"""The keys of launchers that hold numbers and words. Their other keys name commands, hosts or paths."""


def are_run_overrides(texts: Any) -> TypeGuard[list[str]]:
    """Say whether something is a list of overrides of a run, none of which is a flag or sets a key of Hydra's."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return False
    return not any(text.startswith("-") or _HYDRA_KEY.search(text.partition("=")[0]) for text in texts)


def hydra_arguments(texts: Any, sweep: Path) -> Iterator[str]:
    """Yield the arguments for Hydra in sweep.json: launcher, sweeper, their plain values, and the user's folders.

    Omitted arguments are printed, so that the user can give them again.

    Args:
        texts: the list in the file.
        sweep: the folder of the sweep. A folder of options in it is not one that the user chose.
    """
    arguments = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    for before, text in zip(["", *arguments], arguments, strict=False):
        if before == "--config-dir":
            if _is_user_folder(Path(text), sweep):
                yield from (before, text)
            else:
                _print_omitted(f"--config-dir {text}")
        elif text != "--config-dir":
            if _is_plain(text):
                yield text
            else:
                _print_omitted(text)


def _is_plain(text: str) -> bool:
    plain = _PLUGIN_VALUE.fullmatch(text)
    is_value = plain is not None and (plain[1] == "sweeper" or plain[2] in _LAUNCHER_KEYS)
    return is_value or _PLUGIN_CHOICE.fullmatch(text) is not None


def _is_user_folder(folder: Path, sweep: Path) -> bool:
    resolved = folder.resolve()
    return resolved.is_relative_to(Path.cwd()) and not resolved.is_relative_to(sweep.resolve())


def _print_omitted(text: str) -> None:
    print(f"sweep.json: {text} is not taken from a file; say it again if you want it")
