# SPDX-License-Identifier: Apache-2.0
"""Requests side by side on the radio: each has its answer in order, and what finds no room is told BUSY."""

from __future__ import annotations

import pytest
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.radio import frames
from tests.ble.echo import AttPhone, EchoBoard, in_loop

BUSY = universal.RoutableMessage(
    from_destination=universal.Destination(domain=universal.DOMAIN_VEHICLE_SECURITY),
    signedMessageStatus=universal.MessageStatus(
        operation_status=universal.OPERATIONSTATUS_ERROR, signed_message_fault=universal.MESSAGEFAULT_ERROR_BUSY
    ),
).SerializeToString()


def message(number: int) -> bytes:
    """Of the size of a handshake."""
    return b"%04d" % number * 28


@pytest.mark.parametrize("mtu", [None, 517])
@pytest.mark.parametrize("count", [1, 2, 5, 16, 64])
@in_loop
async def test_every_request_has_its_answer(board: EchoBoard, count: int, mtu: int | None) -> None:
    async with AttPhone(board.air, mtu) as phone:
        await phone.connect()
        for number in range(count):
            await phone.send(message(number))
        assert [await phone.receive(20) for _ in range(count)] == [message(number) for number in range(count)]
        assert await phone.silent(0.3)


@in_loop
async def test_what_finds_no_room_while_the_board_is_busy_is_told_so(board: EchoBoard) -> None:
    """A phone that does not wait for anything, and a board that does not look for a while."""
    async with AttPhone(board.air, 517) as phone:
        await phone.connect()
        await phone.send(b"block 700")
        assert await phone.receive() == b"block 700"
        for number in range(64):
            await phone.write(frames.encode(message(number)), response=False)
        answers: list[bytes] = []
        while BUSY not in answers and len(answers) < 64:
            answers.append(await phone.receive(20))
        own = [answer for answer in answers if answer != BUSY]
        assert own == [message(number) for number in range(len(own))]
        assert len(own) >= 30  # 4 KB of them
        assert await phone.silent(1.2)
        assert await phone.ask(b"again") == b"again"
