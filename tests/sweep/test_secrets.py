"""A sweep uses secrets and writes none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

JOB = ("data=synthetic", "data.samples=16", "data.shape=[2]", "data.classes=2", "model=mlp", "model.hidden=[2]")


def test_no_file_of_a_sweep_holds_a_secret_and_its_jobs_are_given_them(folder: Path, new_process: Any) -> None:
    (folder / "asks.py").write_text(
        "import pytorch_lightning as pl\n"
        "class Asks(pl.Callback):\n"
        "    def __init__(self, api_key, other_token):\n"
        "        assert (api_key, other_token) == ('hunter2hunter2', 'from-the-environment')\n"
        "        raise RuntimeError(f'{api_key} {other_token}')\n"
    )
    done = new_process(
        "train", *JOB, "-m", "+callbacks.asks._target_=asks.Asks", "+callbacks.asks.api_key=hunter2hunter2",
        "+callbacks.asks.other_token=${oc.env:MY_TOKEN}", "seed=1,2", MY_TOKEN="from-the-environment",
    )  # fmt: skip
    assert done.returncode == 2  # of a callback that cannot be built
    assert "2 jobs: 2 failed" in done.stdout
    files = [path for path in folder.rglob("*") if path.is_file() and path.stem.partition(".")[0] != "asks"]
    assert {"sweep.json", "00001.json", "output.log", "config.yaml"} <= {path.name for path in files}
    texts = {str(path): path.read_text(errors="replace") for path in files} | {"screen": done.stdout + done.stderr}
    for secret in ("hunter2hunter2", "from-the-environment"):
        assert not [path for path, text in texts.items() if secret in text], secret
    (ledger,) = folder.glob("outputs/train/sweep-*/ledger")
    assert "RuntimeError: " in (ledger / "00000.json").read_text()
    assert "${oc.env:MY_TOKEN}" in (ledger / "00000.json").read_text()
