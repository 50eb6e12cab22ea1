# SPDX-License-Identifier: GPL-2.0-or-later
"""Foreign wires: each way in which implementations differ from the reference wire has its name."""

from __future__ import annotations

import struct

import pytest

from harness.oracles.chains import Breaks, Kind, Request, describe, differences, parse, profile, record
from harness.reference.abi import Ioctl, SessionOp
from harness.reference.abi32 import CryptOp32, Ioctl32, SessionOp32
from tests.oracles.tap_lines import (
    HOST,
    SES,
    SOURCES,
    Made,
    Tap,
    closed,
    crypted,
    freed,
    life,
    opened,
    private,
    session,
    told,
    with_operation,
)


@pytest.mark.parametrize(
    "sources",
    [(), (bytes(16),), (bytes(48),), (bytes(4),), (bytes(8),), (b"",), (bytes(4096),), SOURCES],
    ids=["none", "as long as an IV", "as a structure", "as a word", "as two", "empty", "long", "many"],
)
def test_the_reference_wire_is_the_reference_wire(sources: tuple[bytes, ...]) -> None:
    chains = life(*(source for source in sources if source))
    recording = record(Tap().add(*chains).text)
    assert describe(recording) == ["the wire is the reference wire"]
    assert differences(recording.chains) == ()


def test_buffers_of_nothing_may_be_left_out() -> None:
    empty = crypted(b"").ordered("T F C O v | R")
    keyless = session(b"").ordered("T F C | S R")
    assert told(opened(), keyless, session(), empty, crypted(), closed()) == set()


def test_an_ioctl_that_failed_is_the_reference_wire_too() -> None:
    failed = crypted().changed("d", after=bytes(64)).changed("R", after=struct.pack("<i", -22))
    assert told(failed, session().changed("R", after=b"\xea\xff\xff\xff")) == set()


def test_the_other_wire_has_the_result_wide_and_in_front() -> None:
    def other(chain: Made, wire: str) -> Made:
        return chain.widened("R", 8).ordered(wire)

    chains = (
        opened().widened("F", 8),
        private(other(session(), "T F C K | R S"), 1),
        *(private(other(crypted(source), "T F C O s v | R d"), 3) for source in SOURCES),
        private(other(freed(), "T F C I | R"), 2),
        closed(),
    )
    found = differences(parse(Tap().add(*chains).text))
    assert [str(one) for one in found] == [
        "open: F has 8 bytes instead of 4 (chain 1)",
        "CIOCGSESSION: C is 1 where the reference wire has 0xc0306366 (CIOCGSESSION) (chain 2)",
        "CIOCGSESSION: R comes before S (chain 2)",
        "CIOCGSESSION: R has 8 bytes instead of 4 (chain 2)",
        "CIOCFSESSION: C is 2 where the reference wire has 0x40046367 (CIOCFSESSION) (chain 7)",
        "CIOCFSESSION: R has 8 bytes instead of 4 (chain 7)",
        "CIOCCRYPT: C is 3 where the reference wire has 0xc0306368 (CIOCCRYPT) (4 chains, first 3)",
        "CIOCCRYPT: R comes before d (4 chains, first 3)",
        "CIOCCRYPT: R has 8 bytes instead of 4 (4 chains, first 3)",
    ]
    assert {one.kind.breaks for one in found} == {Breaks.HALVES}
    assert profile(parse(Tap().add(*chains).text)).splitlines() == [
        "open          T | F(8)              reference: T | F",
        "close         T F |                 as the reference",
        "CIOCGSESSION  T F C K | R(8) S      reference: T F C K | S R",
        "CIOCFSESSION  T F C I | R(8)        reference: T F C I | R",
        "CIOCCRYPT     T F C O s v | R(8) d  reference: T F C O s v | d R",
    ]


@pytest.mark.parametrize(
    ("chain", "sentences"),
    [
        (crypted().ordered("T F C O s v | R d"), {"CIOCCRYPT: R comes before d"}),
        (crypted().ordered("T F C O v s | d R"), {"CIOCCRYPT: v comes before s"}),
        (crypted().ordered("T F C s v O | d R"), {"CIOCCRYPT: v comes before O"}),
        (crypted().ordered("T C F O s v | d R"), {"CIOCCRYPT: C comes before F"}),
        (session().ordered("T F C K | R S"), {"CIOCGSESSION: R comes before S"}),
        (session().ordered("T F K C | S R"), {"CIOCGSESSION: K comes before C"}),
        (freed().ordered("T F I C | R"), {"CIOCFSESSION: I comes before C"}),
    ],
)
def test_order(chain: Made, sentences: set[str]) -> None:
    assert told(opened(), chain) == sentences


