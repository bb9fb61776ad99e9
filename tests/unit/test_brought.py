# SPDX-License-Identifier: Apache-2.0
"""What the router makes of what has to do with an authority: brought by anybody, asked by an owner, said by a key that
a roster lists."""

import codes as faults
from latchkey import courier
from support import owner
from test_router import Car, fault, request

LATCHKEY = 76
PARCEL = b"\x2a\x00"  # field 5 of a ToLatchkey


class Brought:
    """What the courier is asked in a `with` of it."""

    def __init__(self):
        self.asked = []

    def act(self, parts, reply, failed, data):
        self.asked.append((parts, reply.conn, bytes(data)))
        self.reply, self.failed = reply, failed

    def __enter__(self):
        self._real, courier.act = courier.act, self.act
        return self

    def __exit__(self, *error):
        courier.act = self._real


def unsigned(car, domain, payload):
    return car.send(request(to_destination={"domain": domain}, protobuf_message_as_bytes=payload))


def test_anybody_may_bring_a_parcel_and_the_courier_takes_it():
    car = Car(owner())
    car.router.parts = "parts"
    with Brought() as brought:
        assert unsigned(car, LATCHKEY, PARCEL) is None, "it is answered when it has been looked at"
    assert brought.asked == [("parts", car.conn, PARCEL)] and not brought.reply.verified


def test_nothing_but_a_parcel_is_taken_unsigned_and_no_other_domain_takes_one():
    car = Car(owner())
    with Brought() as brought:
        for first in (0, 1, 4, 6, 7, 8):
            assert fault(unsigned(car, LATCHKEY, bytes((first << 3 | 2, 0)))) == faults.INSUFFICIENT_PRIVILEGES
        assert fault(unsigned(car, LATCHKEY, b"")) == faults.INSUFFICIENT_PRIVILEGES
        for domain in (2, 3):
            assert fault(unsigned(car, domain, PARCEL)), domain
    assert not brought.asked
