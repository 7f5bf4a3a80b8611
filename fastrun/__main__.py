"""``python -m fastrun`` is ``fastrun``."""

import sys

from fastrun.cli import main

sys.exit(main())
