# SPDX-License-Identifier: GPL-2.0-or-later
"""The private network: every frame reaches all others once, in order, and is remembered."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import dpkt
import pytest

from harness.machine.lan import Lan

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan() as network:
        yield network


def joined(lan: Lan) -> socket.socket:
    cable, _ = lan.join()
    cable.settimeout(5)
    return cable


def test_a_frame_reaches_all_others(lan: Lan) -> None:
    first, second, third = joined(lan), joined(lan), joined(lan)
    first.send(b"hello")
    assert second.recv(100) == third.recv(100) == b"hello"
    second.send(b"answer")
    assert first.recv(100) == third.recv(100) == b"answer"


def test_more_frames_than_a_socket_holds_arrive_in_order(lan: Lan) -> None:
    first, second = joined(lan), joined(lan)
    frames = [f"{number}".encode() * 100 for number in range(500)]
    for frame in frames:
        first.send(frame)
    assert [second.recv(2000) for _ in frames] == frames


def test_what_has_arrived_is_in_the_capture(lan: Lan) -> None:
    first, second = joined(lan), joined(lan)
    for text in (b"one", b"two"):
        first.send(text)
        second.recv(100)
    assert [data for _, data in dpkt.pcap.Reader(io.BytesIO(lan.pcap))] == [b"one", b"two"]


def test_a_guest_that_is_gone_holds_nobody_up(lan: Lan) -> None:
    first, second, third = joined(lan), joined(lan), joined(lan)
    second.close()
    first.send(b"anybody?")
    assert third.recv(100) == b"anybody?"
    third.send(b"me")
    assert first.recv(100) == b"me"


def test_everybody_is_somebody_else(lan: Lan) -> None:
    people = [lan.join()[1] for _ in range(3)]
    assert [str(person.lan_address) for person in people] == ["10.77.0.1/24", "10.77.0.2/24", "10.77.0.3/24"]
    for values in (
        {person.hostname for person in people},
        {person.mac for person in people} | {person.lan_mac for person in people},
        {person.public_key.asbytes() for person in people},
    ):
        assert len(values) >= 3


def test_an_end_in_time() -> None:
    lan = Lan()
    cable = joined(lan)
    lan.close()
    lan.close()
    with pytest.raises(OSError, match=r"refused|not connected|reset"):
        cable.send(b"late")
