"""refused.json: why a study or a race cannot be made, beside the runs that showed it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastrun.errors import ConfigError, FastrunError
from fastrun.storage.atomic import write_atomic
from fastrun.study.folder import REFUSED


@contextmanager
def noted(folder: Path) -> Iterator[None]:
    """Write down why a study is refused, if it is; an earlier refusal is forgotten.

    What stops a study from outside, such as a signal or a full disk, is no refusal: it can go on as it is.

    Args:
        folder: the folder of the study.
    """
    (folder / REFUSED).unlink(missing_ok=True)
    try:
        yield
    except FastrunError as error:
        if isinstance(error, ConfigError) or type(error) is FastrunError:
            content = {"error": error.message, "hint": error.hint, "time": time.time()}
            write_atomic(folder / REFUSED, json.dumps(content, indent=2))
        raise
