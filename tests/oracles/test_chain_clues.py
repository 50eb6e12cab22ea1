# SPDX-License-Identifier: GPL-2.0-or-later
"""Foreign wires: what the chains hold tells what a buffer carries, and what cannot be told is said."""

from __future__ import annotations

import pytest

from harness.oracles.chains import Kind, Request, differences, parse
from harness.reference.abi import CryptOp, SessionOp
from tests.oracles.tap_lines import (
    GUEST,
    SES,
    Made,
    Tap,
    crypted,
    freed,
    opened,
    private,
    session,
    told,
)


def test_everything_short_leaves_no_clue_and_that_is_said() -> None:
    chain = crypted()
    for name in ("O", "s", "v", "d"):
        chain = chain.widened(name, 1)
    assert (
        "CIOCCRYPT: it cannot be told which buffer is O and which s and which v: "
        "nothing in the chains decides"
    ) in told(opened(), chain)


def test_private_numbers_beside_handles_that_are_the_same() -> None:
    chains = [
        chain.ordered(wire)
        for chain, wire in (
            (private(session(handle=2), 1), "T C F K | S R"),
            (private(freed(handle=2), 2), "T C F I | R"),
            (private(crypted(handle=2), 3), "T C F O s v | d R"),
        )
    ]
    sentences = told(opened(2), *chains)
    assert {text for text in sentences if "comes before" in text} == {
        f"{request}: C comes before F" for request in ("CIOCGSESSION", "CIOCFSESSION", "CIOCCRYPT")
    }
    assert not any("cannot be told" in text for text in sentences)


def test_a_source_as_long_as_an_iv_is_told_by_the_other_chains() -> None:
    wire = "T F C O v s | R d"
    alone = told(opened(), crypted(bytes(16)).ordered(wire))
    assert alone == {
        "CIOCCRYPT: R comes before d",
        "CIOCCRYPT: it cannot be told which buffer is s and which v: nothing in the chains decides",
    }
    both = told(opened(), crypted(bytes(16)).ordered(wire), crypted().ordered(wire))
    assert both == {"CIOCCRYPT: R comes before d", "CIOCCRYPT: v comes before s"}


def test_a_source_as_long_as_a_structure_is_told_by_its_contents() -> None:
    chain = private(crypted(bytes(range(48))).ordered("T F C s O v | d R"), 3)
    assert {text for text in told(opened(), session(), chain) if "comes before" in text} == {
        "CIOCCRYPT: s comes before O"
    }


def with_session(chain: Made, **fields: int) -> Made:
    """A CIOCGSESSION whose S has other fields, before and after."""
    before, after = (SessionOp.unpack(data) for data in chain.back["S"])
    return chain.changed("S", *(SessionOp(**{**vars(one), **fields}).pack() for one in (before, after)))


def without_clues(**fields: int) -> bytes:
    """A crypt_op that is like a session_op as much as it can be."""
    return CryptOp(**{"ses": SES, **fields}).pack()


# Each with a private number, and such that one clue is missing.
DISGUISED = {
    "an id that is the number of a cipher": (crypted(ses=11), "CIOCCRYPT"),
    "neither length nor pointers": (
        crypted(b"").changed("O", without_clues()).ordered("T F C O v | R"),
        "CIOCCRYPT",
    ),
    "an id that was given out": (
        crypted(b"").changed("O", without_clues(ses=11)).ordered("T F C O v | R"),
        "CIOCCRYPT",
    ),
    "unknown flags and a short source": (
        crypted()
        .changed("O", CryptOp(ses=SES, flags=4096, len=64, src=GUEST, dst=GUEST).pack())
        .widened("s", 1)
        .changed("m", bytes(100))
        .ordered("T F C O s v m | d R"),
        "CIOCCRYPT",
    ),
    "a short key": (
        session().widened("K", 1).changed("m", bytes(100)).ordered("T F C K m | S R"),
        "CIOCGSESSION",
    ),
    "an unknown cipher and a short key": (
        with_session(session(), cipher=200)
        .widened("K", 1)
        .changed("m", bytes(100))
        .ordered("T F C K m | S R"),
        "CIOCGSESSION",
    ),
    "an unknown cipher": (with_session(session(), cipher=200), "CIOCGSESSION"),
    "a session that is readable": (session().ordered("T F C K S | R"), "CIOCGSESSION"),
    "a short session": (session().widened("K", 1).widened("S", 1), "CIOCGSESSION"),
    "nothing but words": (freed().changed("m", bytes(4)).ordered("T F C I m | R"), "CIOCFSESSION"),
}


@pytest.mark.parametrize(("chain", "request_"), DISGUISED.values(), ids=DISGUISED)
def test_a_private_number_is_told_by_what_the_chain_holds(chain: Made, request_: str) -> None:
    ses = 11 if request_ == "CIOCCRYPT" else SES
    given = session().changed("S", after=SessionOp(cipher=11, keylen=16, key=GUEST, ses=ses).pack())
    found = differences(parse(Tap().add(given, private(chain, 99)).text))
    (number,) = [one for one in found if one.kind is Kind.NUMBER]
    assert (number.request, number.example) == (Request(request_), 2)
    assert number.text.startswith("C is 99 where the reference wire has 0x")


def test_a_name_tells_a_request_that_nothing_else_tells() -> None:
    chain = freed().changed("C", b"CIOCFSESSION").changed("m", bytes(100)).ordered("T F C I m | R")
    assert "CIOCFSESSION: C is no number where the reference wire has 0x40046367 (CIOCFSESSION)" in told(
        chain
    )


def test_an_id_is_told_from_a_private_number() -> None:
    chain = private(freed(), 2).ordered("T F I C | R")
    assert {text for text in told(opened(), session(), chain) if "CIOCFSESSION: " in text[:14]} == {
        "CIOCFSESSION: C is 2 where the reference wire has 0x40046367 (CIOCFSESSION)",
        "CIOCFSESSION: I comes before C",
    }


def test_a_destination_of_four_bytes_is_told_from_the_result() -> None:
    chain = crypted(b"\1\2\3\4").ordered("T F C O v s | R d")
    assert "CIOCCRYPT: R comes before d" in told(chain)


def test_one_chain_of_many_that_decides_is_enough() -> None:
    chain = crypted(b"\1\2\3\4").ordered("T F C O v s | R d")
    silent = chain.changed("R", bytes(4)).changed("d", bytes(4))
    assert any("cannot be told" in text for text in told(silent))
    assert "CIOCCRYPT: R comes before d" in told(silent, silent, chain)


def test_a_readable_word_that_stays_is_no_result() -> None:
    chain = crypted().changed("m", bytes(4)).ordered("T F C O s v m | d")
    assert told(opened(), chain) == {
        "CIOCCRYPT: R is missing",
        "CIOCCRYPT: an extra device-readable buffer of 4 bytes stands behind v",
    }


def test_a_source_is_as_long_as_the_destination_where_nothing_tells_its_length() -> None:
    chain = crypted().widened("O", 8).changed("m", bytes(100)).ordered("T F C O m s v | d R")
    assert told(opened(), chain) == {
        "CIOCCRYPT: O has 8 bytes where 48 are read",
        "CIOCCRYPT: an extra device-readable buffer of 100 bytes stands behind O",
    }


def test_an_ioctl_that_nothing_tells() -> None:
    chain = private(freed(), 9).changed("m", bytes(100)).changed("n", bytes(20)).ordered("T F C m n | R")
    assert told(chain) == {
        "other ioctl: neither its number nor its buffers tell which it is (the third buffer holds 0x9)"
    }
