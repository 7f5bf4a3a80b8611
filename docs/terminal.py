"""Writes docs/terminal.svg: the output of a real run, as a terminal shows it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("terminal.svg")
COMMAND = "fastrun train +recipe=resnet_amp"


def output() -> str:
    """Return what the command prints in an empty folder, with its colors."""
    environ = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "100", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", *COMMAND.split()]
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout
        lines = printed.replace(f"{folder}/", "").splitlines()
    # A terminal shows the last state of the bar, which is drawn over those before.
    bars = [line for line in lines if Text.from_ansi(line).plain.startswith("steps ")]
    return "\n".join(line for line in lines if line not in bars[:-1])


def draw(printed: str) -> str:
    """Return the picture of a terminal that shows the command and what it printed."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=100, file=nowhere, force_terminal=True)
        console.print(f"$ {COMMAND}", markup=False, highlight=False)
        console.print(Text.from_ansi(printed.rstrip()))
        picture = console.export_svg(title="fastrun", unique_id="terminal")
    # The picture loads no fonts from the network.
    start, end = picture.index("@font-face"), picture.index(".terminal-matrix")
    return picture[:start] + picture[end:]


if __name__ == "__main__":
    PICTURE.write_text(draw(output()))
