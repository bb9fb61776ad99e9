# SPDX-License-Identifier: Apache-2.0
"""Messages over ATT packets, at every size of packet and in every kind of piece."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from host_tools.radio import frames
from host_tools.radio.phone_side import READ, VERSION, WRITE
from tests.ble.echo import AttPhone, EchoBoard, in_loop

BUSY = bytes.fromhex("3a020802 62040802 1001")  # from vehicle security, to nobody: there was no room


@pytest.mark.parametrize("response", [True, False], ids=["write", "write without response"])
@pytest.mark.parametrize("mtu", [None, 23, 115, 247, 517])
@in_loop
async def test_the_longest_message_arrives_whole_at_any_mtu(board: EchoBoard, mtu: int | None, response: bool) -> None:
    async with AttPhone(board.air, mtu) as phone:
        await phone.connect()
        assert phone.connection.att_mtu == (mtu or 23)
        message = os.urandom(1024)
        await phone.send(message, response=response)
        assert await phone.receive() == message
        assert max(len(piece) for piece in phone.pieces) == min(phone.connection.att_mtu - 3, 512)


@in_loop
async def test_one_byte_writes_make_a_message(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect()
        for response in (True, False):
            message = os.urandom(300)
            await phone.send(message, size=1, response=response)
            assert await phone.receive() == message


@in_loop
async def test_one_write_may_hold_messages_and_parts_of_messages(board: EchoBoard) -> None:
    async with AttPhone(board.air, 247) as phone:
        await phone.connect()
        first, second, third = b"one", b"two", os.urandom(300)
        stream = b"".join(frames.encode(each) for each in (first, second, third))
        await phone.write(stream[:200])
        await phone.write(stream[200:])
        assert [await phone.receive() for _ in range(3)] == [first, second, third]


@in_loop
async def test_a_long_write_of_att_is_one_write(board: EchoBoard) -> None:
    """What a client library does with a write that is longer than a packet, when it asks for a response."""
    async with AttPhone(board.air) as phone:
        await phone.connect()
        message = os.urandom(400)
        await phone.write(frames.encode(message))
        assert await phone.receive() == message


@in_loop
async def test_three_phones_at_once_lose_nothing_while_the_board_is_busy(board: EchoBoard) -> None:
    async with AttPhone(board.air) as a, AttPhone(board.air) as b, AttPhone(board.air) as c:
        phones = [await phone.connect() for phone in (a, b, c)]
        for _ in range(3):
            messages = [os.urandom(1024) for _ in phones]
            await a.ask(b"block 100")
            await asyncio.gather(*(p.send(m, response=False) for p, m in zip(phones, messages, strict=True)))
            assert [await phone.receive() for phone in phones] == messages


@in_loop
async def test_a_message_that_pauses_for_a_second_was_abandoned(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect()
        await phone.write(frames.encode(b"abandoned")[:5])
        await asyncio.sleep(1.2)
        assert await phone.ask(b"fresh") == b"fresh"


@in_loop
async def test_a_message_that_pauses_for_less_goes_on(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect()
        frame = frames.encode(b"slow but whole")
        await phone.write(frame[:5])
        await asyncio.sleep(0.6)
        await phone.write(frame[5:])
        assert await phone.receive() == b"slow but whole"


@in_loop
async def test_a_length_that_no_message_has_costs_that_write_only(board: EchoBoard) -> None:
    async with AttPhone(board.air, 247) as phone:
        await phone.connect()
        await phone.write(b"\x04\x01" + os.urandom(200))
        await phone.write(b"\xff\xff")
        await phone.write(b"\x00\x00\x00")
        await phone.write(b"\x03end")
        assert await phone.receive() == b"end"


@in_loop
async def test_more_than_the_board_can_hold_loses_whole_messages_or_none(board: EchoBoard) -> None:
    """A phone that does not wait for its answers, and a board that has no time: what comes back is whole."""
    async with AttPhone(board.air, 247) as phone, AttPhone(board.air, 247) as other:
        await phone.connect()
        await other.connect()
        sent = [bytes((n,)) * 1000 for n in range(20)]
        await phone.ask(b"block 500")
        for message in sent:
            await phone.send(message, response=False)
        assert await other.ask(b"and me?") == b"and me?"
        came: list[bytes] = []
        while came[-1:] != [b"last"]:  # it is told BUSY as well, while what came before still waits to be answered
            await asyncio.sleep(1.5)
            await phone.send(b"last")
            with contextlib.suppress(TimeoutError):
                while came[-1:] != [b"last"]:
                    came.append(await phone.receive(1.5))
        whole = [message for message in came[:-1] if message != BUSY]  # what had no room is told so
        assert whole == sorted(set(sent).intersection(came))


@in_loop
async def test_the_service_is_what_clients_look_for(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect()
        assert phone.properties == {WRITE: 0x08 | 0x04, READ: 0x02 | 0x20, VERSION: 0x02}
        assert await phone.read(VERSION)
