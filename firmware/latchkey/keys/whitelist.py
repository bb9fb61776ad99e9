# SPDX-License-Identifier: Apache-2.0
"""Whitelist operations (vcsec.proto, WhitelistOperation): what one would change, or why it may not.

`plan` decides and touches nothing; `enrolment` carries the Change out. Every refusal has the protocol's own code.
"""

from latchkey import crypto, faults
from latchkey.faults import KeyRefused
from latchkey.keys import policy
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import CARD_TAP, IMPERMANENT, OWNER_COMMAND, Record, clean_label, key_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.wire.pb import Fields

_NO_KEY = bytes(16)  # stands for K until the change is carried out
_ADDS = ("addKeyToWhitelistAndAddPermissions", "addImpermanentKey", "addImpermanentKeyAndRemoveExisting")
_UPDATES = ("updateKeyAndPermissions", "addPermissionsToPublicKey")


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


def plan_pairing(operation: Fields, keychain: Keychain) -> Change:
    """The change that an unsigned request asks for: adding its key, once a card tap approves it. Raises KeyRefused."""
    name = operation.get("sub_message", "")
    if name != "addKeyToWhitelistAndAddPermissions":
        if name in _UPDATES:
            raise KeyRefused(faults.KEY_NO_PERMISSION_TO_CHANGE, "unsigned")
        if name in ("removePublicKeyFromWhitelist", "removeAllImpermanentKeys", "removePermissionsFromPublicKey"):
            raise KeyRefused(faults.KEY_NO_PERMISSION_TO_REMOVE, "unsigned")
        raise KeyRefused(faults.KEY_NO_PERMISSION_TO_ADD, "unsigned")
    change = operation[name]
    role = _role(change.get("keyRole", 0), faults.KEY_WITH_SERVICE_ROLE)
    return Change("enrolled", _added(operation, change, role, keychain, CARD_TAP, None, False))


def plan(operation: Fields, actor: Record, keychain: Keychain) -> Change:
    """The change that a key's signed request asks for. Raises KeyRefused."""
    name = operation.get("sub_message", "")
    value: Any = operation.get(name)
    if name in _ADDS:
        _demand(actor, policy.ADD_KEY, faults.KEY_NO_PERMISSION_TO_ADD)
        role = _role(value.get("keyRole", 0), faults.KEY_ADDS_SERVICE)
        impermanent = name != _ADDS[0]
        record = _added(operation, value, role, keychain, OWNER_COMMAND, actor, impermanent)
        return Change("enrolled", record, drop=name == _ADDS[2])
    if name in _UPDATES:
        return _plan_update(value, actor, keychain)
    if name == "removePublicKeyFromWhitelist":
        return _plan_removal(value.get("PublicKeyRaw", b""), actor, keychain)
    if name == "removeAllImpermanentKeys":
        _demand(actor, policy.ADD_KEY, faults.KEY_NO_PERMISSION_TO_REMOVE)
        if not value:
            raise KeyRefused(faults.KEY_UNDOCUMENTED_ERROR, "asks for nothing")
        return Change("removed", None, drop=True)
    if name == "replaceKey":
        return _plan_replacement(operation, value, actor, keychain)
    if name == "addPublicKeyToWhitelist":
        raise KeyRefused(faults.KEY_WITHOUT_ROLE, "no role")
    raise KeyRefused(faults.KEY_UNDOCUMENTED_ERROR, "operation %s" % name)


def _plan_update(value: Fields, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, policy.CHANGE_KEY, faults.KEY_NO_PERMISSION_TO_CHANGE)
    role = _role(value.get("keyRole", 0), faults.KEY_ADDS_SERVICE)
    record = _enrolled(value.get("key", {}).get("PublicKeyRaw", b""), keychain)
    if record.public == actor.public and role != policy.OWNER:
        raise KeyRefused(faults.KEY_REMOVES_OWN_PERMISSIONS, "oneself")
    owner = record.lasting_owner
    record.role = role
    record.seconds = value.get("secondsToBeActive", 0)
    if "label" in value:
        record.label = clean_label(_label(value))
    if owner and not record.lasting_owner and keychain.lasting_owners() <= 1:
        raise KeyRefused(faults.KEY_NO_PERMISSION_TO_CHANGE, "the last owner key")
    return Change("updated", record)


