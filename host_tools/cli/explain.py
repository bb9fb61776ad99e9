# SPDX-License-Identifier: Apache-2.0
"""Explain a refusal: from its name, or from the messages themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from host_tools.cli.answer import Answer
from host_tools.cli.options import Json, check_vin
from host_tools.explain import decode
from host_tools.explain import explanation as explaining
from host_tools.explain.explanation import Explanation
from host_tools.explain.unseal import Reader
from host_tools.faults import Misuse
from host_tools.phone import keyfile

_SHORTEST = 8  # hex digits of a message: what is shorter is a number


def explain(
    what: Annotated[
        str, typer.Argument(metavar="FAULT|REQUEST", help="A fault's name or number, or a message in hex.")
    ],
    reply: Annotated[str | None, typer.Argument(metavar="[REPLY]", help="The car's reply to it, in hex.")] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The phone's key, to read what is encrypted.")
    ] = None,
    vin: Annotated[str | None, typer.Option("--vin", metavar="VIN", help="The car's VIN, with --key.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a car expected, what it got, and what to do: about a fault, or a request and its reply.

    Messages are RoutableMessages, ToVCSECMessages or FromVCSECMessages, with or without the 2-byte length before them.
    """
    with Answer(as_json) as answer:
        if (key is None) != (vin is None):
            raise Misuse("a key alone opens nothing", "give --key and --vin together")
        if vin is not None:
            check_vin(vin)
        given = [_message(text) for text in (what, reply) if text is not None]
        messages = [message for message in given if message is not None]
        if not messages:
            found = explaining.fault(what)
        elif len(messages) < len(given):
            odd = (what, reply)[given.index(None)]
            raise Misuse(f"{odd!r} is no message in hex", "give a request and its reply, or one fault")
        else:
            found = [_explained(messages, Reader(keyfile.load(key), vin, messages[-1]) if key and vin else None)]
        for explanation in found:
            answer.show(_table(explanation))
        for message in messages:
            answer.show(decode.summary(message), _fields(message))
        answer.done(
            did="explain",
            explanations=[explanation.told() for explanation in found],
            messages=[decode.told(message) for message in messages],
        )


def _explained(messages: list[decode.Decoded], reader: Reader | None) -> Explanation:
    explanation = explaining.message(*messages) if len(messages) == 1 else explaining.reply(*messages)
    request = messages[0]
    if reader is None or request.signature is None:
        return explanation
    command = reader.command(request)
    if command is None:
        explanation.notes.append("the command's tag does not fit this key and this VIN")
        return explanation
    words = decode.request_words(command)
    explanation.notes.append(f"the command's tag fits this key and this VIN; it asks for: {words}")
    if explanation.name == "INVALID_SIGNATURE":
        explanation.notes.append("so the car shares another secret with this key, or has another VIN: pair again")
    replied = reader.answer(request, messages[-1]) if len(messages) == 2 else None
    return explaining.inside(explanation, replied, request) if replied is not None else explanation


def _message(text: str) -> decode.Decoded | None:
    """A message in hex; None if that is not what it looks like."""
    digits = re.sub(r"^0x|[\s:]", "", text.strip().lower())
    if len(digits) < _SHORTEST or not re.fullmatch(r"[0-9a-f]+", digits):
        return None
    if len(digits) % 2:
        raise Misuse("a message in hex has two digits for each byte, and this has one too few", "was it cut off?")
    return decode.decode(bytes.fromhex(digits))


def _table(explanation: Explanation) -> Table:
    number = f" ({explanation.layer} {explanation.code})" if explanation.layer else ""
    table = Table(title=f"{explanation.name}{number}", title_justify="left", show_header=False, min_width=60)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "what happened": explanation.what,
        "the car expected": explanation.expected,
        "it got": explanation.got,
        "what to do": explanation.todo,
        **{f"note {number}": note for number, note in enumerate(explanation.notes, 1)},
    }
    for name, text in rows.items():
        if text:
            table.add_row(name, text)
    return table


def _fields(message: decode.Decoded) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in decode.fields(message):
        table.add_row(name, value)
    return table
