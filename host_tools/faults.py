# SPDX-License-Identifier: Apache-2.0
"""Every way a car says no: the protocol's own name, plain words, and what a person can do about it.

The names are those of the protocol's enumerations without their common prefix, so `INCORRECT_EPOCH` here is
`MESSAGEFAULT_ERROR_INCORRECT_EPOCH` on the wire. The exceptions below carry the exit code of the command line, so
that a tool only has to print what it caught.
"""

from __future__ import annotations

_RETRY = "try again; if it stays, restart the car with `latchkey reboot`"
_ASK_OWNER = "ask an owner of the car to do it, or use an owner's key"
_CLIENT = "this is a fault of the client, not yours: report it"
_RESYNC = "run the command again; it starts a fresh session"

# From MessageFault: the car did not accept the message itself.
MESSAGE_FAULTS: dict[str, tuple[str, str]] = {
    "BUSY": ("the car is busy with another request", "try again in a moment"),
    "TIMEOUT": ("a part of the car did not answer in time", _RETRY),
    "UNKNOWN_KEY_ID": ("the car does not know this key", "enrol it first: `latchkey pair`"),
    "INACTIVE_KEY": ("this key has been disabled or has used up its limits", _ASK_OWNER),
    "INVALID_SIGNATURE": ("the command's tag is wrong", _RESYNC),
    "INVALID_TOKEN_OR_COUNTER": ("the command's counter has been used before", _RESYNC),
    "INSUFFICIENT_PRIVILEGES": ("this key's role does not allow that", _ASK_OWNER),
    "INVALID_DOMAINS": ("the car has no such part", "update the car's firmware: a newer one may have it"),
    "INVALID_COMMAND": ("the car does not know this command", "update the car's firmware or the client"),
    "DECODING": ("the car could not read the message", _CLIENT),
    "INTERNAL": ("something inside the car failed", _RETRY),
    "WRONG_PERSONALIZATION": ("the command was made for another car", "check --vin against the car's own VIN"),
    "BAD_PARAMETER": ("the command has a bad or missing part", _CLIENT),
    "KEYCHAIN_IS_FULL": ("the car's keychain is full", "remove a key first: `latchkey keys remove`"),
    "INCORRECT_EPOCH": ("the session is not the car's current one", _RESYNC),
    "IV_INCORRECT_LENGTH": ("the command's nonce is not 12 bytes", _CLIENT),
    "TIME_EXPIRED": ("the command expired before the car saw it", _RESYNC),
    "NOT_PROVISIONED_WITH_IDENTITY": ("the car has no VIN yet", "give it one: `latchkey provision`"),
    "COULD_NOT_HASH_METADATA": ("the car could not authenticate the message", _RETRY),
    "TIME_TO_LIVE_TOO_LONG": ("the command would stay valid for too long", "ask for a shorter lifetime"),
    "REMOTE_ACCESS_DISABLED": ("mobile access is switched off in the car", "switch it on in the car"),
    "REMOTE_SERVICE_ACCESS_DISABLED": ("the car allows no remote service", "allow it in the car"),
    "COMMAND_REQUIRES_ACCOUNT_CREDENTIALS": ("the car wants an account for this", "Latchkey has no accounts"),
    "REQUEST_MTU_EXCEEDED": ("the message is too long for the car", _CLIENT),
    "RESPONSE_MTU_EXCEEDED": ("the car's answer would be too long", "ask for less at once"),
    "REPEATED_COUNTER": ("the command's counter has been used before", _RESYNC),
    "INVALID_KEY_HANDLE": ("the car does not know this key handle", "sign with the public key instead"),
    "REQUIRES_RESPONSE_ENCRYPTION": ("the car answers this only encrypted", "ask for an encrypted answer"),
    "COMMAND_REQUIRES_PHYSICAL_PROXIMITY": ("the car wants you beside it for this", "go to the car"),
}

