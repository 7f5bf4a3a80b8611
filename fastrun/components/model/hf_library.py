"""The library transformers: imported when it is needed, and kept from printing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastrun.components.hub import INSTALL_HUB
from fastrun.errors import ConfigError


def import_transformers() -> Any:
    """Return the library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError("model=hf needs the package transformers, which is not installed", INSTALL_HUB) from error
    return transformers


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Keep the progress bars and the remarks of the library off the screen; what matters of them is said otherwise."""
    logging = transformers.utils.logging
    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()
