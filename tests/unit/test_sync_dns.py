# SPDX-License-Identifier: Apache-2.0
"""sync/dns against a name server in the same process: one question, and only its own answer is believed."""

import asyncio
import socket

from latchkey.sync import dns
from runner import skip_on_board

skip_on_board("a name server of its own needs a network")

NAME = b"roster.example.net"
POINTER = b"\xc0\x0c"


def record(kind, data, name=POINTER, group=1):
    return name + bytes((0, kind, 0, group, 0, 0, 1, 44, 0, len(data))) + data


ADDRESS = record(1, bytes((192, 0, 2, 17)))


def answer(query, *records, flags=b"\x81\x80", question=None, number=None, count=None):
    """To that query, with these records."""
    question = query[12:] if question is None else question
    number = query[:2] if number is None else number
    count = len(records) if count is None else count
    return number + flags + b"\x00\x01" + bytes((0, count)) + bytes(4) + question + b"".join(records)


class Names:
    """A name server that hands each query to `say`, which returns what it sends."""

    def __init__(self, say):
        self.say = say
        self.queries = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for port in range(15353, 16353):
            try:
                self.socket.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                pass
        self.port = port
        self.socket.setblocking(False)

    async def serve(self):
        while True:
            try:
                query, where = self.socket.recvfrom(512)
                self.queries.append(query)
                for packet in self.say(query):
                    self.socket.sendto(packet, where)
            except OSError:
                pass
            await asyncio.sleep_ms(1)


def ask(say, name=NAME):
    """(address or exception, the queries that were sent)."""
    names = Names(say)

    async def act():
        serving = asyncio.create_task(names.serve())
        try:
            return await dns.resolve(name, "127.0.0.1", names.port)
        except Exception as error:  # noqa: BLE001 - it is what the test asks for
            return error
        finally:
            serving.cancel()

    real = asyncio.wait_for_ms
    asyncio.wait_for_ms = lambda what, ms: real(what, min(ms, 100))
    try:
        return asyncio.run(act()), names.queries
    finally:
        asyncio.wait_for_ms = real
        names.socket.close()
        asyncio.new_event_loop()


def test_an_address_is_not_asked_about():
    for name in (b"192.0.2.1", b"0.0.0.0", b"255.255.255.255"):
        assert ask(lambda query: (), name) == (name.decode(), [])


def test_what_only_looks_like_an_address_is_a_name_and_never_goes_to_what_would_block():
    for name in (b"1.2.3", b"1.2.3.256", b"1.2.3.4.5", b"12345", b"1.2.3.x"):
        assert ask(lambda query: [answer(query, ADDRESS)], name)[0] == "192.0.2.17", name


def test_a_name_is_asked_about_in_one_question():
    found, queries = ask(lambda query: [answer(query, ADDRESS)])
    assert found == "192.0.2.17"
    assert queries[0][2:] == bytes((1, 0, 0, 1)) + bytes(6) + b"\x06roster\x07example\x03net\x00\x00\x01\x00\x01"


def test_an_alias_is_followed_as_far_as_the_answer_leads():
    alias = record(5, b"\x03cdn\xc0\x13")
    elsewhere = record(1, bytes((198, 51, 100, 2)), name=b"\x03cdn\x07example\x03net\x00")
    assert ask(lambda query: [answer(query, alias, elsewhere)])[0] == "198.51.100.2"


def test_records_of_other_kinds_are_passed_over():
    others = [record(28, bytes(16)), record(1, bytes(4), group=3), record(1, b"\x01\x02"), record(16, b"v=1")]
    assert ask(lambda query: [answer(query, *(others + [ADDRESS]))])[0] == "192.0.2.17"
    assert isinstance(ask(lambda query: [answer(query, *others)])[0], OSError)


def test_what_is_not_the_answer_to_this_question_is_not_heard():
    def lies(query):
        other = bytes((query[0] ^ 1,)) + query[1:2]
        wrong = record(1, bytes((203, 0, 113, 66)))
        return [
            b"",
            query[:2],
            query,  # no answer: the question itself
            answer(query, wrong, number=other),
            answer(query, wrong, question=query[12:].replace(b"roster", b"rooster")),
            answer(query, wrong, question=query[12:-4] + b"\x00\x1c\x00\x01"),
            answer(query, wrong)[:20],
            answer(query, ADDRESS),
        ]

    found, queries = ask(lies)
    assert (found, len(queries)) == ("192.0.2.17", 1), (found, queries)


def test_every_question_has_another_number():
    assert len({bytes(ask(lambda query: [answer(query, ADDRESS)])[1][0][:2]) for _ in range(8)}) > 6


def test_a_name_that_is_not_there_is_told_at_once():
    found, queries = ask(lambda query: [answer(query, flags=b"\x81\x83")])
    assert isinstance(found, OSError) and len(queries) == 1


def test_an_answer_that_is_lost_is_asked_for_again_and_silence_ends():
    asked = []

    def second(query):
        asked.append(query)
        return [answer(query, ADDRESS)] if len(asked) > 1 else []

    assert ask(second)[0] == "192.0.2.17"
    found, queries = ask(lambda query: ())
    assert isinstance(found, OSError) and len(queries) == 3


def test_an_answer_that_is_cut_or_lies_about_lengths_gives_no_address_that_is_not_in_it():
    whole = answer(b"ab" + bytes(10) + b"\x06roster\x07example\x03net\x00\x00\x01\x00\x01", ADDRESS)
    size = len(whole)

    def packets(change):
        return lambda query: [query[:2] + change(whole)[2:]]

    for cut in range(size - len(ADDRESS), size):
        found = ask(packets(lambda w, cut=cut: w[:cut]))[0]
        assert isinstance(found, OSError), (cut, found)
    for at in range(size - len(ADDRESS), size - 4):
        for value in (0, 1, 0x3F, 0x80, 0xBF, 0xC0, 0xFF):
            changed = bytes(whole[:at]) + bytes((value,)) + bytes(whole[at + 1 :])
            found = ask(packets(lambda w, changed=changed: changed))[0]
            assert found == "192.0.2.17" or isinstance(found, OSError), (at, value, found)
    more = ask(lambda query: [answer(query, ADDRESS, count=200)])[0]
    assert more == "192.0.2.17"


def test_a_name_that_cannot_be_one_is_refused():
    for name in (b"", b".", b"a..b", b"x" * 300 + b".net"):
        found, _ = ask(lambda query: [answer(query, flags=b"\x81\x81")], name)
        assert isinstance(found, (OSError, ValueError)), name
