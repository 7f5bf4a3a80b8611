"""What Hydra and OmegaConf raise, as errors of fastrun."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fastrun.errors import ConfigError, FastrunError, StorageError
from fastrun.origin import located, undecodable
from fastrun.paths import shown
from fastrun.refusal import refusal

_HYDRAS = re.compile(r"Config group override must be|Invalid defaults list|Config group override deletion")


@contextmanager
def translated(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into one line with a hint, and say in which of the user's lines it is."""
    try:
        with _told(overrides):
            yield
    except FastrunError as error:
        raise located(error, overrides)  # noqa: B904 (the same error, its cause kept)


@contextmanager
def _told(overrides: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise refusal(error, overrides) from error
    except UnicodeDecodeError as error:
        found = undecodable()
        where = f"{shown(found[0])}, line {found[1]}" if found else "a config"
        raise ConfigError(f"{where}: it is not UTF-8", "save it as UTF-8") from error
    except ValueError as error:
        if not _HYDRAS.match(str(error)):
            raise
        raise refusal(error, overrides) from error
    except RecursionError as error:
        raise ConfigError("recipes or options name each other without end", "look at their defaults lists") from error
    except yaml.MarkedYAMLError as error:
        where = (
            f"{shown(Path(error.problem_mark.name))}, line {error.problem_mark.line + 1}"
            if error.problem_mark
            else "a config"
        )
        raise ConfigError(f"{where}: {error.problem}", "YAML wants `key: value`, indented with spaces") from error
    except BrokenPipeError:  # `--help | head`: whoever read has seen enough
        raise
    except OSError as error:
        if error.errno is None:  # OmegaConf's, for a file that holds no mapping
            raise ConfigError(" ".join(map(str, error.args)), "a config is a mapping: `key: value`") from error
        raise StorageError(
            f"cannot write {error.filename}: {error.strerror}", "choose another place: outputs=…"
        ) from error
