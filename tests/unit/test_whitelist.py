# SPDX-License-Identifier: Apache-2.0
"""Whitelist operations: who may change what, with the protocol's own code for every refusal."""

import codes as faults
from latchkey.faults import KeyRefused
from latchkey.keys import whitelist
from latchkey.keys.record import IMPERMANENT, key_id
from latchkey.wire.schema import Origin
from named import WHITELIST_OPERATION, encode
from support import CLIENT_PUBLIC, DRIVER, GUEST, OWNER, VEHICLE_PUBLIC, Keys, other_key, owner

ADD = "addKeyToWhitelistAndAddPermissions"


def message(fields):
    return memoryview(encode(WHITELIST_OPERATION, fields))


def operation(name, public=CLIENT_PUBLIC, role=OWNER, **more):
    fields = {"key": {"PublicKeyRaw": public}, "keyRole": role}
    fields.update(more)
    return message({name: fields, "metadataForKey": {"keyFormFactor": 7}})


def removal(public):
    name = "removePublicKeyFromWhitelist"
    return message({name: {"PublicKeyRaw": public}})


def code(plan, *arguments):
    try:
        plan(*arguments)
    except KeyRefused as refusal:
        return refusal.code
    raise AssertionError("allowed")


def test_a_key_may_ask_unsigned_to_be_added_with_a_card_tap():
    change = whitelist.plan_pairing(operation(ADD, label=b"Anna's phone"), Keys())
    record = change.record
    assert (record.public, record.role, record.form, record.origin) == (CLIENT_PUBLIC, OWNER, 7, Origin.CARD_TAP)
    assert record.label == "Anna's phone"
    assert change.needs_agreement


def test_nothing_but_adding_itself_may_be_asked_unsigned():
    keys = Keys(owner())
    plan = whitelist.plan_pairing
    assert code(plan, removal(CLIENT_PUBLIC), keys) == faults.KEY_NO_PERMISSION_TO_REMOVE
    assert code(plan, message({"removeAllImpermanentKeys": 1}), keys) == faults.KEY_NO_PERMISSION_TO_REMOVE
    update = operation("updateKeyAndPermissions")
    assert code(plan, update, keys) == faults.KEY_NO_PERMISSION_TO_CHANGE
    public = {"PublicKeyRaw": VEHICLE_PUBLIC}
    others = [operation(name, VEHICLE_PUBLIC) for name in ("addImpermanentKey", "addImpermanentKeyAndRemoveExisting")]
    others.append(message({"replaceKey": {"keyToAdd": public, "slotToReplace": 0, "keyRole": OWNER}}))
    others.append(message({"addPublicKeyToWhitelist": public}))
    for other in others:
        assert code(plan, other, keys) == faults.KEY_NO_PERMISSION_TO_ADD
    assert code(plan, message({}), keys) == faults.KEY_NO_PERMISSION_TO_ADD


def test_roles_that_cannot_be_enrolled_have_their_own_codes():
    for role in (0, 7, 9, 255, 0xFFFFFFFF):
        assert code(whitelist.plan_pairing, operation(ADD, role=role), Keys()) == faults.KEY_WITHOUT_ROLE
    assert code(whitelist.plan_pairing, operation(ADD, role=1), Keys()) == faults.KEY_WITH_SERVICE_ROLE
    actor = owner(other_key(1))
    wanted = faults.KEY_ADDS_SERVICE
    assert code(whitelist.plan, operation(ADD, role=1), actor, Keys(actor)) == wanted


def test_keys_that_are_no_points_of_the_curve_are_refused():
    for public in (b"", CLIENT_PUBLIC[:64], bytes(65), other_key(3), b"\x02" + CLIENT_PUBLIC[1:33]):
        assert code(whitelist.plan_pairing, operation(ADD, public), Keys()) == faults.KEY_INVALID_PUBLIC_KEY


def test_a_key_is_added_once():
    assert code(whitelist.plan_pairing, operation(ADD), Keys(owner())) == faults.KEY_ALREADY_ON_WHITELIST


def test_a_full_keychain_says_so():
    keys = Keys(*[owner(other_key(n)) for n in range(4)])
    keys.CAPACITY = 4
    assert code(whitelist.plan_pairing, operation(ADD), keys) == faults.KEY_WHITELIST_FULL


