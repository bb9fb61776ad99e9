# SPDX-License-Identifier: Apache-2.0
"""How a command ends: for people or as one JSON object, with the documented exit code, and never with a traceback."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import typer
from rich.console import Console, RenderableType

from host_tools.faults import LatchkeyError, Misuse

INTERRUPTED = 130


class Report:
    """Wraps a command. What is raised inside becomes one line on stderr and an exit code.

    With `as_json`, stdout carries one JSON object and nothing else, on success and on failure.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
        if isinstance(error, OSError) and not isinstance(error, LatchkeyError):
            name = f"{error.filename}: " if error.filename else ""
            error = Misuse(f"{name}{error.strerror or error}")
        if isinstance(error, LatchkeyError):
            if self.as_json:
                told = {"name": error.name, "text": error.text, "hint": error.hint}
                self._object({"ok": False, "error": told, **error.details})
            self.warn(error.line())
            raise typer.Exit(error.exit_code) from None

    def say(self, text: str) -> None:
        """Progress for people."""
        if not self.as_json:
            typer.echo(text)

    def warn(self, text: str) -> None:
        """One line on stderr."""
        typer.echo(" ".join(text.split()), err=True)

    def show(self, *parts: RenderableType) -> None:
        """Tables for people."""
        if not self.as_json:
            console = Console(file=sys.stdout, highlight=False)
            for part in parts:
                console.print(part)

    def done(self, text: str = "", **result: Any) -> None:
        """The command did it."""
        if self.as_json:
            self._object({"ok": True, **result})
        elif text:
            typer.echo(text)

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """A sign of life on a terminal while something takes long."""
        if self.as_json or not sys.stderr.isatty():
            yield
            return
        with Console(stderr=True).status(text):
            yield

    def _object(self, value: dict[str, Any]) -> None:
        if self._told:
            return  # it is about what ran until Ctrl-C, and ended otherwise: stderr and the exit code say so
        self._told = True
        typer.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None))