@pytest.mark.parametrize("kind", ["T", "F", "C", "R"])
def test_words_of_eight_bytes(kind: str) -> None:
    assert told(opened(), crypted().widened(kind, 8)) == {f"CIOCCRYPT: {kind} has 8 bytes instead of 4"}


@pytest.mark.parametrize(
    ("chain", "request_", "short"),
    [
        (opened().widened("T", 1), "open", "T has 1 byte where 4 are read"),
        (opened().widened("F", 1), "open", "F has 1 byte where 4 are written"),
        (closed().widened("T", 1), "close", "T has 1 byte where 4 are read"),
        (session().widened("T", 1), "CIOCGSESSION", "T has 1 byte where 4 are read"),
        (session().widened("K", 1), "CIOCGSESSION", "K has fewer bytes than keylen says (1, not 16)"),
        (session().widened("S", 8), "CIOCGSESSION", "S has 8 bytes where 48 are read"),
        (session().widened("S", 1), "CIOCGSESSION", "S has 1 byte where 48 are read"),
        (crypted().widened("O", 8), "CIOCCRYPT", "O has 8 bytes where 48 are read"),
        (crypted().widened("O", 1), "CIOCCRYPT", "O has 1 byte where 48 are read"),
        (crypted().widened("s", 1), "CIOCCRYPT", "s has fewer bytes than O.len says (1, not 64)"),
        (crypted().widened("v", 1), "CIOCCRYPT", "v has 1 byte where 16 are read"),
        (crypted().widened("d", 1), "CIOCCRYPT", "d has fewer bytes than O.len says (1, not 64)"),
        (freed().widened("I", 1), "CIOCFSESSION", "I has 1 byte where 4 are read"),
        (freed().widened("R", 1), "CIOCFSESSION", "R has 1 byte where 4 are written"),
    ],
)
def test_short_descriptors(chain: Made, request_: str, short: str) -> None:
    found = differences(parse(Tap().add(opened(), chain).text))
    assert [f"{one.request}: {one.text}" for one in found] == [f"{request_}: {short}"]
    assert {one.kind for one in found} == {Kind.SHORT}
    assert Kind.SHORT.breaks is Breaks.STANDARD


@pytest.mark.parametrize(
    ("chain", "wire", "letter"),
    [
        (crypted(), "T F C s v | O d R", "O"),
        (crypted(), "T F C O v | s d R", "s"),
        (crypted(), "T F C O s | v d R", "v"),
        (session(), "T F C | K S R", "K"),
        (freed(), "T F C | I R", "I"),
        (freed(), "T F I | C R", "C"),
        (closed(), "T | F", "F"),
    ],
)
def test_inputs_that_are_passed_writable(chain: Made, wire: str, letter: str) -> None:
    sentence = f"{letter} is device-writable, and the device only reads it"
    assert {text.partition(": ")[2] for text in told(opened(), session(), chain.ordered(wire))} == {sentence}


def test_a_session_that_is_passed_readable() -> None:
    chain = session().changed("S", after=session().back["S"][0]).ordered("T F C K S | R")
    assert told(chain) == {
        "CIOCGSESSION: S is device-readable where the reference wire has it device-writable",
    }


def test_an_answer_that_is_passed_readable() -> None:
    chain = crypted().ordered("T F C O s v d | R")
    assert "CIOCCRYPT: d is device-readable, and the device writes it" in told(chain)


def test_messages_of_the_seed_are_extra_buffers() -> None:
    chain = crypted().changed("msg", bytes(100))
    chain = chain.ordered("T msg F C O s v | d R")
    assert Kind.EXTRA in {one.kind for one in differences(parse(Tap().add(chain).text))}
    assert told(opened(), chain) == {
        "CIOCCRYPT: an extra device-readable buffer of 100 bytes stands behind T"
    }
    assert profile(parse(Tap().add(chain).text)) == (
        "CIOCCRYPT  T ?(100) F C O s v | d R  reference: T F C O s v | d R"
    )


def test_an_answer_to_close_is_extra() -> None:
    chain = closed().changed("msg", bytes(4)).ordered("T F | msg")
    assert told(chain) == {"close: an extra device-writable buffer of 4 bytes stands behind F"}


@pytest.mark.parametrize(
    ("chain", "wire", "letter"),
    [
        (crypted(), "T F C O s | d R", "v"),
        (crypted(), "T F C O s v | d", "R"),
        (crypted(), "T F C O v | d R", "s"),
        (session(), "T F C | S R", "K"),
        (freed(), "T F C | R", "I"),
        (opened(), "T |", "F"),
        (crypted(), "T C O s v | d R", "F"),
    ],
)
def test_missing_buffers(chain: Made, wire: str, letter: str) -> None:
    sentences = {text.partition(": ")[2] for text in told(chain.ordered(wire))}
    assert f"{letter} is missing" in sentences
    assert {text for text in sentences if "cannot be told" not in text} == {f"{letter} is missing"}