# From WhitelistOperation_information: the car did not change its keychain.
KEYCHAIN_FAULTS: dict[str, tuple[str, str]] = {
    "UNDOCUMENTED_ERROR": (
        "the car refused the change: an operation that it does not know, a label that is not plain text, or its flash",
        "`latchkey monitor` shows why",
    ),
    "NO_PERMISSION_TO_REMOVE_ONESELF": ("a key may not remove itself", "remove it with another owner's key"),
    "KEYFOB_SLOTS_FULL": ("there is no room for another fob", "remove a fob first"),
    "WHITELIST_FULL": ("the car's keychain is full", "remove a key first: `latchkey keys remove`"),
    "NO_PERMISSION_TO_ADD": ("this key may not add keys", _ASK_OWNER),
    "INVALID_PUBLIC_KEY": ("that is not a valid P-256 public key", "check the key file given with --new"),
    "NO_PERMISSION_TO_REMOVE": ("this key may not remove that key", "a car's last owner key goes only with a card tap"),
    "NO_PERMISSION_TO_CHANGE_PERMISSIONS": ("this key may not change that key's role", _ASK_OWNER),
    "ATTEMPTING_TO_ELEVATE_OTHER_ABOVE_ONESELF": ("that role is above this key's own", _ASK_OWNER),
    "ATTEMPTING_TO_DEMOTE_SUPERIOR_TO_ONESELF": ("that key's role is above this key's", _ASK_OWNER),
    "ATTEMPTING_TO_REMOVE_OWN_PERMISSIONS": ("a key may not lower itself", "use another owner's key"),
    "PUBLIC_KEY_NOT_ON_WHITELIST": ("that key is not in the car's keychain", "see `latchkey keys` for those that are"),
    "ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST": (
        "that key is in the car's keychain already",
        "change its role with `latchkey keys update`",
    ),
    "NOT_ALLOWED_TO_ADD_UNLESS_ON_READER": ("the car wants a card on its reader for this", "tap a card and try again"),
    "FM_MODIFYING_OUTSIDE_OF_F_MODE": ("a fleet manager may do this in fleet mode only", _ASK_OWNER),
    "FM_ATTEMPTING_TO_ADD_PERMANENT_KEY": (
        "a fleet manager may add impermanent keys only",
        "add it with --impermanent",
    ),
    "FM_ATTEMPTING_TO_REMOVE_PERMANENT_KEY": ("a fleet manager may remove impermanent keys only", _ASK_OWNER),
    "KEYCHAIN_WHILE_FS_FULL": ("the car's flash is full", "remove a key first: `latchkey keys remove`"),
    "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE": (
        "the key was given no role, or one the car lacks",
        "give it one with --role",
    ),
    "ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE": ("the car takes no service keys this way", "choose another --role"),
    "NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH": ("only service may add a technician", "choose another --role"),
    "SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH_OUTSIDE_SERVICE_MODE": (
        "the car is not in service mode",
        "choose another --role",
    ),
    "COULD_NOT_START_LOCAL_ENTITY_AUTH": (
        "somebody else asked to be enrolled, so a card tap approves nobody",
        "ask no more for 30 s, then pair again; an owner's `latchkey keys add` and the serial port need not wait",
    ),
    "LOCAL_ENTITY_AUTH_FAILED_UI_DENIED": ("somebody in the car said no", "ask them"),
    "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP": (
        "no card was tapped in time",
        "pair again and tap the card within 30 s",
    ),
    "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_UI_ACK": ("nobody confirmed it in the car", "pair again"),
    "LOCAL_ENTITY_AUTH_FAILED_VALET_MODE": ("the car is in valet mode", "leave valet mode first"),
    "LOCAL_ENTITY_AUTH_FAILED_CANCELLED": (
        "somebody else asked to be enrolled, so a card tap approves nobody",
        "ask no more for 30 s, then pair again",
    ),
    "NON_SERVICE_KEY_ATTEMPTING_TO_ADD_RIDER_KEY": ("only service may add a rider", "choose another --role"),
    "ATTEMPTING_TO_ADD_RIDER_KEY_OUTSIDE_FLEET_MODE": ("the car is not in fleet mode", "choose another --role"),
    "NON_SERVICE_KEY_ATTEMPTING_TO_ADD_PREDELIVERY_KEY": ("only service may add this key", "choose another --role"),
    "SERVICE_KEY_ATTEMPTING_TO_ADD_PREDELIVERY_KEY_WHEN_ALREADY_DELIVERED": (
        "the car has been delivered already",
        "choose another --role",
    ),
}