def test_the_last_slots_are_the_cards_so_that_a_full_keychain_without_an_owner_can_be_paired_with():
    actor = owner(other_key(1))
    keys = Keys(actor, *[owner(other_key(n), role=DRIVER) for n in range(2, 5)])
    keys.CAPACITY = 12  # eight of them the card's
    for name in (ADD, "addImpermanentKey"):
        assert code(whitelist.plan, operation(name), actor, keys) == faults.KEY_WHITELIST_FULL
    assert whitelist.plan_pairing(operation(ADD), keys).record
    keys.CAPACITY = 13
    assert whitelist.plan(operation(ADD), actor, keys).record


def test_a_label_that_is_not_text_is_refused():
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER)
    keys = Keys(actor, friend)
    for label in (b"\xff\xfe", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x1b[2J", b"two\nlines"):
        assert code(whitelist.plan_pairing, operation(ADD, label=label), Keys()) == faults.KEY_UNDOCUMENTED_ERROR
        assert code(whitelist.plan, operation(ADD, label=label), actor, keys) == faults.KEY_UNDOCUMENTED_ERROR
        update = operation("updateKeyAndPermissions", friend.public, GUEST, label=label)
        assert code(whitelist.plan, update, actor, keys) == faults.KEY_UNDOCUMENTED_ERROR


def test_a_label_that_is_too_long_is_cut_between_characters():
    for label, kept in (("x" * 30, "x" * 24), ("x" + "é" * 20, "x" + "é" * 11), ("🔑" * 7, "🔑" * 6)):
        assert whitelist.plan_pairing(operation(ADD, label=label.encode()), Keys()).record.label == kept


def test_only_owners_add_keys():
    for role in (1, DRIVER, 4, 5, 6, GUEST):
        actor = owner(other_key(1), role=role)
        assert code(whitelist.plan, operation(ADD), actor, Keys(actor)) == faults.KEY_NO_PERMISSION_TO_ADD
    actor = owner(other_key(1))
    change = whitelist.plan(operation(ADD, role=DRIVER), actor, Keys(actor))
    assert change.record.origin == Origin.OWNER_COMMAND
    assert change.record.signer == actor.id
    assert not change.record.flags & IMPERMANENT


def test_whoever_is_no_owner_changes_no_key_in_any_way():
    """With owners to spare, so that no other rule refuses it: nobody raises oneself, or makes room for a friend."""
    for role in (0, 1, DRIVER, 4, 5, 6, GUEST):
        actor = owner(other_key(1), role=role)
        friend = owner(other_key(4), role=DRIVER)
        passing = owner(other_key(5), role=DRIVER, flags=IMPERMANENT)
        keys = Keys(actor, owner(other_key(2)), owner(other_key(3)), friend, passing)
        for whose in (actor.public, other_key(2), friend.public):
            for name in ("updateKeyAndPermissions", "addPermissionsToPublicKey"):
                update = operation(name, whose, OWNER)
                assert code(whitelist.plan, update, actor, keys) == faults.KEY_NO_PERMISSION_TO_CHANGE, role
            assert code(whitelist.plan, replacement(whose), actor, keys) == faults.KEY_NO_PERMISSION_TO_ADD, role
            if role != 1:  # service removes some: see below
                assert code(whitelist.plan, removal(whose), actor, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE, role
        for name in (ADD, "addImpermanentKey", "addImpermanentKeyAndRemoveExisting"):
            assert code(whitelist.plan, operation(name), actor, keys) == faults.KEY_NO_PERMISSION_TO_ADD, role
        every = message({"removeAllImpermanentKeys": 1})
        assert code(whitelist.plan, every, actor, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE, role


def test_a_change_says_which_key_it_is_about_and_in_which_role():
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER)
    keys = Keys(actor, friend)
    added = whitelist.plan(operation(ADD, role=GUEST), actor, keys)
    assert (added.public, added.key_id, added.role) == (CLIENT_PUBLIC, key_id(CLIENT_PUBLIC), GUEST)
    removed = whitelist.plan(removal(friend.public), actor, keys)
    assert (removed.public, removed.key_id, removed.role) == (friend.public, friend.id, 0)
    assert not removed.needs_agreement
    many = whitelist.plan(message({"removeAllImpermanentKeys": 1}), actor, keys)
    assert (many.public, many.key_id, many.role) == (b"", None, 0)


def test_a_stale_key_has_its_slot_in_a_full_keychain():
    class WithStale(Keys):
        """One key was agreed with an identity that is lost: found as an old one only."""

        def find(self, public, old=False):
            return super().find(public) if old or public != CLIENT_PUBLIC else None

    keys = WithStale(owner(), owner(other_key(1)))
    keys.CAPACITY = 2
    assert whitelist.plan_pairing(operation(ADD), keys).record
    keys = WithStale(owner(other_key(2)), owner(other_key(1)))
    keys.CAPACITY = 2
    assert code(whitelist.plan_pairing, operation(ADD), keys) == faults.KEY_WHITELIST_FULL


def test_impermanent_keys_are_marked_and_may_replace_those_before():
    actor = owner(other_key(1))
    change = whitelist.plan(operation("addImpermanentKey", role=DRIVER), actor, Keys(actor))
    assert change.record.impermanent and not change.drop_impermanent
    change = whitelist.plan(operation("addImpermanentKeyAndRemoveExisting", role=DRIVER), actor, Keys(actor))
    assert change.record.impermanent and change.drop_impermanent
    name = "removeAllImpermanentKeys"
    assert whitelist.plan(message({name: 1}), actor, Keys(actor)).drop_impermanent
    assert code(whitelist.plan, message({name: 0}), actor, Keys(actor)) == faults.KEY_UNDOCUMENTED_ERROR


def test_an_owner_removes_another_and_nobody_removes_oneself():
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER)
    keys = Keys(actor, friend)
    assert whitelist.plan(removal(friend.public), actor, keys).remove == (friend.public,)
    assert code(whitelist.plan, removal(actor.public), actor, keys) == faults.KEY_REMOVES_ONESELF
    assert code(whitelist.plan, removal(other_key(9)), actor, keys) == faults.KEY_NOT_ON_WHITELIST
    assert code(whitelist.plan, removal(b"short"), actor, keys) == faults.KEY_NOT_ON_WHITELIST
    assert code(whitelist.plan, removal(actor.public), friend, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE


def test_service_removes_drivers_guests_and_fleet_managers_only():
    service = owner(other_key(1), role=1)
    for role, allowed in ((DRIVER, True), (GUEST, True), (4, True), (OWNER, False), (5, False), (6, False)):
        keys = Keys(service, owner(other_key(2), role=role), owner(other_key(3)))
        if allowed:
            assert whitelist.plan(removal(other_key(2)), service, keys).remove
        else:
            assert code(whitelist.plan, removal(other_key(2)), service, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE


def test_the_last_lasting_owner_cannot_be_removed_or_demoted():
    """An owner that is timed or impermanent may command, but the car must not be left with such keys alone."""
    last = owner(other_key(1))
    timed = owner(other_key(2), seconds=60, powered=60)
    passing = owner(other_key(3), flags=IMPERMANENT)
    keys = Keys(last, timed, passing)
    for actor in (timed, passing):
        assert code(whitelist.plan, removal(last.public), actor, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE
        demotion = operation("updateKeyAndPermissions", last.public, DRIVER)
        assert code(whitelist.plan, demotion, actor, keys) == faults.KEY_NO_PERMISSION_TO_CHANGE
        timing = operation("updateKeyAndPermissions", last.public, OWNER, secondsToBeActive=5)
        assert code(whitelist.plan, timing, actor, keys) == faults.KEY_NO_PERMISSION_TO_CHANGE
    keys.put(owner(other_key(4)))
    assert whitelist.plan(removal(last.public), timed, keys).remove == (last.public,)


def test_an_update_keeps_the_key_and_changes_its_role():
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER, label="Bo")
    keys = Keys(actor, friend)
    change = whitelist.plan(operation("updateKeyAndPermissions", friend.public, GUEST), actor, keys)
    assert (change.record.public, change.record.role, change.record.label) == (friend.public, GUEST, "Bo")
    assert change.record.shared == friend.shared and not change.needs_agreement
    assert change.record.origin == Origin.CARD_TAP, "it came by the card, and still did"
    demotion = operation("updateKeyAndPermissions", actor.public, DRIVER)
    assert code(whitelist.plan, demotion, actor, keys) == faults.KEY_REMOVES_OWN_PERMISSIONS
    unknown = operation("updateKeyAndPermissions", other_key(9), DRIVER)
    assert code(whitelist.plan, unknown, actor, keys) == faults.KEY_NOT_ON_WHITELIST
    by_driver = operation("updateKeyAndPermissions", actor.public, DRIVER)
    wanted = faults.KEY_NO_PERMISSION_TO_CHANGE
    assert code(whitelist.plan, by_driver, friend, keys) == wanted


def granted(**more):
    limits = dict({"role": GUEST, "commands": 2, "not_before": 3, "not_after": 4, "uses": 5, "number": 7}, **more)
    record = owner(other_key(2), seconds=60, powered=90, **limits)
    record.origin = Origin.GRANT
    return record


def limits_of(record):
    return record.commands, record.not_before, record.not_after, record.uses


def test_l13_a_key_that_came_by_a_grant_keeps_its_limits_whatever_it_is_called_and_may_be_but_an_owner():
    actor = owner(other_key(1))
    keys = Keys(actor, granted())
    update = "updateKeyAndPermissions"
    for role in (GUEST, DRIVER):
        record = whitelist.plan(operation(update, other_key(2), role, label=b"Bo"), actor, keys).record
        assert (record.origin, record.role, record.label) == (Origin.GRANT, role, "Bo")
        assert limits_of(record) == (2, 3, 4, 5) and record.number == 7
        assert (record.seconds, record.powered) == (60, 90), "they have begun"
    record = whitelist.plan(operation(update, other_key(2), GUEST, secondsToBeActive=30), actor, keys).record
    assert (record.seconds, record.powered) == (30, 0), "and begin anew where an owner says so"
    record = whitelist.plan(operation(update, other_key(2), OWNER), actor, keys).record
    assert (record.origin, limits_of(record)) == (Origin.OWNER_COMMAND, (0, 0, 0, 0))
    assert (record.seconds, record.powered) == (0, 0)


def test_a_key_that_came_by_a_grant_is_enrolled_by_the_card_and_by_an_owner_as_one_that_is_new():
    actor, guest = owner(other_key(1)), granted()
    guest.public = CLIENT_PUBLIC
    keys = Keys(actor, guest)
    for change in (whitelist.plan_pairing(operation(ADD), keys), whitelist.plan(operation(ADD), actor, keys)):
        assert change.needs_agreement and limits_of(change.record) == (0, 0, 0, 0) and not change.record.powered


def test_who_becomes_an_owner_begins_anew_with_its_grants_and_nobody_else_does():
    """What it granted as an owner before would work again with the same number."""
    actor = owner(other_key(1), number=5)
    for record, role, kept in (
        (granted(), OWNER, False),
        (owner(other_key(2), role=DRIVER, number=7), OWNER, False),
        (owner(other_key(2), number=7), OWNER, True),
        (owner(other_key(2), number=7), DRIVER, True),
        (owner(other_key(2), role=DRIVER, number=7), GUEST, True),
    ):
        change = whitelist.plan(operation("updateKeyAndPermissions", record.public, role), actor, Keys(actor, record))
        assert (change.record.number == 7) is kept, (record.role, role)


def replacement(old, role=OWNER, **more):
    fields = {"keyToAdd": {"PublicKeyRaw": CLIENT_PUBLIC}, "keyRole": role}
    if isinstance(old, int):
        fields["slotToReplace"] = old
    else:
        fields["publicKeyToReplace"] = {"PublicKeyRaw": old}
    fields.update(more)
    return message({"replaceKey": fields})


def test_a_key_is_replaced_by_public_key_or_slot_in_one_change():
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER)
    keys = Keys(actor, friend)
    for old in (friend.public, friend.slot):
        change = whitelist.plan(replacement(old, DRIVER), actor, keys)
        assert change.remove == (friend.public,)
        assert change.record.public == CLIENT_PUBLIC
    assert code(whitelist.plan, replacement(7), actor, keys) == faults.KEY_NOT_ON_WHITELIST


def test_a_full_keychain_still_replaces():
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER)
    keys = Keys(actor, friend)
    keys.CAPACITY = 2
    assert whitelist.plan(replacement(friend.public), actor, keys).record


def changes(victim):
    """Every kind of operation that takes an owner key away or makes less of it: its name, and the refusal."""
    gone, less = faults.KEY_NO_PERMISSION_TO_REMOVE, faults.KEY_NO_PERMISSION_TO_CHANGE
    for role in (OWNER, DRIVER, GUEST):
        for impermanent in (0, 1):
            for old in (victim.public, victim.slot):
                yield replacement(old, role, impermanent=impermanent), gone
    yield removal(victim.public), gone
    for name in ("updateKeyAndPermissions", "addPermissionsToPublicKey"):
        yield operation(name, victim.public, DRIVER), less
        yield operation(name, victim.public, OWNER, secondsToBeActive=5), less


def test_one_rule_keeps_the_last_owner_that_a_card_enrolled_whatever_the_operation_and_whoever_asks():
    last = owner(other_key(1))
    commanded = owner(other_key(2))
    commanded.origin = Origin.OWNER_COMMAND
    passing = owner(other_key(3), flags=IMPERMANENT)
    timed = owner(other_key(4), seconds=60, powered=60)
    keys = Keys(last, commanded, passing, timed)
    spare = owner(other_key(5))
    for actor in (last, commanded, passing, timed):
        for asked, refusal in changes(last):
            refused = code(whitelist.plan, asked, actor, keys)
            oneself = (faults.KEY_REMOVES_ONESELF, faults.KEY_REMOVES_OWN_PERMISSIONS)
            assert refused == refusal or (actor is last and refused in oneself)
        for name in ("addImpermanentKey", "addImpermanentKeyAndRemoveExisting"):
            assert whitelist.plan(operation(name, role=DRIVER), actor, keys), "no owner that lasts goes with these"
    assert whitelist.plan(removal(commanded.public), last, keys), "an owner that no card enrolled may go"
    keys.put(spare)  # with another card tap there is room for all of them
    for actor in (commanded, passing, timed):
        for asked, _ in changes(last):
            assert whitelist.plan(asked, actor, keys)


def test_where_no_owner_is_left_that_a_card_enrolled_the_last_one_stays_all_the_same():
    only = owner(other_key(1))
    only.origin = Origin.OWNER_COMMAND
    passing = owner(other_key(3), flags=IMPERMANENT)
    keys = Keys(only, passing)
    for asked, refusal in changes(only):
        assert code(whitelist.plan, asked, passing, keys) == refusal
    other = owner(other_key(2))
    other.origin = Origin.OWNER_COMMAND
    keys.put(other)
    for asked, _ in changes(only):
        assert whitelist.plan(asked, passing, keys)


def test_an_only_owner_is_not_replaced_by_a_key_that_nobody_may_hold():
    actor = owner(other_key(1))
    for origin in (Origin.CARD_TAP, Origin.OWNER_COMMAND):
        actor.origin = origin
        for old in (actor.public, 0):
            assert code(whitelist.plan, replacement(old), actor, Keys(actor)) == faults.KEY_NO_PERMISSION_TO_REMOVE


def test_a_tap_for_a_driver_is_not_one_for_an_owner():
    """Who holds an owner's phone could raise a key and remove all owners that a card enrolled."""
    actor, friend = owner(other_key(1)), owner(other_key(2), role=DRIVER)
    timed = owner(other_key(3), seconds=60, powered=60)
    keys = Keys(actor, friend, timed)
    for raised in (friend, timed):
        change = whitelist.plan(operation("updateKeyAndPermissions", raised.public, OWNER), actor, keys)
        assert change.record.lasting_owner and change.record.origin == Origin.OWNER_COMMAND
    same = whitelist.plan(operation("updateKeyAndPermissions", actor.public, OWNER), actor, keys)
    assert same.record.origin == Origin.CARD_TAP


def test_operations_of_the_past_and_unknown_ones_are_refused_with_a_code():
    actor = owner(other_key(1))
    keys = Keys(actor)
    legacy = message({"addPublicKeyToWhitelist": {"PublicKeyRaw": CLIENT_PUBLIC}})
    assert code(whitelist.plan, legacy, actor, keys) == faults.KEY_WITHOUT_ROLE
    for fields in ({"removePermissionsFromPublicKey": {}}, {}):
        assert code(whitelist.plan, message(fields), actor, keys) == faults.KEY_UNDOCUMENTED_ERROR
