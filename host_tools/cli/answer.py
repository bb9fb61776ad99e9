# SPDX-License-Identifier: Apache-2.0
"""How a command ends: for people or as one JSON object, with the documented exit code, and never with a traceback.

The exit code says what the car did. So once a command has done its work, nothing can make a failure of it any more: not
an output that nobody reads, nor a disk that is full, nor a Ctrl-C.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NoReturn, Self

import typer
from rich.console import RenderableType

from host_tools import words
from host_tools.faults import LatchkeyError, Misuse
from host_tools.words import Screen

INTERRUPTED, TERMINATED = 130, 143  # 128 and the signal's number, as shells have it
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEBUG = "LATCHKEY_DEBUG"


class Terminated(KeyboardInterrupt):
    """SIGTERM: whoever ends at Ctrl-C ends at this."""


class Ended(LatchkeyError):
    """Somebody ended the command before it was done."""

    name = "INTERRUPTED"
    exit_code = INTERRUPTED


class Unexpected(LatchkeyError):
    """A fault of ours."""

    name = "UNEXPECTED"


class Answer:
    """Wraps a command. What is raised inside becomes one line on stderr and an exit code.

    With `as_json`, stdout carries one JSON object and nothing else, on success and on failure.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._done = False  # what was asked for has been done
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        deaf()
        if error is None or isinstance(error, typer.Exit):
            return False
        if self._done:
            if isinstance(error, Exception):
                self.warn(f"warning: done, but afterwards: {as_error(error).line()}")
            return True
        raise typer.Exit(tell(error, self.as_json and not self._told)) from None

    def say(self, text: str) -> None:
        """Progress for people."""
        if not self.as_json:
            _say(words.lines(text))

    def line(self, text: str) -> bool:
        """One line of many. False when nobody reads them any more."""
        return _written(lambda: print(text, flush=True))

    def warn(self, text: str) -> None:
        """One line on stderr."""
        _warn(text)

    def show(self, *parts: RenderableType) -> None:
        """Tables for people."""
        if not self.as_json:
            for part in parts:
                _written(functools.partial(words.show, part))

    def done(self, text: str = "", **result: Any) -> None:
        """The command did it, and that is all."""
        self._done = True
        self.begun(text, **result)

    def begun(self, text: str = "", **result: Any) -> None:
        """What was asked for is there, and goes on until it is ended."""
        with _deaf_for_a_moment():
            self._told = True
            if self.as_json:
                _object({"ok": True, **result})
            elif text:
                _say(words.lines(text))

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """A sign of life on a terminal while something takes long."""
        if self.as_json or not sys.stderr.isatty():
            yield
            return
        with Screen(stderr=True).status(words.plain(text)):
            yield


def as_error(error: BaseException) -> LatchkeyError:
    """Anything that can end a command, as something that a person can be told in one line."""
    if isinstance(error, LatchkeyError):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        ended = Ended("ended before it was done", "it may have been done all the same: look with `latchkey status`")
        if isinstance(error, Terminated):
            ended.name, ended.exit_code = "TERMINATED", TERMINATED
        return ended
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        return Misuse(error.format_message(), f"see `{context.command_path} --help`" if context else "")
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return Misuse(f"{name}{error.strerror or error}")
    hint = f"this is a fault of ours: report it, with what {_DEBUG}=1 shows"
    return Unexpected(f"{type(error).__name__}: {error}", hint)


def tell(error: BaseException, as_json: bool) -> int:
    """Say how a command ended that was not done. Its exit code."""
    deaf()
    told = as_error(error)
    if as_json:
        words_of_it = {"name": told.name, "text": told.text, "hint": told.hint}
        _object({"ok": False, "error": words_of_it, **told.details})
    if isinstance(told, Unexpected) and os.environ.get(_DEBUG):
        _warn_lines("".join(traceback.format_exception(error)))
    if told.text.strip() and not isinstance(told, Ended):  # whoever pressed Ctrl-C knows
        _warn(told.line())
    return told.exit_code


def listen() -> None:
    """From here on SIGINT and SIGTERM are exceptions. What our parent has us ignore stays ignored."""

    def terminated(*_: object) -> NoReturn:
        raise Terminated

    for number, handler in zip(_SIGNALS, (signal.default_int_handler, terminated), strict=True):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def deaf() -> dict[int, Any]:
    """Hear no signals: this command is ending. Who listened before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Hear afterwards what was heard before."""
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if here:
                signal.signal(number, handler)


@contextlib.contextmanager
def _deaf_for_a_moment() -> Iterator[None]:
    """What is begun here is not interrupted."""
    before = deaf()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    _written(lambda: print(text, flush=True))


def _warn(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(words.plain(" ".join(text.split())), file=sys.stderr, flush=True)


def _warn_lines(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(words.lines(text), file=sys.stderr, flush=True)


def _object(value: dict[str, Any]) -> None:
    _say(json.dumps(value, indent=2 if sys.stdout.isatty() else None))


def _written(write: Callable[[], None]) -> bool:
    """Write to stdout. It may be nobody's any more, or full: then that is said once, and nothing else changes."""
    try:
        write()
        return True
    except (OSError, ValueError) as error:  # ValueError: closed
        unwritten(error)
        return False


def unwritten(error: OSError | ValueError) -> None:
    """Nothing can be written to stdout any more, so nothing else will try, the interpreter at its exit included."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        _warn(f"warning: what there is to say cannot be written: {error.strerror}")
