"""``python -m fastrun`` is ``fastrun``."""

from fastrun.cli.main import script

script()
