"""What a job does at its end in Python's stead: the same with the private calls of Python and without them."""

import atexit
import subprocess
import sys
import threading
import weakref

import pytest

from fastrun.system.python_internals import skip_finalizers_at_exit

END = """
import atexit, os, sys, threading, time
from fastrun.system.python_internals import run_exit_functions

def work():
    time.sleep(0.1)
    print("thread", flush=True)

atexit.register(print, "exit function", flush=True)
threading.Thread(target=work).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
for owner, name in ((atexit, "_run_exitfuncs"), (threading, "_shutdown")):
    if name in sys.argv:
        delattr(owner, name)
run_exit_functions()
os._exit(0)
"""
FINALIZE = """
import sys, weakref
from fastrun.system.python_internals import skip_finalizers_at_exit

class Kept:
    pass

early, late = Kept(), Kept()
weakref.finalize(early, print, "early")
if "_registry" in sys.argv:
    registry = weakref.finalize._registry
    del weakref.finalize._registry
skip_finalizers_at_exit()
if "_registry" in sys.argv:
    weakref.finalize._registry = registry
weakref.finalize(late, print, "late")
"""


def output(program: str, *gone: str) -> list[str]:
    command = [sys.executable, "-c", program, *gone]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()


def test_python_still_has_the_names():
    assert callable(atexit._run_exitfuncs)
    assert callable(threading._shutdown)
    assert isinstance(weakref.finalize._registry, dict)
    assert hasattr(weakref.finalize(threading.Thread(), print), "atexit")


@pytest.mark.parametrize(
    ("gone", "lines"),
    [
        ([], ["thread", "exit function"]),
        (["_shutdown"], ["thread", "exit function"]),
        (["_run_exitfuncs"], ["thread"]),
    ],
)
def test_threads_end_then_exit_functions_run_in_the_order_of_python(gone, lines):
    assert output(END, *gone) == lines


def test_a_program_that_ends_by_itself_has_that_order():
    assert output(END.replace("run_exit_functions()\nos._exit(0)\n", "")) == ["thread", "exit function"]


def test_only_finalizers_that_are_there_do_not_run_at_exit():
    assert output(FINALIZE) == ["late"]


def test_without_the_list_of_finalizers_all_run_at_exit():
    assert output(FINALIZE, "_registry") == ["late", "early"]


def test_no_list_of_finalizers_is_no_error(monkeypatch):
    monkeypatch.delattr(weakref.finalize, "_registry")
    skip_finalizers_at_exit()
