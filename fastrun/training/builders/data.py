"""Loading and checking the data of a run."""

from __future__ import annotations

from fastrun.components.data.splits import Splits, check_splits
from fastrun.config import instantiate
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, DataError, FastrunError


def load_splits(settings: Settings) -> Splits:
    """Call the data factory and check the splits that it returns.

    Raises:
        ConfigError: the arguments of the factory do not fit, or ``views`` does not fit the data.
        DataError: the data cannot be read, or cannot be trained on.
    """
    factory = instantiate.bind("data", settings.data)
    if factory is None:
        raise ConfigError("data._target_ is not set", "choose a data set: `fastrun options data`")
    instantiate.check_complete("data", factory)
    try:
        splits = check_splits(factory())
    except (FastrunError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"the data cannot be read: {error}", "check data.root") from error
    except Exception as error:  # the factory may be the user's
        raise DataError(*instantiate.describe_error(factory.func, error)) from error
    if settings.views != "none" and len(splits.in_shape) != 3:
        raise ConfigError(f"views={settings.views} needs images; this data has shape {list(splits.in_shape)}")
    return splits
