# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a guest is: every one is another, and what is secret about it is shown to nobody."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from harness.errors import MachineError
from harness.machine.deadlines import Deadlines
from harness.machine.identity import Identity, Identityd
from harness.machine.lifeline import Lifeline

if TYPE_CHECKING:
    from collections.abc import Iterator


def words(identity: Identity) -> dict[str, str]:
    return dict(word.split("=", 1) for word in identity.words().split())


def test_no_two_are_the_same() -> None:
    one, other = words(Identity()), words(Identity())
    assert set(one) == set(other) == {"hostname", "time", "seed", "key", "mac"}
    assert all(one[name] != other[name] for name in one)


def test_the_seed_is_new_each_time_it_is_told() -> None:
    identity = Identity()
    assert words(identity)["seed"] != words(identity)["seed"]


def test_the_key_file_is_as_dropbear_writes_it() -> None:
    identity = Identity()
    blob = bytes.fromhex(words(identity)["key"])
    assert len(blob) == 83
    assert blob[:15] == b"\x00\x00\x00\x0bssh-ed25519"
    assert blob[15:19] == (64).to_bytes(4, "big")
    assert blob[19:51] == identity.host_key.private_bytes_raw()
    assert identity.public_key.asbytes()[-32:] == blob[51:]


def test_time_is_the_hosts() -> None:
    assert abs(int(words(Identity())["time"]) / 1e9 - time.time()) < 5


def test_a_private_network_has_an_address_and_a_mask() -> None:
    identity = Identity(lan_address=ipaddress.IPv4Interface("10.77.0.5/24"), lan_mac="52:54:00:01:02:03")
    assert identity.words().endswith(" mac=eth1,525400010203 address=eth1,0a4d0005ffffff00")


def test_the_private_key_is_not_shown() -> None:
    identity = Identity()
    assert identity.host_key.private_bytes_raw().hex() not in repr(identity)
    assert "host_key" not in repr(identity)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Identityd]]:
    ours, guests = socket.socketpair()
    program = Identityd(ours, "identityd", deadlines=Deadlines(), lifeline=Lifeline())
    yield guests, program
    program.close()
    guests.close()


def answer(guest: socket.socket, text: bytes) -> None:
    def play() -> None:
        while not guest.recv(10000).endswith(b"\n"):
            pass
        guest.sendall(text)

    threading.Thread(target=play, daemon=True).start()


def test_it_is_told_and_agrees(ends: tuple[socket.socket, Identityd]) -> None:
    guest, program = ends
    guest.sendall(b"ready\n")
    program.wait_ready(Deadlines().start(5, "the boot"))
    answer(guest, b"ok\n")
    program.introduce(Identity())


def test_what_it_could_not_set_is_said_and_nothing_secret(ends: tuple[socket.socket, Identityd]) -> None:
    guest, program = ends
    identity = Identity()
    answer(guest, b"error setting a MAC address: No such device\n")
    with pytest.raises(MachineError, match="setting a MAC address: No such device") as caught:
        program.introduce(identity)
    assert words(identity)["key"] not in str(caught.value)
