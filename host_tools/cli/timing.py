# SPDX-License-Identifier: Apache-2.0
"""What time the car goes by, and an owner who sets it."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from host_tools.cli import dates
from host_tools.cli.answer import Answer
from host_tools.cli.drive import Tap, ask_for_card, shared_bench
from host_tools.cli.phones import Asked, open_phone, phone_command
from host_tools.faults import Misuse, Refused
from host_tools.phone.owner import Owner
from host_tools.phone.pairing import TAP_WINDOW
from host_tools.serial.bench import Bench

_SLACK = 5.0


@phone_command
def tell(
    asked: Asked,
    set_it: Annotated[bool, typer.Option("--set", help="Tell the car what this computer's clock says.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="However far that is from the car's time; back, with a card tap.")
    ] = False,
    tap: Tap = False,
) -> None:
    """Show what time the car goes by, or as an owner set it."""
    answer = asked.answer
    if (anyway or tap) and not set_it:
        raise Misuse("there is nothing to do anyway", "say --set, too")
    clock = dates.now() if set_it else dates.stamp()
    with contextlib.ExitStack() as stack:
        bench, reach = shared_bench(stack, asked.reach, tap)
        phone = stack.enter_context(open_phone(answer, reach, asked.key))
        owner = Owner(phone)
        if set_it:
            if anyway:
                owner.timeout += TAP_WINDOW + _SLACK
            with answer.working("telling the time"):
                seconds, is_known = _set(answer, owner, clock, anyway, bench if tap else None)
        else:
            said = owner.about()
            seconds, is_known = said.time, said.time_known
        off = seconds - clock
        words = f"Car {phone.vin} goes by {dates.words(seconds)}"
        words += "." if is_known else " at least: nobody has told it the time since it started."
        if is_known and abs(off) > dates.DAY:
            words += f" This computer's clock says {dates.words(clock)}."
        answer.done(words, did="time", vin=phone.vin, time=dates.utc(seconds), known=is_known, ahead=off, set=set_it)


def _set(answer: Answer, owner: Owner, clock: int, anyway: bool, bench: Bench | None) -> tuple[int, bool]:
    """Set the car's time. What it is then, and whether it is known."""
    hint = "if this computer's clock is right: `latchkey time --set --anyway`"
    try:
        told = owner.tell_time(clock, anyway, lambda: ask_for_card(answer, bench))
    except Refused as refused:
        if refused.name != "UNDOCUMENTED_ERROR" or anyway:
            raise
        text = f"the car takes no step to {dates.words(clock)}, which is more than 400 days ahead of it"
        raise Refused("TIME_TOO_FAR", text, hint) from None
    if told.time > clock + dates.DAY:
        text = f"the car goes by {dates.words(told.time)}, and does not go back by itself"
        raise Refused("TIME_IS_LATER", text, f"{hint}, and tap the card")
    return told.time, told.known
