# SPDX-License-Identifier: Apache-2.0
"""Session info against the published vector, and what a stranger learns from one."""

import named as messages
from latchkey import crypto
from latchkey.session import handshake
from named import decode
from support import VEHICLE_PUBLIC, VIN, K, owner, sessions_of

INFO = bytes.fromhex(
    "0806124104c7a1f47138486aa4729971494878d33b1a24e39571f748a6e16c5955b3d877d3a6aaa0e955166474af"
    "5d32c410f439a2234137ad1bb085fd4e8813c958f11d971a104c463f9cc0d3d26906e982ed224adde6255a0a0000"
)
CHALLENGE = bytes.fromhex("1588d5a30eabc6f8fc9a951b11f6fd11")


def vector_session():
    sessions = sessions_of(owner())
    session = sessions.find(sessions._keychain.records[0].public)
    session.epoch = bytes.fromhex("4c463f9cc0d3d26906e982ed224adde6")
    session.counter = 6
    session.handle = None
    return session


def test_session_info_is_that_of_the_published_vector():
    assert handshake.session_info(vector_session(), VEHICLE_PUBLIC, 2650) == INFO


def test_its_key_and_tag_are_those_of_the_published_vector():
    session = vector_session()
    assert session.key == K
    info_key = crypto.hmac_sha256(session.key, b"session info")
    assert info_key.hex() == "fceb679ee7bca756fcd441bf238bf2f338629b41d9eb9c67be1b32c9672ce300"
    tag = handshake.tag(session, VIN, CHALLENGE, INFO)
    assert tag.hex() == "996c1fe38331be138f8039c194b14db2198846ed7d8251e6749284d7b32ea002"


def test_another_challenge_gives_another_tag():
    session = vector_session()
    assert handshake.tag(session, VIN, bytes(16), INFO) != handshake.tag(session, VIN, CHALLENGE, INFO)
    assert handshake.tag(session, VIN, b"", INFO) != handshake.tag(session, VIN, bytes(16), INFO)


def test_a_stranger_is_told_only_that_its_key_is_not_enrolled():
    assert decode(messages.SESSION_INFO, handshake.NOT_ON_WHITELIST) == {"status": 1}
