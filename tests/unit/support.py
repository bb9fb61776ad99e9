# SPDX-License-Identifier: Apache-2.0
"""What the tests of sessions and routing share: the published vectors, keys in RAM, and a phone's side of signing."""

import named as messages
from latchkey import crypto
from latchkey.clock import Clock
from latchkey.keys.record import BARRED, Record, unpack
from latchkey.link.connection import Connection
from latchkey.session.sessions import Sessions
from latchkey.store.logreader import KINDS
from latchkey.wire.schema import Origin, Permission, Role
from named import decode, encode

VIN = b"5YJ30123456789ABC"
VEHICLE_PRIVATE = bytes.fromhex("344ee5b466a7cf1eeb12b6f50331db2e5ec5834ef5f4befcfd8cbe55c2528d70")
VEHICLE_PUBLIC = bytes.fromhex(
    "04c7a1f47138486aa4729971494878d33b1a24e39571f748a6e16c5955b3d877d3"
    "a6aaa0e955166474af5d32c410f439a2234137ad1bb085fd4e8813c958f11d97"
)
CLIENT_PRIVATE = bytes.fromhex("2538cdc29a97c19c1e99a637d6cf4f8c970c118b56ede1e6323e6d162c4b30db")
CLIENT_PUBLIC = bytes.fromhex(
    "04b2b6bc68c2da0665ce656815594996c62394edd8bea905fe781a754fe6a845a7"
    "14330902f225e9269d466e05b349981fda9d85cc23c6fb444aa73b629105dc6e"
)
K = bytes.fromhex("1b2fce19967b79db696f909cff89ea9a")
ADDRESS = b"a" * 16
UUID = b"u" * 16
OWNER, DRIVER, GUEST = 2, 3, 8
TOTAL = 1_000_000


class Buckets:
    """They can be read."""

    failed = False


class Keys:
    """A keychain in RAM: the interface of keys.keychain.Keychain, for any 65-byte public key."""

    CAPACITY = 4096
    roster = None
    root = "/nowhere/at/all"  # where nothing can be made, by another run either

    def __init__(self, *records):
        self.clock = Clock()
        self.clock.base = 0
        self.clock.ahead = TOTAL  # powered seconds that may be spent
        self.buckets = Buckets()
        self.records = []
        self.looked_up = 0
        for record in records:
            self.put(record)

    def put(self, record):
        self.records = [r for r in self.records if r.public != record.public]
        record.slot = len(self.records)
        self.records.append(record)

    @property
    def count(self):
        return len(self.records)

    def find(self, public, old=False):
        self.looked_up += 1
        for record in self.records:
            if record.public == public:
                return self._usable(record, old)
        return None

    def find_id(self, id4):
        return next((r for r in self.records if r.id == id4), None)

    def find_slot(self, slot, old=False):
        return next((self._usable(r, old) for r in self.records if r.slot == slot), None)

    def _usable(self, record, old):
        record = unpack(record.pack())
        if record.origin == Origin.ROSTER and not (self.roster and self.roster.permitted(record)):
            return record if old else None
        return record if old or not record.flags & BARRED else None

    def slot_mask(self):
        return sum(1 << r.slot for r in self.records if r.slot < 32)

    def ids(self, limit=32):
        return [r.id for r in self.records][:limit]

    def lasting_owners(self, by_card=False):
        return sum(r.lasting_owner and (r.origin == Origin.CARD_TAP or not by_card) for r in self.records)

    async def settle(self):
        pass

    async def apply(self, add, remove=(), drop_impermanent=False, spent=b""):
        gone = [bytes(public) for public in remove]
        self.records = [r for r in self.records if r.public not in gone and not (drop_impermanent and r.impermanent)]
        if add:
            self.put(add)


class Listing:
    """A roster that lists these keys, as drivers who may unlock."""

    def __init__(self, *publics):
        self.publics = publics
        self.expired = self.lapsed = False
        self.time = 0
        self.intake = None

    def tick(self):
        lapsed, self.lapsed = self.lapsed, False
        return lapsed

    def lists(self, public, anew=False):
        return public in self.publics and not (anew and self.expired)

    def permitted(self, record):
        record.role = DRIVER
        record.commands = Permission.UNLOCK
        return record.public in self.publics


class Conn(Connection):
    """A connection that keeps what it is sent."""

    def __init__(self):
        super().__init__("test/1")
        self.sent = []

    def send(self, message):
        self.sent.append(message)

    def last(self):
        return decode(messages.ROUTABLE_MESSAGE, self.sent[-1])


