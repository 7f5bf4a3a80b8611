"""The command line: finds the verb, shows errors, returns the exit code. Imports nothing heavy."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import fastrun
from fastrun import redaction
from fastrun.cli.commands import verbs
from fastrun.config import trust
from fastrun.errors import FastrunError, UsageError, nearest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        sys.argv[1:] = map(redaction.redact_override, given)  # which trackers write down
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    if os.getcwd() not in sys.path:  # noqa: PTH109 (sys.path takes strings)
        sys.path.append(os.getcwd())  # noqa: PTH109 (console scripts lack it; a user's own modules lie there)
    try:
        given, names = trust.split_trust(given)
        redaction.learn_overrides(given)
        with trust.grant(names):
            return _dispatch(given)
    except FastrunError as error:
        if debug:
            traceback.print_exc()
        print(error.show(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Exception as error:  # a bug: say so in the form of all errors, the traceback on request
        if debug:
            traceback.print_exc()
        reason = str(error).strip().splitlines()[:1]
        print(f"error: {type(error).__name__}: {redaction.clean(''.join(reason))}", file=sys.stderr)
        print("hint: this is a bug in fastrun or in code of yours; --debug shows the traceback", file=sys.stderr)
        return 1


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if given else 2
    verb, rest = given[0], given[1:]
    if verb == "--version":
        verb = "version"
    if verb not in verbs():
        raise UsageError(f"no command {verb}", nearest(verb, verbs()) or "`fastrun --help` lists them")
    code = importlib.import_module(f"fastrun.cli.commands.{_module(verb)}").run(rest)
    return int(code)


def _module(verb: str) -> str:
    return f"{verb}_" if verb == "eval" else verb


def usage() -> str:
    """Return the help: what fastrun is, and each verb with the first line of its module."""
    lines = [
        f"fastrun {fastrun.__version__}: {(fastrun.__doc__ or '').strip().partition(' ')[2]}",
        "",
        "usage: fastrun COMMAND …",
        "",
    ]
    for verb in verbs():
        doc = importlib.import_module(f"fastrun.cli.commands.{_module(verb)}").__doc__ or ""
        lines.append(f"  {verb:<11} {doc.strip().splitlines()[0]}")
    lines += [
        "",
        "  fastrun train +recipe=resnet_amp                                     train now, nothing downloaded",
        "  fastrun train +recipe=resnet_amp optimizer=adamw epochs=3            change heuristics and values",
        "  fastrun train +recipe=resnet_amp -m optimizer=sgd,adamw clip=none,norm   a run for each",
        "",
        "--debug shows the traceback of an error. `fastrun COMMAND --help` says more.",
    ]
    return "\n".join(lines)
