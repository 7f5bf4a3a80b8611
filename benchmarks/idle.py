"""Studies of a callback that does nothing: how often it is found faster or slower, which is never true.

python benchmarks/idle.py [--studies N] [--outputs FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from fastrun.study.verdict.judge import FASTER, SLOWER

CALLBACK = "import pytorch_lightning as pl\n\n\nclass Idle(pl.Callback):\n    pass\n"
RUN = ("+recipe=mlp_fast", "epochs=6", "target.value=0.96", "+callbacks.idle._target_=idle.Idle")
STUDY = ("study.factors=[~callbacks.idle]", "study.blocks=8")


def verdicts(folder: Path, seed: int) -> list[dict[str, object]]:
    """Return the verdicts of a study with seeds of its own: of the same run twice, and of the callback."""
    name = f"idle-{seed}"
    command = [sys.executable, "-m", "fastrun", "ablate", *RUN, *STUDY, f"seed={seed}", f"name={name}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    (file,) = folder.glob(f"outputs/{name}/study-*/verdicts.json")
    return list(json.loads(file.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--outputs", type=Path, help="a folder for the studies; a new one in the temporary folder")
    given = parser.parse_args()
    folder = given.outputs or Path(mkdtemp(prefix="fastrun-idle-"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "idle.py").write_text(CALLBACK)
    wrong = apart = held = 0
    for number in range(given.studies):
        same, idle = verdicts(folder, 1000 * number)
        wrong += idle["verdict"] in (FASTER, SLOWER)
        apart += same["verdict"] == "told apart"
        held += float(str(idle["low"])) <= 1 <= float(str(idle["high"]))
        print(f"{number + 1} of {given.studies}: {idle['verdict']}, {idle['ratio']} ({idle['low']} to {idle['high']})")
    print(f"faster or slower: {wrong} of {given.studies}; the interval holds 1: {held}; same run told apart: {apart}")


if __name__ == "__main__":
    main()
