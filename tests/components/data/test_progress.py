from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from fastrun.components.data import progress as module
from fastrun.components.data.progress import ProgressLog, find_terminal, show_progress


class Handler(logging.Handler):
    """As a run has one: with the console that it prints on."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(record.getMessage())


@pytest.fixture
def run(monkeypatch):
    """Let a run be in progress, on a console."""

    def begin(**arguments: bool) -> io.StringIO:
        text = io.StringIO()
        monkeypatch.setattr(module.log, "handlers", [Handler(Console(file=text, width=80, **arguments))])
        return text

    return begin


def test_in_a_terminal_there_is_a_bar_that_goes_away(run):
    text = run(force_terminal=True)
    with show_progress("decoding images", 40) as advance:
        advance(10)
        advance(20)
    assert "decoding images" in text.getvalue()
    assert "30/40" in text.getvalue()


@pytest.mark.parametrize("arguments", [{"force_terminal": False}, {"force_terminal": True, "quiet": True}])
def test_elsewhere_and_where_nothing_is_to_be_printed_there_is_none(run, arguments):
    text = run(**arguments)
    with show_progress("decoding images", 40) as advance:
        advance(40)
    assert text.getvalue() == ""


def test_without_a_run_it_is_stderr_if_that_is_a_terminal(monkeypatch):
    monkeypatch.setattr(module.log, "handlers", [logging.NullHandler()])
    assert find_terminal() is None
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert find_terminal().stderr


def test_a_line_comes_now_and_then_but_not_at_the_end(logged, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    lines = ProgressLog("decoding images", 5000)
    for at in (10, 20, 31, 40, 62, 99):
        now[0] = at
        lines(1000 if at < 99 else 0)
    assert logged() == ["decoding images: 3,000 of 5,000"]
