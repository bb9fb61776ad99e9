# SPDX-License-Identifier: Apache-2.0
"""The serial link: lines are taken once and in order, connections are apart, and a new host finds a clean table."""

import asyncio
import io
import json
import sys
import time

from latchkey.faults import BUSY
from latchkey.link import lines
from latchkey.link.serial import SerialLink

# docs/bench.md, "Lines": the marks of a line's place in its message, and the sizes.
WHOLE, FIRST, MIDDLE, LAST = b".<+>"
PIECE = 108


async def run(link):
    await asyncio.gather(*[task for _, task in link.tasks()])


class _Port(io.IOBase):
    """A serial port whose other end is this test."""

    def __init__(self):
        self.incoming = b""
        self.outgoing = b""

    def ioctl(self, op, arg):
        if op == 3:  # poll
            return arg & 1 if self.incoming else 0
        return -1

    def read(self, size):
        data, self.incoming = self.incoming[:size], self.incoming[size:]
        return data

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data):
        self.outgoing += bytes(data)
        return len(data)

    def said(self):
        """What was written since the last time."""
        said, self.outgoing = self.outgoing, b""
        return said


class _Router:
    def __init__(self):
        self.handled = []
        self.answer = None

    def handle(self, conn, message):
        self.handled.append((conn.number, bytes(message)))
        if self.answer:
            self.answer(conn, message)


class _Bench:
    def __init__(self):
        self.requests = []
        self.event = asyncio.Event()

    def handle(self, request):
        self.requests.append(request)
        op = request.get("op")
        if op == "later":
            return self._later(request)
        if op == "fail":
            raise ValueError("a secret")
        if op == "nothing":
            return None
        return {"ok": True, "result": op}

    async def _later(self, request):
        await self.event.wait()
        return {"ok": True, "result": "later"}


class _Host:
    """What a host does, without waiting for acknowledgements: those are asked for in the tests."""

    def __init__(self, bench=None):
        self.port = _Port()
        self.router = _Router()
        self.link = SerialLink(self._handle, bench and bench.handle, lambda: {"boot": "abcd", "vin": None}, self.port)
        self.writer = lines.Writer()
        self.seq = 40

    async def begin(self, sync=9):
        self.task = asyncio.create_task(run(self.link))
        await self.settle()
        self.line("S", sync, self.seq)
        await self.settle()
        return self

    def _handle(self, conn, message):
        self.router.handle(conn, message)

    def connected(self):
        return sorted(conn.number for conn in self.link.everybody())

    def line(self, kind, conn, seq, part=WHOLE, body=b""):
        self.type(self.writer.line(ord(kind), conn, seq, part, body))

    def type(self, data):
        for byte in data:  # past the port, whose polling takes a millisecond a byte under the unix port
            self.link._feed(byte)

    async def say(self, kind, conn, message):
        """A whole message, in new lines."""
        pieces = [message[at : at + PIECE] for at in range(0, len(message), PIECE)] or [b""]
        for at in range(len(pieces)):
            if len(pieces) == 1:
                part = WHOLE
            else:
                part = MIDDLE if at else FIRST
                if at == len(pieces) - 1:
                    part = LAST
            self.seq = self.seq + 1 & 0xFF
            self.line(kind, conn, self.seq, part, pieces[at])
            await self.settle()

    async def settle(self):
        """Let the board take and say what there is."""
        quiet = 0
        for _ in range(5000):
            before = len(self.port.outgoing)
            await asyncio.sleep_ms(0)
            busy = self.port.incoming or self.link._queue or len(self.port.outgoing) != before
            quiet = 0 if busy else quiet + 1
            if quiet == 4:
                return
        raise AssertionError("the link does not come to rest")

    def frames(self):
        """What the board has said since the last time."""
        reader = lines.Reader()
        said = []
        for byte in self.port.said():
            if reader.feed(byte):
                said.append((chr(reader.kind), reader.conn, reader.seq, reader.body))
        return said

    def messages(self, kind):
        """Whole messages of one kind since the last time."""
        said = []
        data = b""
        reader = lines.Reader()
        for byte in self.port.said():
            if reader.feed(byte) and chr(reader.kind) == kind:
                data = reader.body if reader.first else data + reader.body
                if reader.last:
                    said.append((reader.conn, data))
        return said

    def answers(self):
        return [json.loads(data) for _, data in self.messages("b")]


