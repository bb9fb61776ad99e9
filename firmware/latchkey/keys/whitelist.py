# SPDX-License-Identifier: Apache-2.0
"""Whitelist operations (vcsec.proto, WhitelistOperation): what one would change, or why it may not.

`plan` decides and touches nothing; `enrolment` carries the Change out. Every refusal has the protocol's own code.
"""

from micropython import const

from latchkey.crypto import publickey
from latchkey.faults import KeyRefused
from latchkey.keys import labels, policy, refusals
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import CARD_TAP, IMPERMANENT, OWNER_COMMAND, Record, clean_label, key_id
from latchkey.wire.keymessages import WHITELIST_OPERATION
from latchkey.wire.pb import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.wire.pb import Fields

_NO_KEY = bytes(16)  # stands for K until the change is carried out
_ONE_OF = const(0)  # wire/pb.py
# WhitelistOperation
_ADD_PUBLIC_KEY_TO_WHITELIST = const(1)
_REMOVE_PUBLIC_KEY_FROM_WHITELIST = const(2)
_ADD_PERMISSIONS_TO_PUBLIC_KEY = const(3)
_REMOVE_PERMISSIONS_FROM_PUBLIC_KEY = const(4)
_ADD_KEY_TO_WHITELIST_AND_ADD_PERMISSIONS = const(5)
_METADATA_FOR_KEY = const(6)
_UPDATE_KEY_AND_PERMISSIONS = const(7)
_ADD_IMPERMANENT_KEY = const(8)
_ADD_IMPERMANENT_KEY_AND_REMOVE_EXISTING = const(9)
_REMOVE_ALL_IMPERMANENT_KEYS = const(16)
_REPLACE_KEY = const(17)
# PermissionChange
_KEY = const(1)
_SECONDS_TO_BE_ACTIVE = const(3)
_KEY_ROLE = const(4)
_LABEL = const(1001)
# PublicKey
_PUBLIC_KEY_RAW = const(1)
# ReplaceKey, whose keyRole has PermissionChange's number
_PUBLIC_KEY_TO_REPLACE = const(1)
_SLOT_TO_REPLACE = const(2)
_KEY_TO_ADD = const(3)
_IMPERMANENT = const(5)

# Role
_SERVICE = const(1)
_OWNER = const(2)
_DRIVER = const(3)
_FM = const(4)
_VEHICLE_MONITOR = const(5)
_CHARGING_MANAGER = const(6)
_GUEST = const(8)

_MAY_ADD = const(256)  # commands of keys/policy.py
_MAY_REMOVE = const(512)
_MAY_CHANGE = const(1024)
_ENROLLABLE = (_OWNER, _DRIVER, _FM, _VEHICLE_MONITOR, _CHARGING_MANAGER, _GUEST)
_SERVICE_MAY_REMOVE = (_DRIVER, _GUEST, _FM)
_UPDATES = (_UPDATE_KEY_AND_PERMISSIONS, _ADD_PERMISSIONS_TO_PUBLIC_KEY)
_REMOVALS = (_REMOVE_PUBLIC_KEY_FROM_WHITELIST, _REMOVE_ALL_IMPERMANENT_KEYS, _REMOVE_PERMISSIONS_FROM_PUBLIC_KEY)


class Change:
    """One atomic change of the keychain: a record to add or update, public keys to remove, and what to call it."""

    def __init__(self, event: str, record: Record | None, remove: tuple[bytes, ...] = (), drop: bool = False) -> None:
        self.event = event
        self.record = record
        self.remove = remove
        self.drop_impermanent = drop
        # The public key it is about; b"" for a change of many.
        self.public = record.public if record else remove[0] if remove else b""
        self.role = record.role if record else 0

    @property
    def key_id(self) -> bytes | None:
        """The 4-byte id of the key it is about; None for a change of many."""
        return key_id(self.public) if self.public else None

    @property
    def needs_agreement(self) -> bool:
        """K is still to be agreed (P-256) with a key that is new."""
        return self.record is not None and self.record.shared == _NO_KEY