class Log:
    """Takes the access log's entries, and keeps them as they came."""

    def __init__(self):
        self.entries = []
        self.requests = []  # the hashes of those that they are about
        self.flushed = 0

    def append(self, kind, conn, key_id, command, outcome, detail=0, request=b""):
        self.entries.append((KINDS[kind], key_id, command, outcome, detail))
        self.requests.append(request)

    async def flush(self):
        self.flushed += 1


def owner(public=CLIENT_PUBLIC, shared=K, role=OWNER, **more):
    return Record(public, shared, role, origin=Origin.CARD_TAP, **more)


def from_roster(public):
    """A key as a roster's is kept."""
    return Record(public, K, Role.NONE, origin=Origin.ROSTER)


def other_key(n):
    """A 65-byte name for a key that nobody does arithmetic with."""
    return b"\x04" + bytes([n]) * 64


def uint(value):
    return value.to_bytes(4, "big")


def metadata(items):
    """What a tag is bound to: a phone's own way of writing it. A value is bytes, or a number of one byte."""
    out = b""
    for tag, value in items:
        value = bytes([value]) if isinstance(value, int) else bytes(value)
        out += bytes([tag, len(value)]) + value
    return out + b"\xff"


def sessions_of(*records):
    return Sessions(Keys(*records), VEHICLE_PUBLIC)


BENT = ("method", "vin", "epoch", "domain", "flags", "key", "nonce", "tag", "identity")
SENT = ("sent_epoch", "sent_counter", "sent_domain")


def signed(payload, session, counter, expires_at, **bent):
    """The fields of a signed RoutableMessage, as a phone makes it; `bent` replaces what is signed or sent.

    BENT is signed and sent (method: "gcm" or "hmac"); SENT is put into the message instead of what was signed.
    """
    for name in bent:
        assert name in BENT + SENT, name
    method = bent.get("method", "gcm")
    flags = bent.get("flags", 0)
    epoch = bent.get("epoch", session.epoch)
    items = [(0, 5 if method == "gcm" else 8), (1, bent.get("domain", 2)), (2, bent.get("vin", VIN)), (3, epoch)]
    items += [(4, uint(expires_at)), (5, uint(counter))]
    if flags:
        items.append((7, uint(flags)))
    signed_with = metadata(items)
    data = {"epoch": bent.get("sent_epoch", epoch), "counter": counter, "expires_at": expires_at}
    key = bent.get("key", K)
    if method == "gcm":
        nonce = bent.get("nonce", b"n" * 12)
        payload, tag = crypto.gcm_encrypt(key, nonce[:12], crypto.sha256(signed_with), payload)
        data["nonce"] = nonce
        name = "AES_GCM_Personalized_data"
    else:
        tag = crypto.hmac_sha256(crypto.hmac_sha256(key, b"authenticated command"), signed_with, payload)
        name = "HMAC_Personalized_data"
    data["tag"] = bent.get("tag", tag)
    data["counter"] = bent.get("sent_counter", counter)
    return {
        "to_destination": {"domain": bent.get("sent_domain", 2)},
        "from_destination": {"routing_address": ADDRESS},
        "protobuf_message_as_bytes": payload,
        "signature_data": {"signer_identity": bent.get("identity", {"public_key": CLIENT_PUBLIC}), name: data},
        "uuid": UUID,
        "flags": flags or None,
    }


def message(fields):
    return memoryview(encode(messages.ROUTABLE_MESSAGE, fields))


def opened(reply, request, key=K, vin=VIN):
    """The plaintext of an encrypted reply (raises AuthError), and its counter."""
    signature = request["signature_data"]
    gcm = signature.get("AES_GCM_Personalized_data")
    tag = (gcm or signature["HMAC_Personalized_data"])["tag"]
    response = reply["signature_data"]["AES_GCM_Response_data"]
    items = [(0, 9), (1, reply["from_destination"]["domain"]), (2, vin), (5, uint(response["counter"]))]
    items += [(7, uint(reply.get("flags", 0))), (8, bytes([5 if gcm else 8]) + tag[:16])]
    if reply["from_destination"]["domain"] != 2:
        items[-1] = (8, bytes([5 if gcm else 8]) + tag)  # only vehicle security cuts it
    items.append((9, uint(reply.get("signedMessageStatus", {}).get("signed_message_fault", 0))))
    payload = reply["protobuf_message_as_bytes"]
    plain = crypto.gcm_decrypt(key, response["nonce"], crypto.sha256(metadata(items)), payload, response["tag"])
    return plain, response["counter"]
