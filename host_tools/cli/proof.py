# SPDX-License-Identifier: Apache-2.0
"""`latchkey log --verify` and `--export`: a log that proves itself, at the car or years later out of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from host_tools.cli.answer import Answer
from host_tools.explain import logbook
from host_tools.faults import LatchkeyError, Misuse
from host_tools.phone import beside, chain, keyfile
from host_tools.phone.cache import SessionCache
from host_tools.phone.chain import Finding, Head
from host_tools.phone.heads import Heads
from host_tools.phone.view import View, entry_told

_LARGEST = 1 << 20  # bytes of an export: the whole ring has a quarter of that


class BrokenLog(LatchkeyError):
    """The log does not prove itself."""

    name = "LOG_BROKEN"


class BadExport(LatchkeyError):
    """That file is no export of a log."""

    name = "BAD_EXPORT"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not what `latchkey log --export` writes")


def at_the_car(answer: Answer, view: View, key: Path, verify: bool, export: Path | None) -> None:
    """Read the whole log, keep it in a file, and check it against where this phone saw it end."""
    signed = view.head() if export else None
    raws, head = view.raw_log()
    if view.session is None:
        raise Misuse("no car has answered")
    public = view.session.car_public
    if signed and export:
        if chain.oldest(signed.number) != chain.oldest(head.number):
            raise LatchkeyError("the log went on while it was read", "try again")
        head, raws = signed, [raw for raw in raws if chain.number(raw) <= signed.number]
        lines = [json.dumps(line) for line in _lines(view.vin, public, raws, head)]
        beside.replace(export, "\n".join(lines) + "\n")
        answer.say(f"{len(raws)} entries and the car's signature are in {export}.")
    if not verify:
        answer.done(vin=view.vin, count=len(raws), head=_head(head), file=str(export))
        return
    heads = Heads(key)
    seen = heads.seen(view.vin, public)
    found = chain.check(raws, head, seen)
    if not {chain.TRUNCATED, chain.FORKED} & {finding.name for finding in found}:
        heads.keep(view.vin, public, head)
    _judged(answer, view.vin, raws, head, seen, found, file=str(export) if export else None)


def from_a_file(answer: Answer, path: Path, key: Path | None) -> None:
    """The same of what was exported. With a key, the car has to be the one that this phone knows."""
    *lines, last = _read(path)
    try:
        vin, public, end = str(last["vin"]), bytes.fromhex(last["car"]), last["head"]
        head = Head(int(end["number"]), bytes.fromhex(end["chain"]), bytes.fromhex(end["signature"]))
        raws = [bytes.fromhex(line["raw"]) for line in lines]
    except (KeyError, TypeError, ValueError):
        raise BadExport(path) from None
    found = []
    if not chain.is_signed(public, vin, head):
        found.append(Finding(chain.HEAD, head.number, head.number, "the signature is not that of the car in the file"))
    seen = None
    if key is not None:
        known = SessionCache(key, answer.warn).load(vin)
        if known is not None and known.car_public != public.hex():
            found.append(Finding(chain.HEAD, head.number, head.number, "this phone knows another car of that VIN"))
        seen = Heads(key).seen(vin, public)
        if seen and seen.number > head.number:
            seen = None  # an export of before
    found += chain.check(raws, head, seen)
    for line, raw in zip(lines, raws, strict=True):
        if line != _line(raw):
            n = chain.number(raw)
            found.append(Finding(chain.ALTERED, n, n, f"what line {n} says is not what its bytes say"))
    _judged(answer, vin, raws, head, seen, found, car=keyfile.key_id(public), file=str(path))


def _judged(
    answer: Answer, vin: str, raws: list[bytes], head: Head, seen: Head | None, found: list[Finding], **more: Any
) -> None:
    told = {
        "vin": vin,
        "first": chain.number(raws[0]) if raws else None,
        "count": len(raws),
        "head": _head(head),
        "seen": _head(seen) if seen else None,
        "findings": [{"name": it.name, "first": it.first, "last": it.last, "text": it.text} for it in found],
        **more,
    }
    if found:
        answer.show(_table(found))
    wrong = [finding for finding in found if finding.name not in chain.NOTES]
    if wrong:
        broken = BrokenLog(f"the log of {vin} is not whole: {wrong[0].text}", "what its car wrote is not all there")
        broken.details = told
        raise broken
    since = f", and goes on from entry {seen.number}, where this phone saw it end" if seen and not found else ""
    whole = f"entries {told['first']} to {head.number} are one chain" if raws else "it is empty"
    answer.done(f"The log of {vin} is whole: {whole}, which the car says ends there{since}.", **told)


def _table(found: list[Finding]) -> Table:
    table = Table("entry", "", "what")
    for it in found:
        table.add_row(str(it.first) if it.first == it.last else f"{it.first}-{it.last}", it.name, it.text)
    return table


def _lines(vin: str, public: bytes, raws: list[bytes], head: Head) -> Iterator[dict[str, Any]]:
    for raw in raws:
        yield _line(raw)
    yield {"vin": vin, "car": public.hex(), "head": _head(head)}


def _line(raw: bytes) -> dict[str, Any]:
    """An entry in words, and its bytes, which the words can be checked with."""
    entry = chain.parse(raw)
    return {**(logbook.described(entry_told(entry.told)) if entry else {}), "raw": raw.hex()}


def _head(head: Head) -> dict[str, Any]:
    signature = {"signature": head.signature.hex()} if head.signature else {}
    return {"number": head.number, "chain": head.chain.hex(), **signature}


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        data = file.read(_LARGEST)
    try:
        lines = [json.loads(line) for line in data.decode().splitlines()]
    except (ValueError, RecursionError):
        raise BadExport(path) from None
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise BadExport(path)
    return lines