async def test_at_boot_the_board_says_hello():
    host = _Host()
    task = asyncio.create_task(run(host.link))
    await host.settle()
    ((kind, sync, _, body),) = host.frames()
    assert (kind, sync) == ("s", 0)
    assert json.loads(body) == {"boot": "abcd", "vin": None, "bench": False}
    task.cancel()


async def test_what_comes_in_at_the_port_is_answered_at_the_port():
    host = _Host()
    asyncio.create_task(run(host.link))
    await host.settle()
    host.frames()
    host.port.incoming = b"noise" + bytes(host.writer.line(ord("S"), 3, 7, WHOLE, b""))
    await host.settle()
    host.port.incoming = bytes(host.writer.line(ord("V"), 1, 8, WHOLE, b"hello"))
    await host.settle()
    assert [frame[:2] for frame in host.frames()] == [("s", 3), ("a", 0)]
    assert host.router.handled == [(1, b"hello")]


async def test_a_host_is_answered_with_the_number_of_its_sync():
    host = await _Host(_Bench()).begin(sync=77)
    kind, sync, _, body = host.frames()[-1]
    assert (kind, sync) == ("s", 77)
    assert json.loads(body)["bench"] is True


async def test_before_a_sync_nothing_is_taken_and_the_board_says_hello():
    host = _Host()
    asyncio.create_task(run(host.link))
    await host.settle()
    host.frames()
    await host.say("V", 1, b"early")
    assert [frame[:2] for frame in host.frames()] == [("s", 0)]
    assert host.router.handled == []


async def test_a_message_is_handled_and_each_of_its_lines_acknowledged():
    host = await _Host().begin()
    host.frames()
    message = bytes(range(250))
    await host.say("V", 3, message)
    assert host.router.handled == [(3, message)]
    assert [frame[:3] for frame in host.frames()] == [("a", 0, 41), ("a", 0, 42), ("a", 0, 43)]


async def test_a_line_sent_again_is_acknowledged_again_and_handled_once():
    host = await _Host().begin()
    await host.say("V", 1, b"once")
    host.frames()
    host.line("V", 1, host.seq, WHOLE, b"once")
    await host.settle()
    assert host.frames() == [("a", 0, host.seq, b"")]
    assert host.router.handled == [(1, b"once")]


async def test_a_middle_line_sent_again_is_in_the_message_once():
    host = await _Host().begin()
    host.line("V", 1, 41, FIRST, b"ab")
    host.line("V", 1, 41, FIRST, b"ab")
    host.line("V", 1, 42, MIDDLE, b"cd")
    host.line("V", 1, 42, MIDDLE, b"cd")
    host.line("V", 1, 43, LAST, b"ef")
    await host.settle()
    assert host.router.handled == [(1, b"abcdef")]


async def test_after_a_missing_line_the_board_asks_for_a_new_start():
    host = await _Host().begin()
    host.frames()
    host.line("V", 1, host.seq + 2, WHOLE, b"gap")
    await host.settle()
    assert [frame[:2] for frame in host.frames()] == [("s", 0)]
    assert host.router.handled == []


async def test_the_numbers_go_round():
    host = _Host()
    host.seq = 254
    await host.begin()
    for i in range(4):
        await host.say("V", 1, b"%d" % i)
    assert host.router.handled == [(1, b"0"), (1, b"1"), (1, b"2"), (1, b"3")]


async def test_garbage_between_lines_changes_nothing():
    host = await _Host().begin()
    host.type(b"\x00\xffnoise @V01")
    await host.say("V", 1, b"good")
    assert host.router.handled == [(1, b"good")]


async def test_a_message_without_its_first_line_is_dropped():
    host = await _Host().begin()
    host.line("V", 1, 41, MIDDLE, b"middle")
    host.line("V", 1, 42, LAST, b"last")
    host.line("V", 1, 43, WHOLE, b"next")
    await host.settle()
    assert host.router.handled == [(1, b"next")]


async def test_lines_of_two_connections_are_never_one_message():
    host = await _Host().begin()
    host.line("V", 1, 41, FIRST, b"one")
    host.line("V", 2, 42, LAST, b"two")
    host.line("V", 1, 43, WHOLE, b"next")
    await host.settle()
    assert host.router.handled == [(1, b"next")]