# From GenericError: the command was genuine, and the car could not carry it out.
NOMINAL_ERRORS: dict[str, tuple[str, str]] = {
    "UNKNOWN": ("the car could not do it and did not say why", _RETRY),
    "CLOSURES_OPEN": ("a door is open", "close it and try again"),
    "ALREADY_ON": ("it is on already", "there is nothing to do"),
    "DISABLED_FOR_USER_COMMAND": ("the car does not take this from a phone now", "try again later"),
    "VEHICLE_NOT_IN_PARK": ("the car is being driven", "park it first"),
    "UNAUTHORIZED": ("this key may not do that", _ASK_OWNER),
    "NOT_ALLOWED_OVER_TRANSPORT": ("the car does not take this over this link", "use another way to reach it"),
    "KEY_NOT_FOUND": ("the car has no such key", "see `latchkey keys` for those that it has"),
    "NOT_SUPPORTED": ("the car cannot do that", "there is nothing to do"),
}


# From Decline: the car did not take what it was brought of its authority.
DECLINES: dict[str, tuple[str, str]] = {
    "NO_AUTHORITY": ("the car takes nobody's rosters", "its owner says whose it takes: `latchkey trust`"),
    "ADDRESS": ("that is for another car", "is it the file of this car?"),
    "OLD": ("the car has that roster already, or a newer one", "there is nothing to do"),
    "SEAL": ("what was brought was changed on its way, or is for a car of another seal", "fetch it again"),
    "ENCODING": ("what was brought is not as an authority makes it", _CLIENT),
    "VIN": ("the roster is for another VIN", "was the car file installed in the right car?"),
    "GENERATION": ("the roster is not by who signs now", "publish again, and bring the whole file"),
    "SIGNATURE": ("the signature is not the authority's", "does this car trust another authority?"),
    "CONTENT": (
        "the car has this very version with other content",
        "two computers sign for this authority, or a key of it was stolen: see docs/authority.md",
    ),
    "PART": ("a part is missing, or comes out of order", "bring the whole file again"),
    "ENTRIES": ("the list of keys is not as it should be", _CLIENT),
    "FLASH": ("the car's flash is full or fails", "remove keys, and try again"),
}

# From GrantFault: the car took no key by a grant, or did not take one back.
_ASK_MAKER = "ask who shared it for another link"
GRANTS: dict[str, tuple[str, str]] = {
    "GRANT_FAULT_ENCODING": ("what was brought is not as phones make it", _CLIENT),
    "GRANT_FAULT_MAKER": (
        "the car has no owner who could have made that: he was removed, or enrolled anew, or it is another car",
        _ASK_MAKER,
    ),
    "GRANT_FAULT_TAG": ("that was not made by an owner of this car as he is enrolled now", _ASK_MAKER),
    "GRANT_FAULT_SPENT": ("that link was used by another key, or taken back", _ASK_MAKER),
    "GRANT_FAULT_LIMITS": (
        "nothing is left of what that link allowed, or it would allow more than it came from",
        _ASK_MAKER,
    ),
    "GRANT_FAULT_KEY": (
        "this key is in the car already, or not the one that the link was made for",
        "accept with another key: --key FILE",
    ),
    "GRANT_FAULT_FULL": ("the car has no room for another key", "an owner can remove some: `latchkey keys remove`"),
    "GRANT_FAULT_FLASH": ("the car's flash is full or fails", "an owner can remove keys; then try again"),
    "GRANT_FAULT_BUSY": ("the car is busy with another key", "try again in a moment"),
}


class LatchkeyError(Exception):
    """Something that a person can be told in one line."""

    name = "ERROR"
    exit_code = 1

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.details: dict[str, object] = {}  # what --json says besides

    def line(self) -> str:
        """The whole story in one line: the name, what happened, what to do."""
        return f"{self.name}: {self.text}" + (f"; {self.hint}" if self.hint else "")


class Refused(LatchkeyError):
    """The car said no, and this is the name it gave."""

    proven = False  # whether it was encrypted for us: anybody on the air can say no in the clear

    def __init__(self, name: str, text: str = "", hint: str = "") -> None:
        words, todo = _EVERY.get(name, ("the car refused", "look the name up in the protocol's documentation"))
        super().__init__(text or words, hint or todo)
        self.name = name


class NoAnswer(LatchkeyError):
    """No car answered in time. If a command was on its way, it may have run."""

    name = "NO_ANSWER"
    exit_code = 3

    def __init__(self, text: str = "no car answered in time", hint: str = "is it on, and is --port right?") -> None:
        super().__init__(text, hint)


class Misuse(LatchkeyError):
    """The person asked for something that cannot be asked for."""

    name = "USAGE"
    exit_code = 2


_EVERY = {**GRANTS, **DECLINES, **NOMINAL_ERRORS, **KEYCHAIN_FAULTS, **MESSAGE_FAULTS}
