# SPDX-License-Identifier: Apache-2.0
"""The protobuf codec: hostile bytes are refused, everything else comes back as it went in."""

import gc
import random

import named
from latchkey.wire import messages, pb
from named import DESTINATION, ROUTABLE_MESSAGE, SESSION_INFO, UNSIGNED_MESSAGE


def refused(table, data):
    try:
        named.decode(table, data)
    except pb.DecodeError:
        return True
    return False


def test_a_message_comes_back_as_it_went_in():
    fields = {
        "to_destination": {"domain": 2},
        "from_destination": {"routing_address": b"r" * 16},
        "protobuf_message_as_bytes": b"",
        "flags": 0xFFFFFFFF,
        "uuid": bytes(range(16)),
        "signature_data": {"AES_GCM_Personalized_data": {"expires_at": 0xDEADBEEF, "counter": 1 << 30}},
    }
    decoded = named.decode(ROUTABLE_MESSAGE, named.encode(ROUTABLE_MESSAGE, fields))
    assert decoded["to_destination"]["domain"] == 2
    assert decoded["from_destination"]["routing_address"] == b"r" * 16
    assert decoded["protobuf_message_as_bytes"] == b""
    assert decoded["flags"] == 0xFFFFFFFF
    assert decoded["uuid"] == bytes(range(16))
    assert decoded["signature_data"]["AES_GCM_Personalized_data"] == {"expires_at": 0xDEADBEEF, "counter": 1 << 30}


def test_fields_are_written_in_ascending_order():
    data = named.encode(SESSION_INFO, {"handle": 3, "counter": 6, "clock_time": 2650})
    assert data.hex() == "0806" + "255a0a0000" + "3003"


def test_none_is_absent_and_zero_is_not():
    assert named.encode(SESSION_INFO, {"counter": None}) == b""
    assert named.encode(UNSIGNED_MESSAGE, {"RKEAction": 0}) == b"\x10\x00"
    assert named.decode(UNSIGNED_MESSAGE, b"\x10\x00")["sub_message"] == "RKEAction"


def test_unknown_fields_of_every_wire_type_are_skipped():
    unknown = b"\x98\x06\x96\x01" + b"\x99\x06" + bytes(8) + b"\x9a\x06\x02hi" + b"\x9d\x06" + bytes(4)
    ten_bytes = b"\x98\x06" + b"\xff" * 9 + b"\x01"
    assert named.decode(SESSION_INFO, unknown + b"\x08\x06" + ten_bytes) == {"counter": 6}


def test_unknown_groups_are_skipped_with_all_that_is_in_them():
    inner = b"\x08\x05" + b"\x9a\x06\x02hi" + b"\x9d\x06" + bytes(4) + b"\xa3\x06\xa4\x06"
    group = b"\x9b\x06" + inner + b"\x9c\x06"
    assert named.decode(SESSION_INFO, group + b"\x08\x06" + group) == {"counter": 6}
    assert named.decode(SESSION_INFO, b"\x9b\x06" * 32 + b"\x9c\x06" * 32 + b"\x08\x06") == {"counter": 6}
    assert refused(SESSION_INFO, b"\x9b\x06" * 33 + b"\x9c\x06" * 33), "too deep"
    assert refused(SESSION_INFO, b"\x9b\x06" * 500), "no end, and no recursion"
    assert refused(SESSION_INFO, b"\x9c\x06"), "an end without a beginning"
    assert refused(SESSION_INFO, b"\x9b\x06\xa4\x06"), "the end of another"
    assert refused(ROUTABLE_MESSAGE, b"\x32\x02\x9b\x06\x9c\x06"), "one that ends outside of its message"


def test_a_negative_number_is_its_lower_32_bits():
    for number in (-1, -2, -(1 << 31)):
        data = b"\x08"
        rest = number & 0xFFFFFFFFFFFFFFFF
        for _ in range(9):
            data += bytes([rest & 0x7F | 0x80])
            rest >>= 7
        assert named.decode(DESTINATION, data + bytes([rest]))["domain"] == number & 0xFFFFFFFF, number
    assert refused(DESTINATION, b"\x08" + b"\xff" * 8 + b"\x01"), "57 bits are no negative number"
    assert refused(DESTINATION, b"\x08" + b"\xff" * 9 + b"\x03"), "66 bits"


def test_a_message_that_comes_in_parts_is_one():
    parts = b"\x6a\x04\x0a\x02\x18\x05" + b"\x6a\x04\x2a\x02\x18\x07" + b"\x6a\x05\x2a\x03\x2a\x01t"
    data = named.decode(ROUTABLE_MESSAGE, parts)["signature_data"]
    assert data["signer_identity"]["handle"] == 5
    assert data["AES_GCM_Personalized_data"] == {"counter": 7, "tag": b"t"}