async def test_what_goes_on_after_the_end_or_an_interruption_of_a_message_belongs_to_none():
    host = await _Host().begin()
    host.line("V", 1, 41, FIRST, b"one")
    host.line("V", 2, 42, LAST, b"two")
    host.line("V", 1, 43, LAST, b"interrupted")
    host.line("V", 1, 44, WHOLE, b"whole")
    host.line("V", 1, 45, LAST, b"late")
    for seq in range(46, 56):
        host.line("V", 1, seq, FIRST if seq == 46 else MIDDLE, bytes(PIECE))
    host.line("V", 1, 56, LAST, b"too long, and its end would have room")
    host.line("V", 1, 57, WHOLE, b"next")
    await host.settle()
    assert host.router.handled == [(1, b"whole"), (1, b"next")]


async def test_a_message_of_whole_lines_has_no_line_more():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: conn.send(bytes(2 * PIECE))
    await host.say("V", 1, b"x")
    assert [len(body) for kind, _, _, body in host.frames() if kind == "v"] == [PIECE, PIECE]


async def test_too_long_a_message_is_dropped_whole():
    host = await _Host().begin()
    await host.say("V", 1, bytes(1025))
    await host.say("V", 1, b"next")
    assert host.router.handled == [(1, b"next")]


async def test_the_longest_message_goes_both_ways():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: conn.send(bytes(reversed(bytes(message))))
    message = bytes(i * 7 & 0xFF for i in range(1024))
    await host.say("V", 1, message)
    assert host.messages("v") == [(1, bytes(reversed(message)))]


async def test_an_answer_goes_to_the_connection_that_asked():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: conn.send(b"to " + bytes(message))
    await host.say("V", 1, b"one")
    await host.say("V", 2, b"two")
    assert host.messages("v") == [(1, b"to one"), (2, b"to two")]


async def test_lines_to_the_host_are_numbered_without_a_gap():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: conn.send(bytes(1000))
    numbers = []
    for _ in range(30):
        await host.say("V", 1, b"x")
        numbers += [frame[2] for frame in host.frames() if frame[0] != "a"]
    assert len(numbers) > 256
    assert numbers == [i & 0xFF for i in range(len(numbers))]


async def test_no_answer_is_ever_dropped():
    host = await _Host().begin()

    def flood(conn, message):
        for i in range(6):
            conn.send(b"%d" % i)

    host.router.answer = flood
    host.line("V", 1, 41, WHOLE, b"go")
    host.line("V", 2, 42, WHOLE, b"go")
    await host.settle()
    said = host.messages("v")
    assert [data for conn, data in said if conn == 1] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert [data for conn, data in said if conn == 2] == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_while_answers_wait_no_line_is_read():
    for count in (1, 4, 5, 16, 64):
        host = await _Host().begin()
        host.router.answer = lambda conn, message: conn.send(bytes(message) + bytes(300))
        most = 0
        lines = b""
        for n in range(count):
            host.seq = host.seq + 1 & 0xFF
            lines += bytes(host.writer.line(ord("V"), 1 + n % 3, host.seq, WHOLE, b"%d" % n))
        host.port.incoming = lines
        for _ in range(100_000):
            await asyncio.sleep_ms(0)
            most = max(most, len(host.link._queue))
            if not host.port.incoming and not host.link._queue:
                break
        await host.settle()
        said = host.messages("v")
        assert [data[: len(data) - 300] for _, data in said] == [b"%d" % n for n in range(count)]
        assert [conn for conn, _ in said] == [1 + n % 3 for n in range(count)]
        assert most <= 4, most
        host.task.cancel()


async def test_a_broadcast_goes_to_every_connection():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    await host.say("V", 5, b"x")
    for connection in host.link.everybody():
        connection.tell(b"news")
    await host.settle()
    assert sorted(host.messages("v")) == [(1, b"news"), (5, b"news")]


async def test_of_broadcasts_that_wait_the_newest_goes():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    await host.say("V", 5, b"x")
    for n in range(4):
        for connection in host.link.everybody():
            connection.tell(b"news %d" % n)
    await host.settle()
    assert sorted(host.messages("v")) == [(1, b"news 3"), (5, b"news 3")]


async def test_news_takes_the_place_of_no_answer_and_of_nobody_elses_news():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    await host.say("V", 5, b"x")
    one, five = sorted(host.link.everybody(), key=lambda connection: connection.number)
    host.frames()
    five.tell(b"news for five")
    one.send(b"answer")
    five.send(b"answer for five")
    one.tell(b"news")
    one.send(b"another")
    one.tell(b"newest")
    await host.settle()
    assert host.messages("v") == [
        (5, b"news for five"),
        (1, b"answer"),
        (5, b"answer for five"),
        (1, b"another"),
        (1, b"newest"),
    ]


