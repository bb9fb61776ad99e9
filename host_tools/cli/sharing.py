# SPDX-License-Identifier: Apache-2.0
"""Giving somebody a key with a link, passing less of it on, and taking it up at the car."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from host_tools.cli import allowance, dates
from host_tools.cli.allowance import Wish
from host_tools.cli.answer import Answer
from host_tools.cli.options import check_vin
from host_tools.cli.phones import Looking, keyless_command, open_phone
from host_tools.faults import Misuse
from host_tools.phone import grants, keyfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import link as links
from host_tools.phone.given import Account, GivenFile
from host_tools.phone.grants import Allowed
from host_tools.phone.keyfile import Key
from host_tools.phone.link import Link
from host_tools.phone.owner import learn
from host_tools.phone.present import left, present

_GUEST_FILE = Path("guest.pem")
_MOST = 0x7FFFFFFF  # uses: small enough for any board

Page = Annotated[str, typer.Option("--page", metavar="URL", help="A web page that opens links, to put this one below.")]
LinkText = Annotated[str, typer.Argument(metavar="LINK", help="The link, or - to read it from standard input.")]


@keyless_command
def share(
    asked: Looking,
    role: Annotated[
        Literal["driver", "guest", "charging", "fm", "monitor"] | None,
        typer.Option("--role", help="What the key may do; guest, unless told otherwise."),
    ] = None,
    uses: Annotated[
        int | None, typer.Option("--uses", metavar="N", min=1, max=_MOST, help="So many starts, and no more.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="`sunday`, `tomorrow 18:00`, `3 days`, ISO 8601.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Not before then.")] = None,
    hours: Annotated[
        float | None,
        typer.Option("--hours", metavar="N", min=0.01, max=1e6, help="So many hours with the car's power on."),
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="COMMANDS", help="Of what the role may, only these: unlock,lock.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--for", metavar="FILE", help="For that key (PEM) alone, and not for who is first.")
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="A name for it, at most 24 bytes.")] = "",
    link: Annotated[
        str | None, typer.Option("--link", metavar="LINK", help="Pass on less of what this link gives. Takes no key.")
    ] = None,
    page: Page = links.BASE,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Write a QR code into this file, too.")
    ] = None,
) -> None:
    """Give somebody a key for a while: prints a link. Nobody has to be online, nor near the car.

    The first time this phone has to ask the car something, if it did not when it was paired."""
    answer = asked.answer
    page = _checked(page)
    wish = Wish(role, uses, since, until, hours, only, to, label)
    if link is not None:
        made = _narrowed(link, wish)
        tell(answer, made, page, png, "the same grant as the link that it was made from: one of the two can be used")
        return
    key = owners_key(asked)
    file = GivenFile(key)
    vin, account = known(asked, key, file)
    clock = dates.now(account.time) if wish.dated else 0
    limits = wish.limits(clock)
    allowance.check(limits)
    tell(answer, file.give(vin, limits, clock or dates.stamp()), page, png)


def owners_key(asked: Looking) -> Key:
    """The key that vouches for what is shared."""
    if asked.key is None:
        raise Misuse("whose key vouches for it is not said", "give an owner's: --key FILE")
    key = keyfile.load(asked.key)
    if key.warning:
        asked.answer.warn(f"warning: {key.warning}")
    return key


def known(asked: Looking, key: Key, file: GivenFile) -> tuple[str, Account]:
    """The car that is meant, and what it said of this key: from the file, or else from the car itself."""
    cars, reach = file.cars(), asked.reach
    if reach.vin is None and len(cars) > 1:
        raise Misuse(f"this key has shared {len(cars)} cars: which one is meant?", "say --vin VIN")
    vin = reach.vin or next(iter(cars), None)
    if vin in cars:
        return str(vin), cars[str(vin)]
    if not (reach.port or reach.ble):
        raise Misuse(
            "this phone has to ask the car once how its key makes grants, and cannot reach one",
            "near the car, say --port P or --ble; from then on nobody is needed",
        )
    with open_phone(asked.answer, reach, key) as phone:
        return phone.vin, learn(phone, file)[0]


def tell(answer: Answer, made: Link, page: str, png: Path | None, note: str = "") -> None:
    """Print a link, what was understood, and what has to be known about it."""
    if not isinstance(made.message, ours.Grant):
        raise Misuse("that link takes grants back, and gives none", "give one from `latchkey share`")
    url = made.url(page)
    allowed = grants.allowed(made.message)
    if png is not None:
        from host_tools.cli import qr  # slow to import, and seldom wanted

        qr.save(url, png)
    notes = [*_notes(allowed), *([note] if note else [])]
    name = f" for {allowed.label}" if allowed.label else ""
    answer.say(f"Grant {made.message.number}{name}, of car {made.vin}: {allowance.in_words(allowed)}.")
    for it in notes:
        answer.say(f"  ({it})")
    answer.say(url)
    if not answer.as_json and sys.stdout.isatty():
        from host_tools.cli import qr

        code = qr.drawn(url)
        if shutil.get_terminal_size().columns > len(code.plain.partition("\n")[0]):
            answer.show(code)
    answer.done(
        did="share",
        vin=made.vin,
        number=made.message.number,
        link=url,
        understood=allowance.in_words(allowed),
        notes=notes,
        file=str(png) if png else None,
        **allowance.told(allowed),
    )


@keyless_command
def accept(asked: Looking, link: LinkText) -> None:
    """Take what a link gives: makes a key, and has the car enrol it.

    Without --key the key is in guest.pem. To do it again changes nothing."""
    answer = asked.answer
    given = read(link)
    if not isinstance(given.message, ours.Grant):
        raise Misuse("that link takes grants back, and gives none", "bring it to the car: `latchkey carry LINK`")
    check_vin(given.vin)
    if asked.reach.vin not in (None, given.vin):
        raise Misuse(f"that link is for car {given.vin}, not {asked.reach.vin}", "leave --vin out")
    path = asked.key or _GUEST_FILE
    allowed = grants.allowed(given.message)
    if allowed.key and not path.exists():
        raise Misuse(f"that link is for the key {keyfile.key_id(allowed.key)}", "accept it with that key: --key FILE")
    key = keyfile.load_or_create(path)
    if key.created:
        answer.say(f"Made the key {key.id} in {path}.")
    with open_phone(answer, replace(asked.reach, vin=given.vin), key) as phone:
        present(phone, given)
        now = left(phone, allowed)
        words = allowance.left_in_words(now)
        answer.done(
            f"Key {key.id} is enrolled in car {phone.vin}: {words}.\nUnlock it with `latchkey unlock --key {path}`.",
            did="accept",
            vin=phone.vin,
            file=str(path),
            created=key.created,
            public=key.public.hex(),
            understood=words,
            used=now.used,
            **allowance.told(now.allowed),
        )


def read(text: str) -> Link:
    """The link that was given, or that is on standard input. Raises BadLink."""
    return links.read(sys.stdin.read(links.LONGEST + 1) if text == "-" else text)


def _narrowed(text: str, wish: Wish) -> Link:
    given = read(text)
    if not isinstance(given.message, ours.Grant):
        raise Misuse("that link takes grants back, and gives none", "give one from `latchkey share`")
    had = grants.allowed(given.message)
    limits = wish.limits(dates.now() if wish.dated or had.not_after else 0, had)
    if not grants.encoded(limits):
        raise Misuse("nothing is said that the new link should have less of", "say --uses, --until, --only, …")
    allowance.check_less(limits, had)
    made = grants.narrow(given.message, limits)
    allowance.check(limits, grants.allowed(made))
    return replace(given, message=made)


def _notes(allowed: Allowed) -> list[str]:
    """What who gives this should know."""
    notes = []
    if not allowed.key:
        notes.append("whoever opens this link first, beside the car, has it: send it to one person")
    if allowed.role != "driver" and (allowed.not_after or allowed.not_before):
        notes.append("a car that does not know the time goes by uses and hours: by dates alone it lets no guest in")
    return notes


def _checked(page: str) -> str:
    """What a link may begin with."""
    if "#" in page or (page != links.BASE and not re.fullmatch(r"https?://[!-~]+", page)):
        raise Misuse(f"{page!r} is no page's address", "it begins with https:// and has no #")
    return page