def test_what_could_be_read_before_the_error_is_there():
    whole = named.encode(ROUTABLE_MESSAGE, {"from_destination": {"routing_address": b"a"}, "uuid": b"u"})
    out = {}
    try:
        pb.decode(messages.ROUTABLE_MESSAGE, whole + b"\xff", out)
    except pb.DecodeError:
        pass
    assert out[7][2] == b"a" and out[51] == b"u"


def test_the_last_of_several_wins():
    assert named.decode(SESSION_INFO, b"\x08\x01\x08\x02") == {"counter": 2}


def test_a_oneof_keeps_only_its_last_member():
    decoded = named.decode(DESTINATION, b"\x08\x02\x12\x01a")
    assert decoded == {"sub_destination": "routing_address", "routing_address": b"a"}


def test_hostile_bytes_are_refused():
    assert refused(SESSION_INFO, b"\x0a\x01a"), "wrong wire type of a known field"
    assert refused(SESSION_INFO, b"\x0b"), "a group"
    assert refused(SESSION_INFO, b"\x9b\x06"), "an unknown group"
    assert refused(SESSION_INFO, b"\x00\x00"), "field number 0"
    assert refused(SESSION_INFO, b"\x08"), "no varint"
    assert refused(SESSION_INFO, b"\x08\x80"), "varint cut short"
    assert refused(SESSION_INFO, b"\x08" + b"\x80" * 10 + b"\x01"), "varint of eleven bytes"
    assert refused(SESSION_INFO, b"\x08\xff\xff\xff\xff\x1f"), "varint of 33 bits"
    assert refused(SESSION_INFO, b"\x08\x80\x80\x80\x80\x80\x01"), "varint with bit 35"
    assert refused(SESSION_INFO, b"\x12\x05abcd"), "length past the end"
    assert refused(SESSION_INFO, b"\x12\xff\xff\xff\xff\x0f"), "length of 4 GB"
    assert refused(SESSION_INFO, b"\x25abc"), "fixed32 cut short"
    assert refused(SESSION_INFO, b"\x98\x06" + b"\xff" * 10), "unknown varint that never ends"
    assert refused(SESSION_INFO, b"\x99\x06abc"), "unknown fixed64 cut short"
    assert refused(ROUTABLE_MESSAGE, b"\x32\x03\x08"), "nested message past the end"
    assert refused(ROUTABLE_MESSAGE, b"\x32\x01\x08"), "nested varint must not read on into its parent"


def test_thirty_two_bits_and_padded_varints_pass():
    assert named.decode(SESSION_INFO, b"\x08\xff\xff\xff\xff\x0f")["counter"] == 0xFFFFFFFF
    assert named.decode(SESSION_INFO, b"\x08\x86\x80\x80\x80\x80\x80\x00")["counter"] == 6


def test_no_bytes_crash_the_decoder():
    random.seed(7)
    good = named.encode(ROUTABLE_MESSAGE, {"to_destination": {"domain": 2}, "uuid": bytes(16), "flags": 2})
    survived = 0
    for i in range(3000):
        data = bytearray(good) if i % 2 else bytearray(random.getrandbits(8) for _ in range(i % 40))
        for _ in range(1 + i % 3):
            if data:
                data[random.randrange(len(data))] = random.getrandbits(8)
        for table in (ROUTABLE_MESSAGE, UNSIGNED_MESSAGE):
            try:
                named.decode(table, data)
                survived += 1
            except pb.DecodeError:
                pass
    assert survived > 100


def test_a_message_that_fits_no_frame_is_refused():
    named.encode(ROUTABLE_MESSAGE, {"protobuf_message_as_bytes": bytes(1019)})
    try:
        named.encode(ROUTABLE_MESSAGE, {"protobuf_message_as_bytes": bytes(1020)})
    except pb.EncodeError:
        return
    raise AssertionError("1,023 bytes were encoded")


def test_decoding_a_command_allocates_under_1500_bytes():
    sig = {"signer_identity": {"public_key": bytes(65)}, "AES_GCM_Personalized_data": {"tag": bytes(16), "counter": 9}}
    data = named.encode(ROUTABLE_MESSAGE, {"to_destination": {"domain": 2}, "signature_data": sig, "uuid": bytes(16)})
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    pb.decode(messages.ROUTABLE_MESSAGE, data)
    used = gc.mem_alloc() - before
    gc.enable()
    assert used < 1500, used


def test_a_field_is_known_by_all_of_its_number():
    table = (b"\x01\x0f\x69\x3a\x82\x00", b"\x81\x00")  # 1: a message, 1001: bytes, 2: a number, of the oneof
    fields = {1: {1: 7}, 1001: b"label", 2: 3}
    data = pb.encode(table, fields)
    found = pb.decode(table, data)
    assert found == {1: {1: 7, 0: 1}, 1001: b"label", 2: 3, 0: 2}
    for number in (105, 233, 129, 130, 1025, 1002):
        other = pb.encode(bytes((number & 127, number >> 7 << 3)), {number: 5})
        assert pb.decode(table, other) == {}, number
        assert pb.decode(table, other + data) == found, number
