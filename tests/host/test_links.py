# SPDX-License-Identifier: Apache-2.0
"""Links: whatever a messenger makes of one, it is read as it was or told in one line, never taken for another."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import link
from host_tools.phone.link import BadLink, Link
from tests.host import grant_vectors
from tests.host.grant_vectors import CAR, MADE, NARROWED, REVOKED
from tests.host.rosters import VIN, public

GIVEN = Link(VIN, public(CAR), MADE)
TAKEN = Link(VIN, public(CAR), REVOKED)
URL = GIVEN.url("https://keys.example/open/")
PLAIN = GIVEN.url()
FRAGMENT = URL.partition("#")[2]


@pytest.mark.parametrize("made", [GIVEN, TAKEN, Link(VIN, public(2), NARROWED)])
def test_what_is_put_into_a_link_comes_out_of_it(made: Link) -> None:
    assert link.read(made.url()) == made
    assert link.read(made.url("https://keys.example/")) == made


def test_all_of_it_is_in_the_fragment() -> None:
    assert URL.startswith("https://keys.example/open/#")
    assert f"latchkey:link#{FRAGMENT}" == PLAIN
    assert len(URL) < 220


@pytest.mark.parametrize(
    "text",
    [
        f"  {URL}\n",
        f"<{URL}>",
        f'"{URL}"',
        f"{URL}.",
        f"({URL})",
        f"_{URL}_",
        f"**{URL}**",
        f"Here you are: {URL}, until Sunday!",
        f"{URL}=",
        f"{URL}-",
        URL + URL,
        PLAIN + PLAIN,
        f"{URL} {URL}",
        f"{URL}\n{PLAIN}",
        URL + FRAGMENT,
        quote(URL),
        quote(quote(URL, safe=""), safe=""),
        quote(URL, safe="") + "%20",
        f"#{FRAGMENT}",
        f"https://keys.example/?utm=1#{FRAGMENT}&fbclid=abc",
        f"https://l.example/?u={quote(URL, safe='')}&h=1",
        "\n".join(URL[at : at + 40] for at in range(0, len(URL), 40)),
        "\u200b".join(URL[at : at + 40] for at in range(0, len(URL), 40)),
        f"see #above: {URL}",
    ],
)
def test_what_messengers_do_to_a_link_does_not_matter(text: str) -> None:
    assert link.read(text) == GIVEN


@pytest.mark.parametrize("size", range(0, len(FRAGMENT), 7))
def test_a_link_that_is_cut_off_is_told(size: int) -> None:
    with pytest.raises(BadLink) as told:
        link.read(f"latchkey:link#{FRAGMENT[:size]}")
    assert "copied whole" in told.value.hint or "copy all" in told.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "hello",
        "https://example.com/",
        "https://example.com/#section-2",
        "WIFI:T:WPA;S:home;P:secret;;",
        "BEGIN:VCARD\nVERSION:3.0\nN:Bo\nEND:VCARD",
        "otpauth://totp/x?secret=ABC",
        "#" + "A" * 200,
        "# " * 50,
        "\udcff#\udcfe",
        "%" * 100,
        "\0#\0",
    ],
)
def test_something_else_is_told(text: str) -> None:
    with pytest.raises(BadLink, match="no link of Latchkey"):
        link.read(text)


def test_a_huge_text_is_not_looked_at() -> None:
    with pytest.raises(BadLink, match="too many"):
        link.read(URL * 1000)


def test_two_links_are_not_chosen_from() -> None:
    with pytest.raises(BadLink, match="two different"):
        link.read(f"{URL} {TAKEN.url()}")


@given(at=st.integers(0, len(FRAGMENT) - 1), letter=st.sampled_from("abcXYZ019-_"))
def test_a_letter_that_changed_is_noticed(at: int, letter: str) -> None:
    changed = FRAGMENT[:at] + letter + FRAGMENT[at + 1 :]
    try:
        assert link.read(f"#{changed}") == GIVEN  # bits behind the end
    except BadLink:
        assert changed != FRAGMENT


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    for encoding in (data, GIVEN.encoded()[: len(data) % 60] + data):
        with pytest.raises(BadLink):
            link.read("#" + base64.urlsafe_b64encode(encoding).decode())


@given(st.text(max_size=300))
def test_any_text_is_read_or_told(text: str) -> None:
    with pytest.raises(BadLink):
        link.read(text)


def test_what_is_whole_and_no_grant_is_told() -> None:
    for message in (
        ours.Grant(),
        ours.Grant(handle=1, number=7, limits=b"\2\x08\2", tag=bytes(16)),  # an owner
        ours.Grant(handle=1, number=7, limits=MADE.limits, tag=b"short"),
    ):
        with pytest.raises(BadLink):
            link.read(Link(VIN, public(CAR), message).url())


@pytest.mark.parametrize("vin", ["\x1b[2J" + "A" * 13, " " * 17, "A" * 16 + "\n"])
def test_a_vin_that_is_none_is_told(vin: str) -> None:
    with pytest.raises(BadLink, match="cannot be read"):
        link.read(Link(vin, public(CAR), MADE).url())


def test_the_page_prints_the_vectors() -> None:
    page = "".join((Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8").split())
    made = grant_vectors.vectors()
    for name in ("SHARED", "GRANT_KEY", "REVOKE_KEY", "MADE", "LINK", "PRESENTED_NARROWED", "REVOKED"):
        assert made[name] in page, name
