# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs started over SSH, where the server closes a channel before it took the command."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import paramiko
import pytest

from harness.errors import MachineError, QemuExitError
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline
from harness.machine.ssh import Ssh

if TYPE_CHECKING:
    from pathlib import Path

# RFC 8709, section 4: the name, and 32 bytes that are anybody's.
KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))


class Channel:
    """A channel that fails with these words, or not at all."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.ran: list[str] = []

    def exec_command(self, command: str) -> None:
        if self.words:
            raise paramiko.SSHException(self.words)
        self.ran.append(command)


class Transport:
    """A connection whose channels are prepared: words that fail to open, or a channel."""

    def __init__(self, *channels: str | Channel, active: bool = True) -> None:
        self.channels = list(channels)
        self.active = active

    def is_active(self) -> bool:
        return self.active

    def open_session(self, timeout: float) -> Channel:
        assert timeout > 0
        channel = self.channels.pop(0)
        if isinstance(channel, str):
            raise paramiko.SSHException(channel)
        return channel


def connection(transport: object) -> Ssh:
    ssh = object.__new__(Ssh)
    ssh._transport = transport  # type: ignore[assignment]
    ssh._deadlines, ssh._lifeline, ssh._evidence = Deadlines(), Lifeline(), tuple
    return ssh


def test_a_channel_that_is_closed_early_is_opened_again() -> None:
    good = Channel("")
    early = ("Unable to open channel.", Channel("Channel is not open"), Channel("Channel closed."))
    opened: object = connection(Transport(*early, good))._open("true", None)
    assert opened is good
    assert good.ran == ["true\nexit $?"]


def test_that_ends_some_time() -> None:
    with pytest.raises(MachineError, match="8 channels were closed"):
        connection(Transport(*["Unable to open channel."] * 9))._open("true", None)


@pytest.mark.parametrize("words", ["Timeout opening channel.", "something else"])
def test_another_failure_is_told_at_once(words: str) -> None:
    with pytest.raises(MachineError, match=words):
        connection(Transport(words, Channel("")))._open("true", None)


def test_a_connection_that_ended_is_told_at_once() -> None:
    with pytest.raises(MachineError, match="Unable to open channel"):
        connection(Transport("Unable to open channel.", Channel(""), active=False))._open("true", None)


class Refusing:
    """A connection that ends in what paramiko takes for a refused key."""

    alive = False

    def __init__(self, *_: object, **__: object) -> None:
        self.banner_timeout = self.handshake_timeout = self.auth_timeout = 0.0

    def set_log_channel(self, name: str) -> None: ...

    def connect(self, **_: object) -> None:
        raise paramiko.AuthenticationException("Authentication failed: transport shut down or saw EOF")

    def is_active(self) -> bool:
        return self.alive

    def close(self) -> None: ...


@pytest.mark.parametrize(("alive", "expected"), [(False, QemuExitError), (True, MachineError)])
def test_a_guest_that_dies_while_the_key_is_looked_at_has_not_refused_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alive: bool, expected: type[MachineError]
) -> None:
    monkeypatch.setattr(Refusing, "alive", alive)
    monkeypatch.setattr("harness.machine.ssh.paramiko.Transport", Refusing)
    monkeypatch.setattr("harness.machine.ssh.paramiko.Ed25519Key.from_private_key_file", lambda _: None)
    lifeline = Lifeline()
    monkeypatch.setattr(lifeline, "verdict", lambda: QemuExitError("running the guest", "QEMU was killed"))
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(MachineError) as caught:
        Ssh(
            server.getsockname()[1],
            key_file=tmp_path / "key",
            expected=paramiko.Ed25519Key(data=KEY),
            deadlines=Deadlines(),
            lifeline=lifeline,
            evidence=tuple,
        )
    assert type(caught.value) is expected
