# SPDX-License-Identifier: Apache-2.0
"""The power fails at any flash operation of any change: the store is the old one or the new one (law 6).

Here a share of them, `make faults`: all.
"""

import asyncio

from cuts import CAR, DRIVER, PRIVATE, SETTINGS, Board, Settings, cut, neighbour, points, prepared, with_guests

from latchkey import provisioning
from latchkey.keys.record import IMPERMANENT
from latchkey.store import identity, logreader
from latchkey.wire.schema import LogKind
from logchain import broken
from ramflash import ROOT, QuickFlash, fresh, key, mount, public


def cut_everywhere(name, image, act, share=3):
    """A share of the operations, torn and just done: a boot finds old or new, and that can be changed again."""
    board = Board(image)
    old = board.seen()
    before = board.flash.operations
    asyncio.run(act(board))
    total = board.flash.operations - before
    new = Board(board.flash.image()).seen()
    assert new != old, "an act that changes nothing shows nothing"
    count = 0
    outcomes = set()
    for n in points(total, share):
        acknowledged, *images = cut(image, act, n)
        for how, left in zip(("torn", "done"), images):
            count += 1
            board = Board(left)
            seen = board.seen()
            where = "operation %d, %s" % (n, how)
            assert seen in (old, new), where
            assert seen == new or not acknowledged, "less than acknowledged: " + where
            outcomes.add(seen == new)
            if how == "done":
                continue  # what is done at n differs from torn at n + 1 by its first bytes only
            if not seen:
                asyncio.run(act(board))
                assert Board(board.flash.image()).seen() == new, "no second try after " + where
                continue
            asyncio.run(board.keys.apply(key(99, DRIVER)))
            later = Board(board.flash.image())
            assert later.keys.find(public(99)), "no change after " + where
            assert len(later.seen()[1]) == len(seen[1]) + 1, where
    assert outcomes == {True, False}, "cuts on both sides of the commit"
    assert cut(image, act, total + 1)[1] is None, "there are more operations"
    print("note: %s: %d power cuts of %d" % (name, count, 2 * total))


def test_provisioning_a_new_board():
    """Most of it makes 64 buckets, one like the other: between both ends, a share."""
    flash = fresh()
    act = lambda board: provisioning.provision(ROOT, SETTINGS, PRIVATE, CAR)  # noqa: E731
    cut_everywhere("provision", flash.image(), act, share=11)


def test_provisioning_over_a_car_with_keys():
    image = prepared(key(1), key(2, DRIVER), key(3, DRIVER))
    act = lambda board: provisioning.provision(ROOT, b'{"vin": "other"}', b"q" * 32, CAR)  # noqa: E731
    cut_everywhere("provision again", image, act)


def test_pairing():
    cut_everywhere("pair", prepared(), lambda board: board.keys.apply(key(1)))


def test_adding_a_key_to_a_car_with_keys():
    cut_everywhere("add", prepared(key(1), key(2)), lambda board: board.keys.apply(key(3, DRIVER)))


def test_updating_a_role():
    def act(board):
        record = board.keys.find(public(2))
        record.role = DRIVER
        return board.keys.apply(record)

    cut_everywhere("update", prepared(key(1), key(2), key(neighbour(2))), act)


def test_removing_a_key():
    image = prepared(key(1), key(2), key(neighbour(2)))
    cut_everywhere("remove", image, lambda board: board.keys.apply(None, [public(2)]))


def test_replacing_a_key_is_one_change():
    image = prepared(key(1), key(2), key(neighbour(2)))
    cut_everywhere("replace", image, lambda board: board.keys.apply(key(4), [public(2)]))


def test_dropping_impermanent_keys_is_one_change():
    cut_everywhere("drop impermanent", with_guests(), lambda board: board.keys.apply(None, (), True))


def test_an_impermanent_key_in_place_of_all_others_is_one_change():
    guest = lambda: key(9, DRIVER, flags=IMPERMANENT)  # noqa: E731
    cut_everywhere("add and drop impermanent", with_guests(), lambda board: board.keys.apply(guest(), (), True))


def load():
    settings, keys, _ = provisioning.load(ROOT, Settings)
    return (settings.text,) + (keys or (None, None))


def test_an_identity_for_settings_put_there_by_hand():
    flash = fresh()
    with open(ROOT + "/config.json", "wb") as f:
        f.write(SETTINGS)
    image = flash.image()
    count = 0
    for torn in (True, False):
        n = 0
        while True:
            n += 1
            flash = mount(QuickFlash(image))
            assert load() == (SETTINGS, None, None)
            flash.cut_after(n, torn)
            try:
                asyncio.run(identity.set_identity(ROOT, PRIVATE, CAR))
                acknowledged = True
            except OSError:
                acknowledged = False
            if not flash.dead:
                break
            count += 1
            mount(QuickFlash(flash.image()))
            found = load()
            assert found == (SETTINGS, PRIVATE, CAR) or (found == (SETTINGS, None, None) and not acknowledged)
    print("note: identity: %d power cuts" % count)


def test_the_access_log_loses_what_was_not_written_and_nothing_else():
    count = 0
    for before in (3, 62, 510):  # inside a segment, over its end, over the end of the ring
        flash = fresh()
        log = logreader.opened(ROOT, lambda: 7)

        async def fill(log=log, before=before):
            for i in range(before):
                log.append(LogKind.COMMAND, "ble/0", b"keyA", i, 0)
                if i % 8 == 7:
                    await log.flush()
            await log.flush()

        asyncio.run(fill())
        image = flash.image()
        old = list(logreader.entries(log, 0, 1000))
        for torn in (True, False):
            n = 0
            while True:
                n += 1
                flash = mount(QuickFlash(image))
                log = logreader.opened(ROOT, lambda: 8)
                for i in range(4):
                    log.append(LogKind.REFUSED, "ble/0", b"keyB", i, 5)
                flash.cut_after(n, torn)
                asyncio.run(log.flush())
                if not flash.dead:
                    break
                count += 1
                mount(QuickFlash(flash.image()))
                log = logreader.opened(ROOT, lambda: 9)
                found = list(logreader.entries(log, 0, 1000))
                kept = [entry for entry in found if entry["seq"] <= before]
                assert kept == old[-len(kept) :] and len(kept) >= len(old) - 64
                numbers = [entry["seq"] for entry in found]
                assert numbers == list(range(numbers[0], numbers[-1] + 1)), "no holes"
                assert before <= log.last == numbers[-1] <= before + 4
                log.append(LogKind.COMMAND, "ble/0", b"keyA", 1, 0)
                asyncio.run(log.flush())
                assert next(logreader.entries(logreader.opened(ROOT, lambda: 9), log.last - 1))["command"] == 1
                assert broken() == [], "its chain is whole, and without a gap"
                assert not [entry for entry in found if entry["kind"] == "gap"]
    print("note: access log: %d power cuts" % count)