async def test_while_other_things_wait_than_answers_lines_are_read():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    (connection,) = host.link.everybody()
    connection.tell(b"news")
    for i in range(6):
        host.link.event({"event": "n", "i": i})
    assert host.link._count(ord("V")) == 0 and host.link._count(ord("E")) == 6
    connection.send(b"answer")
    assert host.link._count(ord("V")) == host.link._count(ord("V"), 1) == 1 and host.link._count(ord("V"), 0) == 0


class _Starving:
    """Raises MemoryError the next so many times that it is called, and then calls what it stands for."""

    def __init__(self, of, name, times):
        self.real = getattr(of, name)
        self.times = times
        setattr(of, name, self)

    def __call__(self, *arguments):
        if self.times:
            self.times -= 1
            raise MemoryError
        return self.real(*arguments)


async def test_a_line_that_there_is_no_memory_to_acknowledge_is_taken_when_it_comes_again():
    host = await _Host().begin()
    host.frames()
    _Starving(host.link, "_line", 1)
    line = bytes(host.writer.line(ord("V"), 1, 41, WHOLE, b"once"))
    host.port.incoming = line
    await host.settle()
    assert host.frames() == [] and host.router.handled == []
    await asyncio.sleep_ms(20)
    host.port.incoming = line
    await host.settle()
    assert [frame[:3] for frame in host.frames()] == [("a", 0, 41)]
    assert host.router.handled == [(1, b"once")]


async def test_a_message_that_there_is_no_memory_to_handle_is_answered_with_busy_and_the_line_goes_on():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: conn.send(bytes(message))
    _Starving(host.router, "handle", 1)
    await host.say("V", 1, b"one")
    await host.say("V", 1, b"two")
    assert host.messages("v") == [(1, BUSY), (1, b"two")]


async def test_a_message_that_there_is_no_memory_to_collect_is_dropped_whole():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: conn.send(bytes(message))

    class Full:
        def __setitem__(self, place, piece):
            raise MemoryError

    real, host.link._message = host.link._message, Full()
    host.line("V", 1, 41, FIRST, b"ab")
    host.link._message = real
    host.line("V", 1, 42, MIDDLE, b"cd")
    host.line("V", 1, 43, LAST, b"ef")
    host.seq = 43
    await host.say("V", 1, b"next")
    assert host.messages("v") == [(1, BUSY), (1, b"next")]


async def test_a_piece_that_there_is_no_memory_to_send_goes_later_under_its_number():
    host = await _Host().begin()
    host.frames()
    for times in (1, 2, 5):
        starving = _Starving(host.link._writer, "line", 0)
        host.router.answer = lambda conn, message: conn.send(bytes(250))
        host.line("V", 1, host.seq + 1 & 0xFF, WHOLE, b"x")
        host.seq = host.seq + 1 & 0xFF
        starving.times = times
        for _ in range(100):
            await asyncio.sleep_ms(1)
    numbers = [frame[2] for frame in host.frames() if frame[0] == "v"]
    assert len(numbers) == 9 and numbers == list(range(numbers[0], numbers[0] + 9))


async def test_an_event_that_there_is_no_memory_for_costs_nothing_else():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    starving = _Starving(host.link, "post", 0)
    starving.times = 2
    host.link.event({"event": "one"})
    host.link.event({"event": "two"})
    host.link.event({"event": "three"})
    await host.settle()
    ((_, data),) = host.messages("e")
    assert json.loads(data) == {"event": "three", "lost": 2}


async def test_a_bench_request_that_there_is_no_memory_for_is_answered_so_and_the_bench_is_free_again():
    for times in (1, 2):
        host = await _Host(_Bench()).begin()
        _Starving(host.link._requests, "_reply", times)
        await host.say("B", 0, b'{"id": 5, "op": "tap"}')
        assert [answer.get("error") for answer in host.answers()] == ["out of memory"] * (2 - times)
        await host.say("B", 0, b'{"id": 6, "op": "tap"}')
        assert host.answers() == [{"id": 6, "ok": True, "result": "tap"}]


async def test_a_bench_request_that_there_is_no_memory_to_collect_is_no_phones():
    host = await _Host(_Bench()).begin()
    _Starving(host.link, "_collect", 1)
    await host.say("B", 0, b'{"id": 5, "op": "tap"}')
    assert [frame[0] for frame in host.frames()] == ["s", "s", "a"]


