# SPDX-License-Identifier: Apache-2.0
"""Framing on the host: any cut of the stream gives the same messages."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tools.radio.frames import GAP, LARGEST, Assembler, TooLong, encode

message_lists = st.lists(st.binary(min_size=1, max_size=LARGEST), max_size=4)


@given(messages=message_lists, data=st.data())
def test_messages_survive_any_cut_of_the_stream(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode, messages))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    assembler = Assembler()
    edges = [0, *cuts, len(stream)]
    found = [message for start, end in itertools.pairwise(edges) for message in assembler.feed(stream[start:end], 0.0)]
    assert found == messages
    assert not assembler.partial


@given(noise=st.lists(st.binary(max_size=64), max_size=20))
def test_noise_gives_messages_of_legal_size_or_ends_the_stream(noise: list[bytes]) -> None:
    assembler = Assembler()
    try:
        for piece in noise:
            for message in assembler.feed(piece, 0.0):
                assert 1 <= len(message) <= LARGEST
    except TooLong:
        pass


def test_a_gap_inside_a_message_abandons_it() -> None:
    assembler = Assembler()
    assert list(assembler.feed(encode(b"abandoned")[:5], 10.0)) == []
    assert list(assembler.feed(encode(b"whole"), 10.0 + GAP + 0.01)) == [b"whole"]


def test_a_pause_short_of_the_gap_does_not() -> None:
    assembler = Assembler()
    data = encode(b"patience")
    assert list(assembler.feed(data[:3], 10.0)) == []
    assert list(assembler.feed(data[3:], 10.0 + GAP)) == [b"patience"]


def test_empty_messages_are_skipped() -> None:
    assert list(Assembler().feed(b"\x00\x00\x00\x00" + encode(b"x"), 0.0)) == [b"x"]


def test_the_longest_message_passes_and_one_byte_more_does_not() -> None:
    assert list(Assembler().feed(encode(bytes(LARGEST)), 0.0)) == [bytes(LARGEST)]
    with pytest.raises(TooLong):
        encode(bytes(LARGEST + 1))
    with pytest.raises(TooLong):
        list(Assembler().feed((LARGEST + 1).to_bytes(2, "big"), 0.0))
