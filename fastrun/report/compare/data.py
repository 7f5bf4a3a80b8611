"""Which data a run trained on, to tell whether results of runs can be compared."""

from __future__ import annotations

import hashlib
import json

from fastrun.report.record import RunRecord
from fastrun.storage.run_dir import RunDir

_SPLIT_KEYS = "data.val_fraction", "data.test_fraction", "data.split_seed"  # which samples a result is measured on
_CHARACTERS = 6  # of a name


def name_data(record: RunRecord) -> str | None:
    """Return a short name for the data and the split of a run; None where the run directory does not say.

    Equal names mean equal samples in training, validation and test.
    """
    found = RunDir(record.path).read("data.json")
    if not found.get("fingerprint"):
        return None
    split = {key: record.config.get(key) for key in _SPLIT_KEYS}
    described = json.dumps([found["fingerprint"], found.get("samples"), split], sort_keys=True, default=str)
    return hashlib.sha256(described.encode()).hexdigest()[:_CHARACTERS]
