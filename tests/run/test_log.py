"""run.log has what a run said; if it cannot be written, that is an error of a line, unless another is to be told."""

import logging
import os
import re

import pytest

import fastrun
from fastrun.errors import Diverged, StorageError
from fastrun.run.log import RunLog
from fastrun.storage.run_dir import RunDir

RAISES = """
import pytorch_lightning as pl
from fastrun.errors import Diverged

class Raises(pl.Callback):
    def on_train_start(self, trainer, module):
        raise Diverged("of a sudden")
"""


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("fastrun", logging.INFO, "", 0, text, None, None)


def test_a_line_has_the_time_and_stays_if_the_process_dies(tmp_path):
    for text in ("one", "two"):
        RunLog(tmp_path / "run.log").handle(record(text))
    first, second = (tmp_path / "run.log").read_text().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d one", first)
    assert second.endswith(" two")


def test_a_log_that_cannot_be_written_is_a_storage_error_and_no_traceback(tmp_path, capfd):
    (tmp_path / "run.log").mkdir()
    with pytest.raises(StorageError, match=r"cannot write .*run.log: Is a directory"):
        RunLog(tmp_path / "run.log").handle(record("one"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("failing", [(RunDir, "end"), (RunLog, "emit")], ids=["status.json", "run.log"])
def test_what_ended_a_run_is_told_although_the_disk_does_not_take_it(folder, monkeypatch, failing):
    (folder / "raising.py").write_text(RAISES)
    target, name = failing
    real = getattr(target, name)

    def write(self, first, *rest):
        if first == "diverged" or getattr(first, "levelno", 0) == logging.ERROR:
            raise StorageError("cannot write", os.strerror(28))
        real(self, first, *rest)

    monkeypatch.setattr(target, name, write)
    with pytest.raises(Diverged, match="of a sudden"):
        fastrun.train(["model=mlp", "steps=2", "+callbacks.raises._target_=raising.Raises"], quiet=True)
    (run,) = folder.glob("outputs/*/*")
    assert (RunDir(run).status() == "diverged") == (failing == (RunLog, "emit"))
