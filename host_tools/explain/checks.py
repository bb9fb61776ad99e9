# SPDX-License-Identifier: Apache-2.0
"""What the car checks before it gives a fault: what it expected, and what it gets instead when it gives that fault.

In general words, for a fault without its messages. `explain` says it with the messages' own values where it has them.
"""

from __future__ import annotations

MESSAGE_CHECKS: dict[str, tuple[str, str]] = {
    "BUSY": (
        "one change of keys at a time, and on each connection no more than eight wrong tags in a row",
        "a change of keys while another is being made, or a connection that has used its wrong tags up",
    ),
    "UNKNOWN_KEY_ID": (
        "a signer whose public key is in the keychain",
        "a key that was never enrolled or was removed, or no signer at all",
    ),
    "INACTIVE_KEY": (
        "a key whose limits leave it that: dates, uses, powered seconds",
        "a key whose uses or powered seconds are spent, or whose date is not now; or a guest's date, and nobody has"
        " told the car the time since it started",
    ),
    "INVALID_SIGNATURE": (
        "a tag over this very message, made with the secret that car and key share, for this car's VIN",
        "a tag that does not fit: another VIN, another key, a changed byte, or a tag that was cut short",
    ),
    "INVALID_TOKEN_OR_COUNTER": (
        "a counter above the highest one that this session has seen",
        "a counter that is spent: a message sent again, or overtaken by a later one",
    ),
    "INSUFFICIENT_PRIVILEGES": (
        "a signed command that the key's role allows (docs/protocol.md, Roles)",
        "a command that is not signed, or of a key whose role does not allow it",
    ),
    "INVALID_DOMAINS": (
        "a message to vehicle security, which is domain 2, to infotainment, 3, or for an owner's view, 76",
        "a message to another domain, or to none",
    ),
    "INVALID_COMMAND": (
        "an action, a movement of closures, a question or a change of keys that the car knows",
        "a payload that is missing, empty or of another kind",
    ),
    "DECODING": (
        "a message of the protocol, and in it a payload that is one",
        "bytes that are none, or only in part",
    ),
    "INTERNAL": ("that its own firmware does not fail", "an error inside: the car's serial log has its traceback"),
    "BAD_PARAMETER": (
        "an uncompressed key of 65 bytes, a uuid of at most 16, an expiry below 2^30 s, a kind of signature it knows",
        "one of these missing or out of bounds",
    ),
    "INCORRECT_EPOCH": (
        "the epoch of this key's session: the car draws one whenever it makes the session",
        "the epoch of a session that is over: the car has restarted, or has made room for other keys",
    ),
    "IV_INCORRECT_LENGTH": ("a nonce of 12 bytes", "a nonce of another length"),
    "TIME_EXPIRED": (
        "an expiry that is not before the car's clock, in seconds since it booted",
        "an expiry that has passed, or none",
    ),
    "NOT_PROVISIONED_WITH_IDENTITY": ("to have a VIN and a key of its own", "a message before it was provisioned"),
    "TIME_TO_LIVE_TOO_LONG": (
        "an expiry at most 120 s ahead of its clock",
        "an expiry further ahead: often the sender's idea of the car's clock is off",
    ),
    "RESPONSE_MTU_EXCEEDED": ("an answer of at most 1024 bytes", "a question whose answer is longer"),
    "REQUIRES_RESPONSE_ENCRYPTION": (
        "a look at the owner's view that asks for an encrypted answer (FLAG_ENCRYPT_RESPONSE)",
        "one that would be answered in the clear",
    ),
    "INVALID_KEY_HANDLE": (
        "a handle that it told in a handshake, while that session lives",
        "a handle of a session that is over, or one that never was",
    ),
}

KEYCHAIN_CHECKS: dict[str, tuple[str, str]] = {
    "UNDOCUMENTED_ERROR": (
        "an operation on keys that it knows, and a label that is plain text in UTF-8",
        "one that is empty or of another kind, or a label with control characters",
    ),
    "NO_PERMISSION_TO_REMOVE_ONESELF": ("another owner's key to sign it", "a key that asks for its own removal"),
    "WHITELIST_FULL": ("room for one more: there are 4096 places", "a new key with every place taken"),
    "NO_PERMISSION_TO_ADD": (
        "an owner's signature, or a plain request for one key, which a card tap then approves",
        "a signature of another role, or an unsigned request for more than one key",
    ),
    "INVALID_PUBLIC_KEY": (
        "65 bytes: 04 and the coordinates of a point of P-256",
        "a compressed key, a point off the curve, or no key",
    ),
    "NO_PERMISSION_TO_REMOVE": (
        "an owner's signature, and an owner key that stays",
        "another role, no signature, or the car's last lasting owner key",
    ),
    "NO_PERMISSION_TO_CHANGE_PERMISSIONS": (
        "an owner's signature, and an owner key that stays one",
        "another role, no signature, or the car's last lasting owner key",
    ),
    "ATTEMPTING_TO_REMOVE_OWN_PERMISSIONS": ("another owner's key to sign it", "an owner that lowers itself"),
    "PUBLIC_KEY_NOT_ON_WHITELIST": ("a key that is enrolled", "a key, slot or key id that is not"),
    "ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST": ("a new key", "one that is enrolled already"),
    "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE": (
        "owner, driver, guest, fleet manager, vehicle monitor or charging manager",
        "no role, or a number that is none",
    ),
    "ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE": ("a role that a card tap can give", "the service role"),
    "NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH": ("a role that an owner can give", "the service role"),
    "COULD_NOT_START_LOCAL_ENTITY_AUTH": (
        "one request alone in 30 s, so that a tap cannot approve the wrong one",
        "another one, or the same on another connection: both are turned away until 30 s have passed without any",
    ),
    "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP": ("a card tap within 30 s", "none"),
    "LOCAL_ENTITY_AUTH_FAILED_CANCELLED": ("this key alone to wait for the card", "another key that asked meanwhile"),
}

VEHICLE_CHECKS: dict[str, tuple[str, str]] = {
    "CLOSURES_OPEN": ("all four doors shut", "an open door"),
}

GRANT_CHECKS: dict[str, tuple[str, str]] = {
    "GRANT_FAULT_ENCODING": (
        "a grant or a revocation in the one encoding that it has",
        "another encoding, or something else",
    ),
    "GRANT_FAULT_MAKER": (
        "the handle of an owner's key that is enrolled and not limited",
        "a handle that is nobody's, or no owner's",
    ),
    "GRANT_FAULT_TAG": (
        "a tag made with the secret that this car and that owner share, since he was enrolled",
        "another: of an earlier enrolment, of another car, or of a grant that was widened",
    ),
    "GRANT_FAULT_SPENT": (
        "a number that was not used before, and is not 1,024 behind its owner's newest",
        "one that a key came by, that was revoked, or that is too far behind",
    ),
    "GRANT_FAULT_LIMITS": (
        "limits that leave something, each role no higher than the one before",
        "none, or a higher role",
    ),
    "GRANT_FAULT_KEY": (
        "one key, in the last limits, that nobody else has enrolled",
        "none, two, no point of the curve, or one that is in the keychain already",
    ),
    "GRANT_FAULT_FLASH": ("to write it down before it answers", "a flash that is full or fails"),
    "GRANT_FAULT_BUSY": ("one change of keys at a time", "another one meanwhile"),
    "GRANT_FAULT_FULL": (
        "room for one more key, and at most 16 owners who have shared",
        "a new one with every place taken",
    ),
}