def test_empty_buffers() -> None:
    assert told(crypted(b"")) == {
        "CIOCCRYPT: s has no bytes: a device takes its queue for broken",
        "CIOCCRYPT: d has no bytes: a device takes its queue for broken",
    }
    assert told(session(b"")) == {"CIOCGSESSION: K has no bytes: a device takes its queue for broken"}
    assert Kind.EMPTY.breaks is Breaks.STANDARD


def test_more_bytes_than_the_structure_says() -> None:
    chain = session().widened("K", 64)
    assert told(chain) == {"CIOCGSESSION: K has more bytes than keylen says (64, not 16)"}


def test_other_buffers_with_the_same_bytes() -> None:
    chain = crypted()
    head = b"".join(chain.out[name][0] for name in "TFC")
    chain = chain.changed("head", head).ordered("head O s v | d R")
    assert told(chain) == {"CIOCCRYPT: the reference wire's bytes are in other buffers"}


def test_a_type_in_a_buffer_with_others_is_told() -> None:
    chain = private(crypted(), 3)
    chain = chain.changed("head", b"".join(chain.out[name][0] for name in "TFC")).ordered("head O s v | d R")
    assert told(chain) == {"unknown request: T is none of 0, 1, 2: the first buffer has 12 bytes"}


def test_numbers_and_structures_of_32_bit_programs() -> None:
    before, after = (SessionOp.unpack(data) for data in session().back["S"])
    small = [SessionOp32(**{**vars(one), "key": 0x1000}).pack() for one in (before, after)]
    chain = session().changed("S", *small)
    chain = private(chain, int(Ioctl32.CIOCGSESSION))
    crypt = CryptOp32(ses=SES, len=64, src=0x1000, dst=0x2000, iv=0x3000).pack()
    other = private(crypted().changed("O", crypt), int(Ioctl32.CIOCCRYPT))
    assert told(chain, other) == {
        "CIOCGSESSION: C is 0xc01c6366, that of 32-bit programs, where the reference wire has 0xc0306366 "
        "(CIOCGSESSION)",
        "CIOCGSESSION: S has 28 bytes instead of 48, as 32-bit programs have it",
        "CIOCCRYPT: C is 0xc01c6368, that of 32-bit programs, where the reference wire has 0xc0306368 "
        "(CIOCCRYPT)",
        "CIOCCRYPT: O has 28 bytes instead of 48, as 32-bit programs have it",
    }


def test_a_number_that_is_a_text() -> None:
    chain = session().changed("C", b"CIOCGSESSION\0")
    assert told(chain) == {
        "CIOCGSESSION: C is no number where the reference wire has 0xc0306366 (CIOCGSESSION)"
    } | {"CIOCGSESSION: C has 13 bytes instead of 4"}


@pytest.mark.parametrize("number", [Ioctl.CIOCAUTHCRYPT, Ioctl.CIOCGSESSINFO, Ioctl.CIOCCPHASH])
def test_ioctls_that_the_reference_wire_has_not(number: Ioctl) -> None:
    (found,) = differences(parse(Tap().add(private(freed(), int(number))).text))
    assert (found.request, found.kind) == (Request.OTHER, Kind.UNKNOWN_REQUEST)
    assert found.text == f"{number.name} ({int(number):#x}) is not in the reference wire"


def test_requests_of_an_unknown_type() -> None:
    assert told(closed().changed("T", b"\x07\0\0\0")) == {"unknown request: T is none of 0, 1, 2: it is 7"}
    assert told(Made({}, {}, 0)) == {"unknown request: T is none of 0, 1, 2: no buffers"}


def test_the_report() -> None:
    chain = with_operation(crypted().ordered("T F C O s v | R d"), src=HOST)
    lines = describe(record(Tap().add(opened(), chain).text + "nonsense\n" + '{"event":"po'))
    assert lines == [
        "the wire is not the reference wire",
        "keeps halves of different implementations from understanding each other:",
        "  CIOCCRYPT: R comes before d (chain 2)",
        "breaks the virtio standard:",
        "  CIOCCRYPT: the device overwrites 8 bytes of O, which is device-readable, with pointers of the "
        "host: src at offset 16 (chain 2)",
        "the chains:",
        "  open       T | F              as the reference",
        "  CIOCCRYPT  T F C O s v | R d  reference: T F C O s v | d R",
        "1 line of the recording not understood, the first: line 5: no JSON",
        "the last line of the recording is incomplete",
    ]


def test_a_report_of_a_hostile_recording_is_short() -> None:
    chains = [private(crypted().changed("x", bytes(index)), index) for index in range(1, 300)]
    assert len(describe(parse(Tap().add(*chains).text))) < 100


def test_nothing_was_recorded() -> None:
    assert describe(()) == ["no chain was recorded"]
    assert profile(()) == ""
