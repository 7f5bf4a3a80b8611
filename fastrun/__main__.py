"""``python -m fastrun`` is ``fastrun``."""

import sys

from fastrun.cli.main import main

sys.exit(main())