def plan_pairing(message: memoryview | bytes, keychain: Keychain) -> Change:
    """The change that an unsigned request asks for: adding its key, once a card tap approves it. Raises KeyRefused."""
    operation = decode(WHITELIST_OPERATION, message)
    kind = operation.get(_ONE_OF)
    if kind != _ADD_KEY_TO_WHITELIST_AND_ADD_PERMISSIONS:
        if kind in _UPDATES:
            raise KeyRefused(refusals.NO_PERMISSION_TO_CHANGE, "unsigned")
        if kind in _REMOVALS:
            raise KeyRefused(refusals.NO_PERMISSION_TO_REMOVE, "unsigned")
        raise KeyRefused(refusals.NO_PERMISSION_TO_ADD, "unsigned")
    change = operation[kind]
    role = _role(change.get(_KEY_ROLE, 0), refusals.WITH_SERVICE_ROLE)
    added = Change("enrolled", _added(operation, change, role, keychain, CARD_TAP, None, False))
    return _keeping_an_owner(added, keychain)


def plan(message: memoryview | bytes, actor: Record, keychain: Keychain) -> Change:
    """The change that a key's signed request asks for. Raises KeyRefused."""
    return _keeping_an_owner(_planned(message, actor, keychain), keychain)


def _planned(message: memoryview | bytes, actor: Record, keychain: Keychain) -> Change:
    operation = decode(WHITELIST_OPERATION, message)
    kind = operation.get(_ONE_OF, 0)
    value: Any = operation.get(kind)
    impermanent = kind in (_ADD_IMPERMANENT_KEY, _ADD_IMPERMANENT_KEY_AND_REMOVE_EXISTING)
    if impermanent or kind == _ADD_KEY_TO_WHITELIST_AND_ADD_PERMISSIONS:
        _demand(actor, _MAY_ADD, refusals.NO_PERMISSION_TO_ADD)
        role = _role(value.get(_KEY_ROLE, 0), refusals.ADDS_SERVICE)
        record = _added(operation, value, role, keychain, OWNER_COMMAND, actor, impermanent)
        return Change("enrolled", record, drop=kind == _ADD_IMPERMANENT_KEY_AND_REMOVE_EXISTING)
    if kind in _UPDATES:
        return _plan_update(value, actor, keychain)
    if kind == _REMOVE_PUBLIC_KEY_FROM_WHITELIST:
        return _plan_removal(value.get(_PUBLIC_KEY_RAW, b""), actor, keychain)
    if kind == _REMOVE_ALL_IMPERMANENT_KEYS:
        _demand(actor, _MAY_ADD, refusals.NO_PERMISSION_TO_REMOVE)
        if not value:
            raise KeyRefused(refusals.UNDOCUMENTED_ERROR, "asks for nothing")
        return Change("removed", None, drop=True)
    if kind == _REPLACE_KEY:
        return _plan_replacement(operation, value, actor, keychain)
    if kind == _ADD_PUBLIC_KEY_TO_WHITELIST:
        raise KeyRefused(refusals.WITHOUT_ROLE, "no role")
    raise KeyRefused(refusals.UNDOCUMENTED_ERROR, "operation %s" % kind)


def _plan_update(value: Fields, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, _MAY_CHANGE, refusals.NO_PERMISSION_TO_CHANGE)
    role = _role(value.get(_KEY_ROLE, 0), refusals.ADDS_SERVICE)
    record = _enrolled(value.get(_KEY, {}).get(_PUBLIC_KEY_RAW, b""), keychain)
    if record.public == actor.public and role != _OWNER:
        raise KeyRefused(refusals.REMOVES_OWN_PERMISSIONS, "oneself")
    lasted = record.lasting_owner
    record.role = role
    record.seconds = value.get(_SECONDS_TO_BE_ACTIVE, 0)
    if record.lasting_owner and not lasted:
        record.origin = OWNER_COMMAND  # a card was tapped for something less, if it was
    if _LABEL in value:
        record.label = clean_label(_label(value))
    return Change("updated", record)


def _plan_removal(public: bytes | memoryview, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, _MAY_REMOVE, refusals.NO_PERMISSION_TO_REMOVE)
    record = _enrolled(public, keychain, True)  # what a car that lost its identity cannot use any more can go
    if record.public == actor.public:
        raise KeyRefused(refusals.REMOVES_ONESELF, "oneself")
    if actor.role == _SERVICE and record.role not in _SERVICE_MAY_REMOVE:
        raise KeyRefused(refusals.NO_PERMISSION_TO_REMOVE, "service may not remove this role")
    return Change("removed", None, (record.public,))


