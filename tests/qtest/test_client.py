# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from harness.errors import QemuExitError, WaitTimeoutError
from harness.qtest import client as module
from harness.qtest.client import MOST_QUEUED, QtestClient, QtestError
from tests.qtest.fake import FakeQemu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def qemu() -> Iterator[FakeQemu]:
    fake = FakeQemu()
    yield fake
    fake.close()


@pytest.fixture
def client(qemu: FakeQemu) -> QtestClient:
    return QtestClient(qemu.stream)


def test_writes_wait_until_something_is_read(qemu: FakeQemu, client: QtestClient) -> None:
    client.write(0x100, b"\x01\x02\x03\x04")
    client.writel(0x104, 0xDEADBEEF)
    client.writeb(0x108, 7)
    assert qemu.lines == []
    assert client.read(0x100, 9) == bytes.fromhex("01020304efbeadde07")
    assert len(qemu.lines) == 4
    # One system call carried all of it.
    assert len(qemu.received) == 1


def test_flush_sends_what_waits_and_nothing_else(qemu: FakeQemu, client: QtestClient) -> None:
    client.flush()
    client.fill(0x200, 4, 0xAA)
    client.flush()
    client.flush()
    assert qemu.lines == ["memset 0x200 0x4 0xaa"]
    assert qemu.memory[0x200:0x205] == b"\xaa\xaa\xaa\xaa\0"


@pytest.mark.parametrize(("width", "size"), [("b", 1), ("w", 2), ("l", 4), ("q", 8)])
def test_every_width(qemu: FakeQemu, client: QtestClient, width: str, size: int) -> None:
    value = int.from_bytes(bytes(range(0xF1, 0xF1 + size)), "little")
    getattr(client, f"write{width}")(0x300, value)
    assert getattr(client, f"read{width}")(0x300) == value
    assert qemu.memory[0x300:0x309] == bytes(range(0xF1, 0xF1 + size)).ljust(9, b"\0")


def test_nothing_is_asked_for_no_bytes(qemu: FakeQemu, client: QtestClient) -> None:
    client.write(0, b"")
    client.fill(0, 0, 1)
    assert client.read(0, 0) == b""
    assert qemu.lines == []


def test_answers_find_their_questions(client: QtestClient) -> None:
    client.writel(0, 1)
    first = client.readl_later(0)
    client.writel(0, 2)
    second, third = client.readl_later(0), client.read_later(0, 2)
    assert third.get() == b"\x02\0"
    assert (first.get(), second.get()) == (1, 2)


def test_a_refusal_names_the_command_and_leaves_the_others(qemu: FakeQemu, client: QtestClient) -> None:
    qemu.answer = lambda command: "FAIL no such place\n" if " 0x66 " in f"{command} " else None
    client.writel(0x10, 5)
    refused = client.readl_later(0x66)
    accepted = client.readl_later(0x10)
    with pytest.raises(QtestError, match=r"FAIL no such place.*readl 0x66"):
        client.flush()
    assert accepted.get() == 5
    with pytest.raises(QtestError, match="refused"):
        refused.get()
    assert client.readl(0x10) == 5


def test_interrupts_in_between_are_counted(qemu: FakeQemu, client: QtestClient) -> None:
    client.intercept_interrupts("/machine/ioapic")
    qemu.answer = lambda command: "IRQ raise 12\nIRQ lower 12\nOK\n" if command.startswith("writel") else None
    for _ in range(3):
        client.writel(0, 0)
    assert client.readl(0x40) == 0
    assert client.interrupts == {12: 3}
    qemu.answer = lambda _: "IRQ raise 3\nOK 0x9\n"
    assert client.readl(0) == 9
    assert client.interrupts == {12: 3, 3: 1}


def test_lines_that_come_in_pieces() -> None:
    # A socket that keeps what is sent at once together, and nothing else.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        client = QtestClient(ours)
        for piece in (b"IRQ ra", b"ise 5\nO", b"K 0x", b"7\nOK", b" 0x8\n"):
            theirs.send(piece)
        assert [client.readl(0), client.readl(4)] == [7, 8]
        assert client.interrupts == {5: 1}


def test_the_end_of_the_connection_is_told(qemu: FakeQemu) -> None:
    client = QtestClient(qemu.stream, lost=lambda: QemuExitError("driving the device", "QEMU has ended"))

    def end(_: str) -> str:
        qemu.hang_up()
        return ""

    qemu.answer = end
    with pytest.raises(QemuExitError, match="QEMU has ended"):
        client.readl(0)
    client.connect(qemu.stream)
    with pytest.raises(QemuExitError):
        client.readl(0)


def test_the_end_without_a_reason(qemu: FakeQemu, client: QtestClient) -> None:
    qemu.hang_up()
    with pytest.raises(QtestError, match="closed the connection"):
        client.readl(0)


def test_no_answer(qemu: FakeQemu, client: QtestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    qemu.answer = lambda _: ""
    with pytest.raises(WaitTimeoutError, match=r"readl 0x8.*main loop"):
        client.readl(8)


def test_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = QtestClient(ours)
        client.write(0, bytes(8 << 20))
        with pytest.raises(WaitTimeoutError, match="reads nothing"):
            client.flush()


def test_too_much_is_not_kept_waiting(qemu: FakeQemu, client: QtestClient) -> None:
    for index in range(MOST_QUEUED + 1):
        client.writel(0, index)
    assert len(qemu.lines) == MOST_QUEUED
    assert client.readl(0) == MOST_QUEUED
    assert client.commands == MOST_QUEUED + 2


def test_answers_are_read_while_commands_are_sent(
    client: QtestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither side waits for the other: both have more to send than the connection holds."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    laters = []
    for index in range(64):
        client.write(0, bytes([index]) * (64 << 10))
        laters.append(client.read_later(0, 64 << 10))
    assert [later.get()[-1] for later in laters] == list(range(64))