def _plan_removal(public: bytes | memoryview, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, policy.REMOVE_KEY, faults.KEY_NO_PERMISSION_TO_REMOVE)
    record = _enrolled(public, keychain)
    if record.public == actor.public:
        raise KeyRefused(faults.KEY_REMOVES_ONESELF, "oneself")
    if actor.role == policy.SERVICE and record.role not in policy.SERVICE_MAY_REMOVE:
        raise KeyRefused(faults.KEY_NO_PERMISSION_TO_REMOVE, "service may not remove this role")
    _keep_an_owner(record, keychain)
    return Change("removed", None, (record.public,))


def _plan_replacement(operation: Fields, value: Fields, actor: Record, keychain: Keychain) -> Change:
    _demand(actor, policy.ADD_KEY, faults.KEY_NO_PERMISSION_TO_ADD)
    role = _role(value.get("keyRole", 0), faults.KEY_ADDS_SERVICE)
    if value.get("keyToReplace") == "slotToReplace":
        old = keychain.find_slot(value["slotToReplace"])
        if old is None:
            raise KeyRefused(faults.KEY_NOT_ON_WHITELIST, "empty slot")
    else:
        old = _enrolled(value.get("publicKeyToReplace", {}).get("PublicKeyRaw", b""), keychain)
    impermanent = bool(value.get("impermanent"))
    change = {"key": value.get("keyToAdd", {})}
    record = _added(operation, change, role, keychain, OWNER_COMMAND, actor, impermanent, 1)
    if not record.lasting_owner:
        _keep_an_owner(old, keychain)
    return Change("replaced", record, (old.public,))


def _demand(actor: Record, command: int, code: int) -> None:
    if not policy.permitted(actor, command):
        raise KeyRefused(code, "role may not")


def _role(role: int, service_code: int) -> int:
    if role == policy.SERVICE:
        raise KeyRefused(service_code, "service role")
    if role not in policy.ENROLLABLE:
        raise KeyRefused(faults.KEY_WITHOUT_ROLE, "role %d" % role)
    return role


def _enrolled(public: bytes | memoryview, keychain: Keychain) -> Record:
    record = keychain.find(public) if len(public) == 65 else None
    if record is None:
        raise KeyRefused(faults.KEY_NOT_ON_WHITELIST, "not enrolled")
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
    public = bytes(change.get("key", {}).get("PublicKeyRaw", b""))
    try:
        crypto.validate_public(public)
    except crypto.InvalidPoint:
        raise KeyRefused(faults.KEY_INVALID_PUBLIC_KEY, "not a point of P-256")
    if keychain.find(public) is not None:
        raise KeyRefused(faults.KEY_ALREADY_ON_WHITELIST, "enrolled already")
    if keychain.count - freed >= keychain.CAPACITY:
        raise KeyRefused(faults.KEY_WHITELIST_FULL, "full")
    return Record(
        public,
        _NO_KEY,
        role,
        form=operation.get("metadataForKey", {}).get("keyFormFactor", 0) & 0xFF,
        origin=origin,
        flags=IMPERMANENT if impermanent else 0,
        label=_label(change),
        signer=actor.id if actor else bytes(4),
        seconds=change.get("secondsToBeActive", 0),
    )


def _label(change: Fields) -> str:
    try:
        return str(bytes(change.get("label", b""))[:24], "utf-8")
    except UnicodeError:
        return ""  # a label is for people: a broken one is none


def _keep_an_owner(gone: Record, keychain: Keychain) -> None:
    """Raises KeyRefused if no owner key would be left that lasts: only a card tap can make way for one (law 1)."""
    if gone.lasting_owner and keychain.lasting_owners() <= 1:
        raise KeyRefused(faults.KEY_NO_PERMISSION_TO_REMOVE, "the last owner key")