async def test_closing_a_connection_drops_what_waits():
    host = await _Host().begin()
    host.router.answer = lambda conn, message: (conn.send(b"late"), conn.tell(b"news"))
    host.line("V", 3, 41, WHOLE, b"x")
    host.line("V", 4, 42, WHOLE, b"x")
    host.line("C", 4, 43)
    await host.settle()
    assert host.connected() == [3]
    assert host.messages("v") == [(3, b"late"), (3, b"news")], "of the one that is there still, and of no other"


async def test_a_late_answer_goes_to_nobody_once_its_connection_is_gone_and_its_number_somebody_elses():
    host = await _Host().begin()
    asked = []
    host.router.answer = lambda conn, message: asked.append(conn)
    await host.say("V", 1, b"who asks")
    host.seq += 1
    host.line("C", 1, host.seq)
    await host.settle()
    asked[0].send(b"to nobody")
    await host.say("V", 1, b"somebody else")
    asked[0].send(b"late")
    asked[1].send(b"in time")
    await host.settle()
    assert [data for _, data in host.messages("v")] == [b"in time"]


async def test_a_connection_too_many_is_closed_and_the_others_go_on():
    host = await _Host().begin()
    for conn in range(1, 10):
        await host.say("V", conn, b"x")
    assert [frame[:2] for frame in host.frames() if frame[0] == "c"] == [("c", 9)]
    await host.say("V", 8, b"y")
    assert host.router.handled[-1] == (8, b"y")
    assert len(host.router.handled) == 9


async def test_connection_zero_is_no_phone():
    host = await _Host().begin()
    await host.say("V", 0, b"x")
    assert host.router.handled == []


async def test_a_new_host_ends_the_connections_of_the_one_before():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    await host.say("V", 2, b"x")
    host.line("S", 10, 200)
    await host.settle()
    assert host.connected() == []
    host.seq = 200
    await host.say("V", 1, b"new")
    assert host.router.handled[-1] == (1, b"new")


async def test_a_new_host_hears_nothing_that_was_meant_for_the_one_before():
    host = await _Host().begin()
    host.frames()
    host.router.answer = lambda conn, message: conn.send(b"late")
    host.line("V", 1, 41, WHOLE, b"x")
    host.link.event({"event": "of before"})
    host.line("S", 10, 200)
    await host.settle()
    assert [frame[0] for frame in host.frames()] == ["a", "s"]


async def test_a_connection_is_named_by_its_number():
    host = await _Host().begin()
    await host.say("V", 7, b"x")
    assert [connection.name for connection in host.link.everybody()] == ["serial/7"]


async def test_a_host_is_there_as_long_as_it_says_anything():
    for say in (lambda host: host.line("A", 0, 0), lambda host: host.line("S", 10, 200)):
        host = await _Host().begin()
        host.link._heard = time.ticks_add(time.ticks_ms(), -15_000)
        say(host)
        host.link.tick()
        assert host.link._attached


async def test_a_line_of_a_kind_that_nobody_sends_is_not_taken():
    host = await _Host().begin()
    host.frames()
    host.line("X", 1, 41, WHOLE, b"x")
    await host.say("V", 1, b"the line has its number")
    assert host.router.handled == [(1, b"the line has its number")]
    assert [frame[0] for frame in host.frames()] == ["a"]


async def test_a_host_that_says_good_bye_gets_no_events_until_it_is_back():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    await host.say("C", 0, b"")
    assert host.connected() == []
    host.link.event({"event": "unheard"})
    await host.settle()
    assert host.messages("e") == []
    host.line("A", 0, 0)
    await host.settle()
    host.link.event({"event": "heard"})
    await host.settle()
    assert host.messages("e") == [(0, b'{"event": "heard"}')]


async def test_a_host_that_falls_silent_has_left():
    host = await _Host().begin()
    await host.say("V", 1, b"x")
    host.link._heard = time.ticks_add(time.ticks_ms(), -14_000)
    host.link.tick()
    assert host.connected() == [1]
    host.link._heard = time.ticks_add(time.ticks_ms(), -15_000)
    host.link.tick()
    assert host.connected() == []
    host.link.event({"event": "unheard"})
    await host.settle()
    assert host.messages("e") == []


async def test_events_without_a_host_go_nowhere():
    host = _Host()
    host.link.event({"event": "boot"})
    asyncio.create_task(run(host.link))
    await host.settle()
    assert host.messages("e") == []


