"""The command line: finds the verb, prints errors, returns the exit code. Imports nothing heavy."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import fastrun
from fastrun import redaction
from fastrun.cli.commands import load_verb, summary, verbs
from fastrun.config import trust
from fastrun.config.synonyms import VERBS
from fastrun.errors import ConfigError, FastrunError, StorageError, UsageError, nearest
from fastrun.system import streams
from fastrun.system.cores import wait_briefly
from fastrun.system.place import find_place

_BUG, _USAGE, _INTERRUPTED, _BROKEN_PIPE = 1, 2, 130, 141  # exit codes beside those of the errors

_EXAMPLES = """
  fastrun train +recipe=resnet_amp                                     train now, without any download
  fastrun train +recipe=resnet_amp optimizer=adamw epochs=3            change options and values
  fastrun train +recipe=resnet_amp -m optimizer=sgd,adamw clip=none,norm   a sweep: a run for each combination

--debug shows the traceback of an error. `fastrun COMMAND --help` describes a command."""


def script() -> NoReturn:
    """Run the command line of this process, and end it."""
    code = main()
    with suppress(ConfigError):  # which has been told
        if find_place() is not None:  # connections to processes that are gone do not bear that the interpreter ends
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: the command line without the name of the program; None for that of this process.

    Returns:
        The exit code: see :mod:`fastrun.errors`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        sys.argv[1:] = map(redaction.redact_override, given)  # trackers record the command line
    is_debug = "--debug" in given
    streams.open_closed()
    wait_briefly()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack characters such as …
    try:
        _make_current_folder_importable()
        code = _run_trusting([argument for argument in given if argument != "--debug"])
        sys.stdout.flush()  # here, where an error can be reported
        return code
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, is_debug)


def _make_current_folder_importable() -> None:
    """Add the current folder to ``sys.path``, which console scripts lack: a user's own modules may lie there.

    Raises:
        UsageError: it has been removed.
    """
    try:
        folder = os.getcwd()  # noqa: PTH109 (sys.path takes strings)
    except FileNotFoundError as error:
        raise UsageError("the current folder has been removed", "go to one that exists: cd …") from error
    if folder not in sys.path:
        sys.path.append(folder)


def _run_trusting(arguments: list[str]) -> int:
    """Run a command line that may contain ``trust=NAME``."""
    rest, names = trust.split_trust(arguments)
    redaction.learn_overrides(rest)
    with trust.grant(names):
        return _run(rest)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else _USAGE
    verb = arguments[0].removeprefix("--") if arguments[0] == "--version" else arguments[0]
    if verb not in verbs():
        raise UsageError(f"no command {verb}", _verb_hint(verb))
    place = find_place()
    if place is not None:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # of lost connections fastrun tells
        from fastrun.run.launched import run_command

        return run_command(place, verb, arguments[1:], _run_verb)
    return _run_verb(verb, arguments[1:])


def _run_verb(verb: str, arguments: list[str]) -> int:
    return int(load_verb(verb).run(arguments))


def _verb_hint(verb: str) -> str:
    if verb in VERBS:
        return f"did you mean {VERBS[verb]}?"
    return nearest(verb, verbs()) or "`fastrun --help` lists them"


def _report(error: BaseException, is_debug: bool) -> int:
    """Print an error and return the exit code of the process.

    Args:
        error: the exception that is being handled.
        is_debug: whether to print its traceback as well.
    """
    if isinstance(error, BrokenPipeError):
        streams.drop_output()
        return _BROKEN_PIPE
    if isinstance(error, KeyboardInterrupt):
        streams.say_error("error: interrupted")
        return _INTERRUPTED
    if is_debug:
        streams.say_error(redaction.redact_message(traceback.format_exc()).rstrip())
    if isinstance(error, OSError) and streams.is_output_lost(error):
        streams.drop_output()
        error = StorageError(f"standard output cannot be written: {error.strerror}", "send it somewhere else: > file")
    if isinstance(error, FastrunError):
        streams.say_error(error.render())
        return error.exit_code
    first_line = "".join(str(error).strip().splitlines()[:1])
    streams.say_error(f"error: {type(error).__name__}: {redaction.redact_message(first_line)}")
    streams.say_error("hint: this is a bug in fastrun or in your own code; --debug shows the traceback")
    return _BUG


def usage() -> str:
    """Return the help: a line about fastrun, and each verb with the first line of its module's docstring."""
    description = (fastrun.__doc__ or "").strip().partition(" ")[2]
    lines = [f"fastrun {fastrun.__version__}: {description}", "", "usage: fastrun COMMAND …", ""]
    lines += [f"  {verb:<11} {summary(verb)}" for verb in verbs()]
    return "\n".join(lines) + f"\n{_EXAMPLES}"
