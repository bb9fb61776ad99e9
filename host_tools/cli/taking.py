# SPDX-License-Identifier: Apache-2.0
"""What was shared: to see what has become of it, and to take it back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.table import Table

from host_tools.cli import allowance, dates
from host_tools.cli.phones import Looking, keyless_command, open_phone
from host_tools.cli.sharing import Page, known, owners_key
from host_tools.faults import LatchkeyError, Misuse
from host_tools.phone import grants
from host_tools.phone import link as links
from host_tools.phone.client import Phone
from host_tools.phone.given import Account, Given, GivenFile
from host_tools.phone.keyfile import Key
from host_tools.phone.owner import learn, revoke_unheard
from host_tools.phone.present import left_of

_REFUSED = LatchkeyError.exit_code


@keyless_command
def revoke(
    asked: Looking,
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NUMBER|LABEL]...", help="Which grants, as `latchkey shared` has them."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that this key has given so far.")] = False,
    page: Page = links.BASE,
) -> None:
    """Take back what was shared: at the car, or by whoever comes by it next.

    Where the car cannot be reached, this phone tells it after its next command, and so does any other that is given the
    link which is printed: `latchkey carry LINK`."""
    answer = asked.answer
    if everything == bool(which):
        raise Misuse("say what to take back", "either NUMBER or LABEL, or --all")
    key = owners_key(asked)
    file = GivenFile(key)
    vin, account = known(asked, key, file)
    numbers = [] if everything else _numbers(account, which or [])
    below = account.next if everything else 0
    account = file.revoke(vin, numbers, below)
    heard = _at_the_car(asked, vin, key, lambda phone: revoke_unheard(phone, file))
    carried = [] if heard else [it.url(page) for it in file.unheard(vin, account)]
    what = "all that this key has shared" if everything else _listed(numbers)
    if heard:
        answer.say(f"Car {vin} takes nobody by {what} any more, and keys that came by it are gone.")
    else:
        answer.say(f"Taken back: {what}. The car has not heard of it yet: this phone tells it after its next command,")
        answer.say("and so does any other that carries this (`latchkey carry LINK`). There is no secret in it.")
        for url in carried:
            answer.say(url)
    answer.done(did="revoke", vin=vin, numbers=numbers, all=everything, heard=heard, links=carried)


@keyless_command
def shared(asked: Looking) -> None:
    """Show what was shared with this key, and what has become of it.

    With --port or --ble the car is asked; else this is what it said last."""
    answer = asked.answer
    key = owners_key(asked)
    file = GivenFile(key)
    vin, account = known(asked, key, file)
    entries: dict[int, dict[str, Any]] = {}

    def ask(phone: Phone) -> None:
        nonlocal account
        account, there = learn(phone, file)
        entries.update(there)

    near = _at_the_car(asked, vin, key, ask)
    found = [_described(it, entries.get(it.number)) for it in account.given]
    table = Table("grant", "for", "allows", "and now", title=f"Shared of car {vin} with key {key.id}")
    for it in found:
        table.add_row(str(it["number"]), it["label"], it["understood"], it["now"])
    answer.show(table if found else "Nothing was shared with this key.")
    unheard = [it["number"] for it in found if it["state"] == "unheard"]
    if unheard:
        answer.say(f"The car has not heard yet that this was taken back: {_listed(unheard)}.")
    if not near:
        answer.say("The car was not asked: beside it, say --port P or --ble.")
    answer.done(did="shared", vin=vin, asked=near, count=len(found), grants=found, unheard=unheard)


def _at_the_car(asked: Looking, vin: str, key: Key, deed: Callable[[Phone], None]) -> bool:
    """Do that at the car, if it can be reached. Whether it could: not to is nothing out of the ordinary."""
    reach = asked.reach
    if not (reach.port or reach.ble):
        return False
    try:
        with open_phone(asked.answer, replace(reach, vin=vin), key) as phone:
            deed(phone)
    except LatchkeyError as error:
        if error.exit_code == _REFUSED:
            raise
        asked.answer.warn(f"warning: the car was not reached: {error.text}")
        return False
    return True


def _numbers(account: Account, which: list[str]) -> list[int]:
    """The grants that are meant: by a label all that have it."""
    numbers: set[int] = set()
    for text in which:
        if text.isdecimal() and len(text) < 10:
            found = [int(text)] if 0 < int(text) < account.next else []
        else:
            found = [it.number for it in account.given if (allowed := it.allowed()) and allowed.label == text]
        if not found:
            raise Misuse(f"this key has shared nothing as {text!r}", "see `latchkey shared`")
        numbers.update(found)
    return sorted(numbers)


def _described(given: Given, entry: dict[str, Any] | None) -> dict[str, Any]:
    """A grant, and what has become of it."""
    allowed = given.allowed()
    state, now = _state(given, allowed, entry)
    told = allowance.told(allowed) if allowed else {"label": ""}
    return {
        "number": given.number,
        "state": state,
        "now": now,
        "understood": allowance.in_words(allowed) if allowed else "not known here any more",
        "made": dates.utc(given.made) if given.made else None,
        **told,
        "key": given.key or told.get("key"),
    }


def _state(given: Given, allowed: grants.Allowed | None, entry: dict[str, Any] | None) -> tuple[str, str]:
    if given.revoked:
        return ("revoked", "taken back") if given.heard else ("unheard", "taken back; the car has not heard")
    if entry is not None:
        return "accepted", f"key {entry['key']}: {allowance.left_in_words(left_of(entry))}"
    if given.key:
        return "accepted", f"key {given.key}, when the car was asked"
    if given.spent:
        return "over", "used up, or removed"
    if allowed is not None and 0 < allowed.not_after <= dates.stamp():
        return "expired", "nobody took it in time"
    return "open", "nobody has taken it yet"


def _listed(numbers: Collection[int]) -> str:
    return f"grant{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