async def test_events_that_find_no_room_are_counted_in_the_next_one():
    host = await _Host().begin()
    for i in range(20):
        host.link.event({"event": "n", "n": i})
    await host.settle()
    assert len(host.messages("e")) == 16
    host.link.event({"event": "n", "n": 20})
    await host.settle()
    ((_, data),) = host.messages("e")
    assert json.loads(data) == {"event": "n", "n": 20, "lost": 4}


async def test_a_bench_request_is_answered_under_its_id():
    host = await _Host(_Bench()).begin()
    await host.say("B", 0, b'{"id": 5, "op": "tap"}')
    assert host.answers() == [{"id": 5, "ok": True, "result": "tap"}]


async def test_asking_again_gives_the_same_answer_and_does_nothing_twice():
    bench = _Bench()
    host = await _Host(bench).begin()
    for _ in range(3):
        await host.say("B", 0, b'{"id": 5, "op": "tap"}')
    assert host.answers() == [{"id": 5, "ok": True, "result": "tap"}] * 3
    assert len(bench.requests) == 1


async def test_a_slow_answer_comes_later_and_meanwhile_the_bench_is_busy():
    bench = _Bench()
    host = await _Host(bench).begin()
    await host.say("B", 0, b'{"id": 5, "op": "later"}')
    await host.say("B", 0, b'{"id": 5, "op": "later"}')
    await host.say("B", 0, b'{"id": 6, "op": "tap"}')
    assert host.answers() == [{"id": 6, "ok": False, "error": "busy with another request"}]
    bench.event.set()
    await host.settle()
    assert host.answers() == [{"id": 5, "ok": True, "result": "later"}]
    assert len(bench.requests) == 1


async def test_a_request_that_fails_inside_says_so_without_details():
    host = await _Host(_Bench()).begin()
    await host.say("B", 0, b'{"id": 5, "op": "fail"}')
    (answer,) = host.answers()
    assert answer["ok"] is False
    assert "ValueError" in answer["error"] and "secret" not in answer["error"]
    await host.say("B", 0, b'{"id": 6, "op": "tap"}')
    assert host.answers()[0]["ok"] is True


async def test_a_request_without_an_answer_is_answered_with_nothing():
    host = await _Host(_Bench()).begin()
    await host.say("B", 0, b'{"id": 5, "op": "nothing"}')
    assert host.answers() == [{"id": 5, "ok": True, "result": None}]


async def test_what_is_no_request_is_refused():
    bench = _Bench()
    host = await _Host(bench).begin()
    for text in (b"", b"{", b"[]", b"7", b"{}", b'{"id": "x"}', b"\xff\xfe", b'{"op": "tap"}'):
        await host.say("B", 0, text)
        (answer,) = host.answers()
        assert answer["id"] is None and answer["ok"] is False, text
    assert bench.requests == []


async def test_a_new_host_does_not_get_the_answers_of_the_one_before():
    bench = _Bench()
    host = await _Host(bench).begin()
    await host.say("B", 0, b'{"id": 5, "op": "tap"}')
    host.line("S", 10, host.seq)
    await host.settle()
    await host.say("B", 0, b'{"id": 5, "op": "brake"}')
    assert [request["op"] for request in bench.requests] == ["tap", "brake"]


async def test_without_a_bench_its_requests_are_acknowledged_and_ignored():
    host = await _Host().begin()
    host.frames()
    await host.say("B", 0, b'{"id": 5, "op": "tap"}')
    assert host.frames() == [("a", 0, host.seq, b"")]


async def test_ctrl_c_interrupts_where_the_build_has_a_prompt():
    sys.modules["latchkey.prompt"] = None
    host = _Host()
    del sys.modules["latchkey.prompt"]
    for byte in range(256):
        if byte != 3:
            host.link._feed(byte)
    try:
        host.link._feed(3)
    except KeyboardInterrupt:
        return
    raise AssertionError("Ctrl-C was swallowed")


async def test_in_a_production_build_it_is_a_byte_like_any_other():
    assert "latchkey.prompt" not in sys.modules
    host = await _Host().begin()
    for byte in range(256):
        host.link._feed(byte)
    await host.say("V", 1, b"served")
    assert host.router.handled == [(1, b"served")]


async def test_the_end_of_the_input_ends_the_link():
    class _Closed(_Port):
        def ioctl(self, op, arg):
            return arg & 1 if op == 3 else -1

    link = SerialLink(_Router().handle, None, dict, _Closed())
    try:
        await run(link)
    except EOFError:
        return
    raise AssertionError("a closed port went unnoticed")
