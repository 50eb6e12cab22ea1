# SPDX-License-Identifier: GPL-2.0-or-later
"""The relay between two programs: it passes everything on, keeps it, and meets the server late."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

import pytest

from harness.sut import chat_relay
from harness.sut.chat_relay import RelayWire

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def meet(relay: RelayWire, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(("127.0.0.1", relay.port), 10)
    peer, _ = server.accept()
    peer.settimeout(10)
    return client, peer


def test_everything_is_passed_on_and_kept(server: socket.socket) -> None:
    with RelayWire(server.getsockname(), 4) as relay:
        assert not select.select([server], [], [], 0)[0], "the server has one peer, and it is not the relay's"
        client, peer = meet(relay, server)
        with client, peer:
            client.sendall(b"abcdef")
            assert peer.recv(6, socket.MSG_WAITALL) == b"abcdef"
            peer.sendall(b"ABCD")
            assert client.recv(4, socket.MSG_WAITALL) == b"ABCD"
            assert relay.frames == [b"abcd", b"ABCD", b"ef"]
            assert relay.octets == b"abcdefABCD"


@pytest.mark.parametrize("leaver", [0, 1])
def test_an_end_is_passed_on(server: socket.socket, leaver: int) -> None:
    with RelayWire(server.getsockname(), 4) as relay:
        ends = meet(relay, server)
        with ends[0], ends[1]:
            ends[leaver].shutdown(socket.SHUT_WR)
            assert ends[1 - leaver].recv(1) == b""
            ends[1 - leaver].sendall(b"still")
            assert ends[leaver].recv(5, socket.MSG_WAITALL) == b"still"


def test_a_flood_is_cut_off(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_relay, "MOST_BYTES", 100)
    with RelayWire(server.getsockname(), 4) as relay:
        client, peer = meet(relay, server)
        with client, peer:
            client.sendall(b"x" * 150)
            assert peer.recv(150, socket.MSG_WAITALL) == b"x" * 150
            with contextlib.suppress(ConnectionError):
                client.sendall(b"y" * 150)
            assert peer.recv(1) == b""
            assert relay.octets == b"x" * 150


def test_a_server_that_is_gone_is_the_clients_end(server: socket.socket) -> None:
    address = server.getsockname()
    server.close()
    with RelayWire(address, 4) as relay, socket.create_connection(("127.0.0.1", relay.port), 10) as client:
        assert client.recv(1) == b""


def test_a_conversation_that_never_begins_ends(server: socket.socket) -> None:
    with RelayWire(server.getsockname(), 4) as relay:
        assert relay.frames == []
