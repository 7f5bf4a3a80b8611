"""A block in which the exceptions of Hydra, OmegaConf and YAML become errors of fastrun."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fastrun.compose.error_location import first_undecodable, locate_error
from fastrun.compose.error_messages import config_error
from fastrun.config.paths import display
from fastrun.errors import ConfigError, FastrunError, StorageError

# Hydra raises a plain ValueError for these mistakes, so that only the text tells them from a bug.
_HYDRA_VALUE_ERRORS = re.compile(r"Config group override must be|Invalid defaults list|Config group override deletion")


@contextmanager
def translate_errors(overrides: Sequence[str]) -> Iterator[None]:
    """Raise what Hydra, OmegaConf and YAML raise in a block as an error of one line, with its file, line and a hint.

    Args:
        overrides: what the block composes.

    Raises:
        ConfigError: a config that does not compose.
        StorageError: a file that cannot be written.
    """
    try:
        with _translate(overrides):
            yield
    except FastrunError as error:
        raise locate_error(error, overrides)  # noqa: B904 (the same error, its cause kept)


@contextmanager
def _translate(overrides: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise config_error(error, overrides) from error
    except UnicodeDecodeError as error:
        raise _not_utf8() from error
    except ValueError as error:
        if not _HYDRA_VALUE_ERRORS.match(str(error)):
            raise
        raise config_error(error, overrides) from error
    except RecursionError as error:
        raise ConfigError("recipes or options name each other without end", "look at their defaults lists") from error
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from error
    except BrokenPipeError:  # in `--help | head`, the reader is done
        raise
    except OSError as error:
        if error.errno is not None and error.filename is None:  # no file, but what is printed
            raise
        raise _not_a_file(error) from error


def _not_utf8() -> ConfigError:
    location = first_undecodable()
    where = f"{display(location[0])}, line {location[1]}" if location else "a config"
    return ConfigError(f"{where}: it is not UTF-8", "save it as UTF-8")


def _not_yaml(error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark
    where = f"{display(Path(mark.name))}, line {mark.line + 1}" if mark else "a config"
    return ConfigError(f"{where}: {error.problem}", "YAML needs `key: value`, indented with spaces")


def _not_a_file(error: OSError) -> FastrunError:
    """Return the error for an OSError; OmegaConf raises one without a number for a file that holds no mapping."""
    if error.errno is None:
        return ConfigError(" ".join(map(str, error.args)), "a config is a mapping: `key: value`")
    return StorageError(f"cannot write {error.filename}: {error.strerror}", "choose another folder: outputs=…")
