# SPDX-License-Identifier: Apache-2.0
"""Whitelist operations (vcsec.proto, WhitelistOperation): what one would change, or why it may not.

`plan` decides and touches nothing; `enrolment` carries the Change out. Every refusal has the protocol's own code.
"""

from micropython import const

from latchkey.crypto import CryptoError, publickey, random_bytes
from latchkey.faults import KeyRefused
from latchkey.keys import answers, labels, policy
from latchkey.keys.asked import NO_KEY, Asked, Change
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import BARRED, IMPERMANENT, Record, clean_label
from latchkey.wire.keymessages import WHITELIST_OPERATION
from latchkey.wire.pb import decode
from latchkey.wire.schema import (
    KeyMetadata,
    LogKind,
    Origin,
    Permission,
    PermissionChange,
    PublicKey,
    ReplaceKey,
    Role,
    WhitelistOperation,
    Wire,
)
from latchkey.wire.schema import (
    WhitelistOperation_information as Refusal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.wire.pb import Fields

_FOR_THE_CARD = const(8)  # slots that only a card tap fills: who has lost every owner key must find one
_NEVER = b"\xff" * 16  # K of a key that was never here

_ENROLLABLE = (Role.OWNER, Role.DRIVER, Role.FM, Role.VEHICLE_MONITOR, Role.CHARGING_MANAGER, Role.GUEST)
_SERVICE_MAY_REMOVE = (Role.DRIVER, Role.GUEST, Role.FM)
_UPDATES = (WhitelistOperation.updateKeyAndPermissions, WhitelistOperation.addPermissionsToPublicKey)
_REMOVALS = (
    WhitelistOperation.removePublicKeyFromWhitelist,
    WhitelistOperation.removeAllImpermanentKeys,
    WhitelistOperation.removePermissionsFromPublicKey,
)


class Operation(Asked):
    """A whitelist operation: signed by that key, or by nobody."""

    def __init__(self, operation: bytes, reply: Any, actor: bytes | None) -> None:
        super().__init__(operation, reply, actor)
        self.tap = actor is None

    def plan(self, keychain: Keychain) -> Change:
        """Raises KeyRefused."""
        if self.actor is None:
            return plan_pairing(self.operation, keychain)
        record = keychain.find(self.actor)
        if record is None:
            raise KeyRefused(Refusal.PUBLIC_KEY_NOT_ON_WHITELIST, "its signer is not enrolled any more")
        return plan(self.operation, record, keychain)

    def done(self, code: int, signer: bytes | None) -> None:
        """Answer it."""
        self.reply.payload(answers.whitelist_status(code, signer))


asked = Operation


def plan_pairing(message: memoryview | bytes, keychain: Keychain) -> Change:
    """The change that an unsigned request asks for: adding its key, once a card tap approves it. Raises KeyRefused."""
    operation = decode(WHITELIST_OPERATION, message)
    kind = operation.get(Wire.ONE_OF)
    if kind != WhitelistOperation.addKeyToWhitelistAndAddPermissions:
        if kind in _UPDATES:
            raise KeyRefused(Refusal.NO_PERMISSION_TO_CHANGE_PERMISSIONS, "unsigned")
        if kind in _REMOVALS:
            raise KeyRefused(Refusal.NO_PERMISSION_TO_REMOVE, "unsigned")
        raise KeyRefused(Refusal.NO_PERMISSION_TO_ADD, "unsigned")
    change = operation[kind]
    role = _role(change.get(PermissionChange.keyRole, 0), Refusal.ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE)
    added = Change(LogKind.ENROLLED, _added(operation, change, role, keychain, Origin.CARD_TAP, None, False))
    return _keeping_an_owner(added, keychain)


def plan(message: memoryview | bytes, actor: Record, keychain: Keychain) -> Change:
    """The change that a key's signed request asks for. Raises KeyRefused."""
    return _keeping_an_owner(_planned(message, actor, keychain), keychain)


def _planned(message: memoryview | bytes, actor: Record, keychain: Keychain) -> Change:
    operation = decode(WHITELIST_OPERATION, message)
    kind = operation.get(Wire.ONE_OF, 0)
    value: Any = operation.get(kind)
    impermanent = kind in (WhitelistOperation.addImpermanentKey, WhitelistOperation.addImpermanentKeyAndRemoveExisting)
    if impermanent or kind == WhitelistOperation.addKeyToWhitelistAndAddPermissions:
        _demand(actor, Permission.ADD_KEY, Refusal.NO_PERMISSION_TO_ADD, keychain)
        role = _role(value.get(PermissionChange.keyRole, 0), Refusal.NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH)
        record = _added(operation, value, role, keychain, Origin.OWNER_COMMAND, actor, impermanent)
        return Change(LogKind.ENROLLED, record, drop=kind == WhitelistOperation.addImpermanentKeyAndRemoveExisting)
    if kind in _UPDATES:
        return _plan_update(value, actor, keychain)
    if kind == WhitelistOperation.removePublicKeyFromWhitelist:
        return _plan_removal(value.get(PublicKey.PublicKeyRaw, b""), actor, keychain)
    if kind == WhitelistOperation.removeAllImpermanentKeys:
        _demand(actor, Permission.ADD_KEY, Refusal.NO_PERMISSION_TO_REMOVE, keychain)
        if not value:
            raise KeyRefused(Refusal.UNDOCUMENTED_ERROR, "asks for nothing")
        return Change(LogKind.REMOVED, None, drop=True)
    if kind == WhitelistOperation.replaceKey:
        return _plan_replacement(operation, value, actor, keychain)
    if kind == WhitelistOperation.addPublicKeyToWhitelist:
        raise KeyRefused(Refusal.ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE, "no role")
    raise KeyRefused(Refusal.UNDOCUMENTED_ERROR, "operation %s" % kind)


def _plan_update(value: Fields, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, Permission.CHANGE_KEY, Refusal.NO_PERMISSION_TO_CHANGE_PERMISSIONS, keychain)
    role = _role(value.get(PermissionChange.keyRole, 0), Refusal.NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH)
    record = _enrolled(value.get(PermissionChange.key, {}).get(PublicKey.PublicKeyRaw, b""), keychain)
    if record.public == actor.public and role != Role.OWNER:
        raise KeyRefused(Refusal.ATTEMPTING_TO_REMOVE_OWN_PERMISSIONS, "oneself")
    lasted = record.lasting_owner
    if record.origin == Origin.ROSTER or (record.origin == Origin.GRANT and role == Role.OWNER):
        record.origin = Origin.OWNER_COMMAND  # it is the owner's from here on
        record.commands = record.not_before = record.not_after = record.uses = 0
    if role == Role.OWNER != record.role:
        record.number = int.from_bytes(random_bytes(4), "big")  # what it granted before stays dead
    record.role = role
    seconds = value.get(PermissionChange.secondsToBeActive, 0)
    if seconds or record.origin != Origin.GRANT:
        record.seconds = seconds
        record.powered = 0  # until the change is made
    if record.lasting_owner and not lasted:
        record.origin = Origin.OWNER_COMMAND  # a card was tapped for something less, if it was
    if PermissionChange.label in value:
        record.label = clean_label(_label(value))
    return Change(LogKind.UPDATED, record)


def _plan_removal(public: bytes | memoryview, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, Permission.REMOVE_KEY, Refusal.NO_PERMISSION_TO_REMOVE, keychain)
    listed = _listed(public, keychain)
    record = keychain.find(public, True) if listed else None
    if record is None:
        # What a car that lost its identity cannot use any more can go, and who is listed and was never here.
        record = Record(bytes(public), _NEVER, Role.DRIVER) if listed else _enrolled(public, keychain, True)
    if record.public == actor.public:
        raise KeyRefused(Refusal.NO_PERMISSION_TO_REMOVE_ONESELF, "oneself")
    if actor.role == Role.SERVICE and record.role not in _SERVICE_MAY_REMOVE:
        raise KeyRefused(Refusal.NO_PERMISSION_TO_REMOVE, "service may not remove this role")
    if listed:  # its place is kept, so that the roster does not bring it back
        record.role = Role.NONE
        record.origin = Origin.OWNER_COMMAND
        record.flags = BARRED
        return Change(LogKind.REMOVED, record)
    return Change(LogKind.REMOVED, None, (record.public,))


def _plan_replacement(operation: Fields, value: Fields, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, Permission.ADD_KEY, Refusal.NO_PERMISSION_TO_ADD, keychain)
    role = _role(value.get(PermissionChange.keyRole, 0), Refusal.NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH)
    if value.get(Wire.ONE_OF) == ReplaceKey.slotToReplace:
        old = keychain.find_slot(value[ReplaceKey.slotToReplace], True)
        if old is None:
            raise KeyRefused(Refusal.PUBLIC_KEY_NOT_ON_WHITELIST, "empty slot")
    else:
        old = _enrolled(value.get(ReplaceKey.publicKeyToReplace, {}).get(PublicKey.PublicKeyRaw, b""), keychain, True)
    if _listed(old.public, keychain):
        raise KeyRefused(Refusal.NO_PERMISSION_TO_REMOVE, "a roster lists it: it has to be removed first")
    impermanent = bool(value.get(ReplaceKey.impermanent))
    change = {PermissionChange.key: value.get(ReplaceKey.keyToAdd, {})}
    record = _added(operation, change, role, keychain, Origin.OWNER_COMMAND, actor, impermanent, 1)
    return Change(LogKind.REPLACED, record, (old.public,))


def _demand(actor: Record, command: int, code: int, keychain: Keychain) -> None:
    if not policy.permitted(actor, command, keychain):
        raise KeyRefused(code, "role")


def _role(role: int, service_code: int) -> int:
    if role == Role.SERVICE:
        raise KeyRefused(service_code, "service role")
    if role not in _ENROLLABLE:
        raise KeyRefused(Refusal.ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE, "role %d" % role)
    return role


def _enrolled(public: bytes | memoryview, keychain: Keychain, old: bool = False) -> Record:
    record = keychain.find(public, old) if len(public) == 65 else None
    if record is None:
        raise KeyRefused(Refusal.PUBLIC_KEY_NOT_ON_WHITELIST, "not enrolled")
    return record


def _listed(public: bytes | memoryview, keychain: Keychain) -> bool:
    return bool(keychain.roster and keychain.roster.lists(public))


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
    public = bytes(change.get(PermissionChange.key, {}).get(PublicKey.PublicKeyRaw, b""))
    try:
        publickey.validate_public(public)
    except CryptoError:
        raise KeyRefused(Refusal.INVALID_PUBLIC_KEY, "not a point of P-256")
    known = keychain.find(public)
    if known is not None and known.origin != Origin.ROSTER and known.origin != Origin.GRANT:
        raise KeyRefused(Refusal.ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST, "enrolled already")
    room = keychain.CAPACITY if freed or origin == Origin.CARD_TAP else keychain.CAPACITY - _FOR_THE_CARD
    if keychain.count - freed >= room and keychain.find(public, True) is None:  # a stale key has its slot
        raise KeyRefused(Refusal.WHITELIST_FULL, "full")
    return Record(
        public,
        NO_KEY,
        role,
        form=operation.get(WhitelistOperation.metadataForKey, {}).get(KeyMetadata.keyFormFactor, 0) & 0xFF,
        origin=origin,
        flags=IMPERMANENT if impermanent else 0,
        label=_label(change),
        signer=actor.id if actor else bytes(4),
        seconds=change.get(PermissionChange.secondsToBeActive, 0),
    )


def _label(change: Fields) -> str:
    """At most 24 bytes of it are kept."""
    try:
        return labels.text(change.get(PermissionChange.label, b""))
    except ValueError as error:  # refused and not left out: who asked is to know what it is called
        raise KeyRefused(Refusal.UNDOCUMENTED_ERROR, "label: %s" % error)


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
            updates = change.kind == LogKind.UPDATED
            code = Refusal.NO_PERMISSION_TO_CHANGE_PERMISSIONS if updates else Refusal.NO_PERMISSION_TO_REMOVE
            raise KeyRefused(code, "the last owner key that a card enrolled" if by_card else "the last owner key")
    return change


def _relied_on(record: Record, by_card: int) -> bool:
    return record.lasting_owner and (record.origin == Origin.CARD_TAP or not by_card)