def _plan_replacement(operation: Fields, value: Fields, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, _MAY_ADD, refusals.NO_PERMISSION_TO_ADD)
    role = _role(value.get(_KEY_ROLE, 0), refusals.ADDS_SERVICE)
    if value.get(_ONE_OF) == _SLOT_TO_REPLACE:
        old = keychain.find_slot(value[_SLOT_TO_REPLACE], True)
        if old is None:
            raise KeyRefused(refusals.NOT_ON_WHITELIST, "empty slot")
    else:
        old = _enrolled(value.get(_PUBLIC_KEY_TO_REPLACE, {}).get(_PUBLIC_KEY_RAW, b""), keychain, True)
    impermanent = bool(value.get(_IMPERMANENT))
    change = {_KEY: value.get(_KEY_TO_ADD, {})}
    record = _added(operation, change, role, keychain, OWNER_COMMAND, actor, impermanent, 1)
    return Change("replaced", record, (old.public,))


def _demand(actor: Record, command: int, code: int) -> None:
    if not policy.permitted(actor, command):
        raise KeyRefused(code, "role")


def _role(role: int, service_code: int) -> int:
    if role == _SERVICE:
        raise KeyRefused(service_code, "service role")
    if role not in _ENROLLABLE:
        raise KeyRefused(refusals.WITHOUT_ROLE, "role %d" % role)
    return role


def _enrolled(public: bytes | memoryview, keychain: Keychain, old: bool = False) -> Record:
    record = keychain.find(public, old) if len(public) == 65 else None
    if record is None:
        raise KeyRefused(refusals.NOT_ON_WHITELIST, "not enrolled")
    return record


def _added(
    operation: Fields,
    change: Fields,
    role: int,
    keychain: Keychain,
    origin: int,
    actor: Record | None,
    impermanent: bool,
    freed: int = 0,
) -> Record:
    public = bytes(change.get(_KEY, {}).get(_PUBLIC_KEY_RAW, b""))
    try:
        publickey.validate_public(public)
    except publickey.InvalidPoint:
        raise KeyRefused(refusals.INVALID_PUBLIC_KEY, "not a point of P-256")
    if keychain.find(public) is not None:
        raise KeyRefused(refusals.ALREADY_ON_WHITELIST, "enrolled already")
    if keychain.count - freed >= keychain.CAPACITY and keychain.find(public, True) is None:  # a stale key has its slot
        raise KeyRefused(refusals.WHITELIST_FULL, "full")
    return Record(
        public,
        _NO_KEY,
        role,
        form=operation.get(_METADATA_FOR_KEY, {}).get(1, 0) & 0xFF,
        origin=origin,
        flags=IMPERMANENT if impermanent else 0,
        label=_label(change),
        signer=actor.id if actor else bytes(4),
        seconds=change.get(_SECONDS_TO_BE_ACTIVE, 0),
    )


def _label(change: Fields) -> str:
    """At most 24 bytes of it are kept."""
    try:
        return labels.text(change.get(_LABEL, b""))
    except ValueError as error:  # refused and not left out: who asked is to know what it is called
        raise KeyRefused(refusals.UNDOCUMENTED_ERROR, "label: %s" % error)


def _keeping_an_owner(change: Change, keychain: Keychain) -> Change:
    """The change, if it leaves an owner to rely on; if not, raises KeyRefused: only a card tap makes way (law 1).

    Such an owner has no limits, and was there before: a key that this change brings has not shown yet that somebody
    holds it. One of them was enrolled with a card tap, if there is one that was.
    """
    record = change.record
    gone = [0, 0]  # of all such owners, and of those that a card enrolled
    for public in change.remove + ((record.public,) if record else ()):
        old = keychain.find(public)
        if old:
            for by_card in (0, 1):
                gone[by_card] += _relied_on(old, by_card)
                if record and record.public == public:
                    gone[by_card] -= _relied_on(record, by_card)
    for by_card in (0, 1):
        if 0 < keychain.lasting_owners(bool(by_card)) <= gone[by_card]:
            updates = change.event == "updated"
            code = refusals.NO_PERMISSION_TO_CHANGE if updates else refusals.NO_PERMISSION_TO_REMOVE
            raise KeyRefused(code, "the last owner key that a card enrolled" if by_card else "the last owner key")
    return change


def _relied_on(record: Record, by_card: int) -> bool:
    return record.lasting_owner and (record.origin == CARD_TAP or not by_card)
