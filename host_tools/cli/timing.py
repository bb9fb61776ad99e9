# SPDX-License-Identifier: Apache-2.0
"""What time the car goes by, and an owner who sets it."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from host_tools.cli import dates
from host_tools.cli.drive import Tap, ask_for_card, shared_bench
from host_tools.cli.phones import Asked, open_phone, phone_command
from host_tools.faults import Misuse
from host_tools.phone.owner import Owner
from host_tools.phone.pairing import TAP_WINDOW

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
                told = owner.tell_time(clock, anyway, lambda: ask_for_card(answer, bench if tap else None))
            seconds, is_known = told.time, told.known
        else:
            said = owner.about()
            seconds, is_known = said.time, said.time_known
        off = seconds - clock
        words = f"Car {phone.vin} goes by {dates.words(seconds)}"
        words += "." if is_known else " at least: nobody has told it the time since it started."
        if is_known and abs(off) > dates.DAY:
            words += f" This computer's clock says {dates.words(clock)}."
        answer.done(words, did="time", vin=phone.vin, time=dates.utc(seconds), known=is_known, ahead=off, set=set_it)
