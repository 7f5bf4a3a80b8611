"""What Hydra and OmegaConf raise, as errors of fastrun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fastrun.errors import ConfigError, StorageError
from fastrun.refusal import refusal


@contextmanager
def translated(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into one line with a hint."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise refusal(error, overrides) from error
    except yaml.MarkedYAMLError as error:
        where = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}" if error.problem_mark else "a config"
        raise ConfigError(f"{where}: {error.problem}", "YAML wants `key: value`, indented with spaces") from error
    except OSError as error:
        raise StorageError(
            f"cannot write {error.filename}: {error.strerror}", "choose another place: outputs=…"
        ) from error
