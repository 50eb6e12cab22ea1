# SPDX-License-Identifier: GPL-2.0-or-later
"""Foreign wires: what a device does to the chains that it gives back."""

from __future__ import annotations

import pytest

from harness.oracles.chains import Breaks, Kind, Request, describe, differences, parse
from harness.reference.abi import SessionOp
from tests.oracles.tap_lines import (
    HOST,
    KEY,
    SOURCES,
    Made,
    Tap,
    closed,
    crypted,
    freed,
    life,
    opened,
    session,
    told,
    with_operation,
)


def test_a_host_pointer_in_the_session() -> None:
    operation = SessionOp.unpack(session().back["S"][1])
    leaky = session().changed("S", after=SessionOp(**{**vars(operation), "key": HOST}).pack())
    (found,) = differences(parse(Tap().add(leaky).text))
    assert found.kind is Kind.POINTER
    assert found.kind.breaks is Breaks.SECRECY
    assert found.text == (
        "the device returns a pointer that is not the guest's in session_op: key at offset 16"
    )


def test_an_input_of_the_session_that_the_device_changes() -> None:
    operation = SessionOp.unpack(session().back["S"][1])
    other = session().changed("S", after=SessionOp(**{**vars(operation), "key": 0, "cipher": 21}).pack())
    assert told(other) == {
        "CIOCGSESSION: the device changes session_op: cipher at offset 0",
        "CIOCGSESSION: the device changes session_op: key at offset 16",
    }


def test_a_device_like_the_seeds() -> None:
    chains = []
    for chain in life(*SOURCES):
        if "O" in chain.out:
            chain = with_operation(chain, src=HOST, dst=HOST + 4096, iv=HOST + 8192)  # noqa: PLW2901
        if "S" in chain.back:
            operation = SessionOp.unpack(chain.back["S"][1])
            key = SessionOp(**{**vars(operation), "key": HOST}).pack()
            chain = chain.changed("S", after=key)  # noqa: PLW2901
        chains.append(Made(chain.out, chain.back, 0))
    found = differences(parse(Tap().add(*chains).text))
    assert [str(one) for one in found] == [
        "open: the used length is 0 where the device has written at least 4 bytes (chain 1)",
        "CIOCGSESSION: the used length is 0 where the device has written at least 52 bytes (chain 2)",
        "CIOCGSESSION: the device returns a pointer that is not the guest's in session_op: key at offset 16 "
        "(chain 2)",
        "CIOCFSESSION: the used length is 0 where the device has written at least 4 bytes (chain 7)",
        "CIOCCRYPT: the device overwrites 24 bytes of O, which is device-readable, with pointers of the "
        "host: src at offset 16, dst at offset 24, iv at offset 40 (4 chains, first 3)",
        "CIOCCRYPT: the used length is 0 where the device has written at least 20 bytes (4 chains, first 3)",
    ]
    assert describe(parse(Tap().add(*chains).text))[0] == "the wire has the buffers of the reference wire"


@pytest.mark.parametrize(
    ("chain", "letter", "where"),
    [
        (crypted().changed("s", after=b"\0" + bytes(3) + bytes(range(4, 64))), "s", "3 bytes from offset 1"),
        (crypted().changed("v", after=bytes(16)), "v", "16 bytes from offset 0"),
        (session().changed("K", after=KEY[:-1] + b"!"), "K", "1 byte from offset 15"),
    ],
)
def test_a_readable_buffer_that_the_device_changes(chain: Made, letter: str, where: str) -> None:
    (found,) = differences(parse(Tap().add(chain).text))
    assert found.kind is Kind.READABLE_CHANGED
    assert found.text == f"the device overwrites {letter}, which is device-readable: {where}"


def test_a_readable_field_that_is_no_pointer() -> None:
    assert told(with_operation(crypted(), flags=1)) == {
        "CIOCCRYPT: the device overwrites 2 bytes of O, which is device-readable: flags at offset 6"
    }


@pytest.mark.parametrize(
    ("used", "text"),
    [
        (0, "the used length is 0 where the device has written at least 68 bytes"),
        (4, "the used length is 4 where the device has written at least 68 bytes"),
        (69, "the used length is 69, and the device-writable buffers have 68 bytes"),
    ],
)
def test_used_lengths(used: int, text: str) -> None:
    assert told(Made(crypted().out, crypted().back, used)) == {f"CIOCCRYPT: {text}"}


def test_a_used_length_of_a_close_is_too_much() -> None:
    assert told(Made(closed().out, {}, 4)) == {
        "close: the used length is 4, and the device-writable buffers have no bytes"
    }


def test_of_a_chain_that_shows_no_change_nothing_is_said() -> None:
    refused = opened().changed("F", after=opened().back["F"][0])
    assert told(Made(refused.out, refused.back, 0)) == set()


def test_a_chain_that_is_kept() -> None:
    kept = Made(closed().out, {}, None)
    assert told(kept, opened()) == {"close: the device has not given it back by the end of the recording"}


def test_several_in_flight() -> None:
    tap = Tap()
    chains = [crypted(), freed(), crypted()]
    identities = [tap.pop(chain) for chain in chains]
    for identity, chain in reversed(list(zip(identities, chains, strict=True))):
        tap.push(identity, chain)
    assert [chain.ahead for chain in parse(tap.text)] == [0, 1, 2]
    found = differences(parse(tap.text))
    assert {(one.request, one.kind, one.count) for one in found} == {
        (Request.FREE, Kind.IN_FLIGHT, 1),
        (Request.CRYPT, Kind.IN_FLIGHT, 1),
    }
    assert Kind.IN_FLIGHT.breaks is Breaks.NOTHING
