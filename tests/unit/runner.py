# SPDX-License-Identifier: Apache-2.0
"""Runs the test functions of one file under MicroPython and says what became of each.

It prints JSON lines, each after a record separator, so that whatever a test prints stays apart from them:
{"start": name}, {"end": name, "error": traceback or null, "skip": reason or null}, {"done": true}; or
{"import": traceback} when the file cannot be imported, {"skip": reason} when it makes no sense here.
"""

import asyncio
import gc
import io
import json
import sys

on_board = sys.path[0].startswith("/remote")  # where mpremote mounts


class Skip(Exception):
    """Raise it where a test, or its whole file, makes no sense on this target; its text is the reason."""


def skip_on_board(why):
    """Skip the test that calls it, or its whole file, on a board, which lacks what it needs."""
    if on_board:
        raise Skip(why)


def needs_memory():
    """Call it in a test that keeps more at once than a board's heap takes."""
    skip_on_board("it keeps more at once than a board's heap takes")


def _say(message):
    sys.stdout.write("\x1e" + json.dumps(message) + "\n")


def _traceback(error):
    text = io.StringIO()
    sys.print_exception(error, text)
    return text.getvalue()


def _call(function):
    result = function()
    if hasattr(result, "throw"):  # a coroutine
        try:
            asyncio.run(result)
        finally:
            asyncio.new_event_loop()  # no task outlives its test


def run(module, names):
    try:
        module = __import__(module)
    except Skip as reason:
        _say({"skip": str(reason)})
        return
    except BaseException as error:  # noqa: BLE001 - whatever ends the import is what to report
        _say({"import": _traceback(error)})
        return
    for name in names:
        _say({"start": name})
        error = skip = None
        gc.collect()  # a board's heap is small, and what the test before left lies all over it
        try:
            _call(getattr(module, name))
        except Skip as reason:
            skip = str(reason)
        except KeyboardInterrupt:  # whoever ran this has given up
            raise
        except BaseException as caught:  # noqa: BLE001 - a test may raise anything, and the next one still runs
            error = _traceback(caught)
        _say({"end": name, "error": error, "skip": skip})
        if on_board and error and "MemoryError" in error:
            break  # what comes next begins on a heap that is not in pieces
    _say({"done": True})
