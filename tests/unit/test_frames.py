# SPDX-License-Identifier: Apache-2.0
"""The messages of a connection come out whole, however the writes that carry them are cut."""

from latchkey.link.frames import MAX_MESSAGE, Assembler, encode


def _feed(assembler, data, now=0):
    return [bytes(message) for message in assembler.feed(data, now)]


def _messages(*sizes):
    return [bytes((i + size) & 0xFF for i in range(size)) for size in sizes]


def test_a_message_is_preceded_by_its_length_big_end_first():
    assert encode(b"\x05" * 0x102) == b"\x01\x02" + b"\x05" * 0x102
    assert _feed(Assembler(), b"\x00\x03abc") == [b"abc"]


def test_every_cut_of_two_messages_gives_the_two_messages():
    sent = _messages(5, 3)
    stream = b"".join(encode(message) for message in sent)
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assembler = Assembler()
            got = _feed(assembler, stream[:first])
            got += _feed(assembler, stream[first:second])
            got += _feed(assembler, stream[second:])
            assert got == sent, (first, second)


def test_one_write_may_hold_several_messages_and_a_part():
    one, two, three = _messages(1, 200, 30)
    assembler = Assembler()
    assert _feed(assembler, encode(one) + encode(two) + encode(three)[:7]) == [one, two]
    assert _feed(assembler, encode(three)[7:]) == [three]


def test_the_longest_message_fits_and_one_byte_more_does_not():
    (longest,) = _messages(MAX_MESSAGE)
    assembler = Assembler()
    assert _feed(assembler, encode(longest)) == [longest]
    assert _feed(assembler, b"\x04\x01" + bytes(MAX_MESSAGE + 1)) == []
    assert _feed(assembler, encode(b"next")) == [b"next"]


def test_after_too_long_a_length_the_rest_of_the_write_is_dropped():
    assembler = Assembler()
    assert _feed(assembler, b"\xff\xff" + encode(b"not this")) == []
    assert _feed(assembler, encode(b"this")) == [b"this"]


def test_a_length_of_zero_is_skipped():
    assert _feed(Assembler(), b"\x00\x00\x00\x00" + encode(b"x") + b"\x00\x00") == [b"x"]


def test_a_gap_of_over_a_second_inside_a_message_abandons_it():
    for part in (1, 2, 3, 6):
        assembler = Assembler()
        assert _feed(assembler, encode(b"abandoned")[:part], 1000) == []
        assert _feed(assembler, encode(b"next"), 2001) == [b"next"], part


def test_a_gap_of_a_second_or_less_does_not():
    assembler = Assembler()
    whole = encode(b"slow")
    got = []
    for i in range(len(whole)):
        got += _feed(assembler, whole[i : i + 1], i * 1000)
    assert got == [b"slow"]


def test_a_write_that_came_a_moment_after_the_look_at_the_clock_is_no_gap():
    for early in (1, 60_000):
        assembler = Assembler()
        assert _feed(assembler, encode(b"whole")[:4], 100_000) == []
        assembler.tick(100_000 - early)  # an interrupt was between the clock and the look
        assert _feed(assembler, encode(b"whole")[4:], 100_000 - early) == [b"whole"], early


def test_a_gap_between_messages_is_no_matter():
    assembler = Assembler()
    assert _feed(assembler, encode(b"one"), 0) == [b"one"]
    assert _feed(assembler, encode(b"two"), 500_000) == [b"two"]


def test_the_gap_is_measured_across_the_wrap_of_the_clock():
    import time

    last = time.ticks_add(0, -1)  # the largest tick
    assembler = Assembler()
    assert _feed(assembler, encode(b"wrapped")[:4], last) == []
    assert _feed(assembler, encode(b"wrapped")[4:], 10) == [b"wrapped"]


def test_reset_forgets_the_message_under_way():
    assembler = Assembler()
    assert _feed(assembler, encode(b"half")[:4]) == []
    assembler.reset()
    assert _feed(assembler, encode(b"whole")) == [b"whole"]


def test_the_views_share_one_buffer():
    assembler = Assembler()
    seen = []
    for message in assembler.feed(encode(b"one") + encode(b"two"), 0):
        seen.append(message)
    assert bytes(seen[0]) == b"two"  # the first view is overwritten: it was valid during its step only
