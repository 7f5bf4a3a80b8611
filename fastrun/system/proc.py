"""Linux's files under /proc and /sys about processes and the machine; they read as empty on other systems."""

from __future__ import annotations

from pathlib import Path


def read(path: str) -> str:
    """Return the text of a file below /proc or /sys, empty where it cannot be read."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def stat(pid: int) -> tuple[str | None, int | None]:
    """Return a process's state and when it started, from proc(5).

    Args:
        pid: the process.

    Returns:
        The letter of its state, ``Z`` for one that nobody has waited for, and its start in clock ticks since the boot;
        None for each where it is not known.
    """
    parts = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    try:
        return parts[0], int(parts[19])
    except (ValueError, IndexError):
        return None, None


def fields(path: str) -> dict[str, str]:
    """Return the values of a file's lines ``name: value``, by name. The first line of a name counts."""
    pairs = [line.partition(":") for line in read(path).splitlines() if ":" in line]
    return {name.strip(): value.strip() for name, _, value in reversed(pairs)}
