# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitor, with a QEMU that a thread plays."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import MachineError, QemuExitError, WaitTimeoutError
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline
from harness.machine.qmp import Qmp

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = {"qemu": {"micro": 0, "minor": 0, "major": 10}, "package": ""}
GREETING = {"QMP": {"version": VERSION, "capabilities": []}}
EXIT = QemuExitError("running the guest", "QEMU was killed by signal 9")


class Qemu:
    """Answers ``device_del`` with its event first, ``refuse`` with an error, ``hang`` with nothing."""

    def __init__(self) -> None:
        self.ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, message: dict[str, Any]) -> None:
        self._theirs.sendall(json.dumps(message).encode() + b"\r\n")

    def event(self, name: str, **data: object) -> None:
        self.say({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 0}})

    def die(self) -> None:
        self._theirs.shutdown(socket.SHUT_RDWR)
        self._theirs.close()

    def _serve(self) -> None:
        self.say(GREETING)
        with contextlib.suppress(OSError):
            # Requests come one at a time and without a line feed.
            while request := self._theirs.recv(65536):
                self._answer(json.loads(request))

    def _answer(self, request: dict[str, Any]) -> None:
        identity = {"id": request["id"]} if "id" in request else {}
        match request["execute"]:
            case "hang":
                return
            case "refuse":
                self.say({"error": {"class": "GenericError", "desc": "no, thanks"}, **identity})
                return
            case "device_del":
                self.event("DEVICE_DELETED", path="/machine/peripheral/x")
                self.event("DEVICE_DELETED", device=request["arguments"]["id"])
        self.say({"return": request.get("arguments", {}), **identity})


@pytest.fixture
def qemu() -> Qemu:
    return Qemu()


@pytest.fixture
def lifeline() -> Lifeline:
    return Lifeline()


@pytest.fixture
def qmp(qemu: Qemu, lifeline: Lifeline) -> Iterator[Qmp]:
    monitor = Qmp(qemu.ours, deadlines=Deadlines(), lifeline=lifeline)
    yield monitor
    monitor.close()
    monitor.close()


def test_a_command_and_its_answer(qmp: Qmp) -> None:
    assert qmp.execute("anything", {"a-b": 1}) == {"a-b": 1}


def test_a_refusal(qmp: Qmp) -> None:
    with pytest.raises(MachineError, match="asking QEMU to refuse: no, thanks"):
        qmp.execute("refuse")
    assert qmp.execute("after") == {}


def test_no_answer(qmp: Qmp) -> None:
    with pytest.raises(WaitTimeoutError, match="QEMU's answer to hang"):
        qmp.execute("hang", timeout=0.1)


def test_an_event_that_came_before_the_answer_is_not_missed(qmp: Qmp) -> None:
    mark = qmp.mark()
    qmp.execute("device_del", {"id": "crypto0"})
    event = qmp.wait_event("DEVICE_DELETED", {"device": "crypto0"}, since=mark, timeout=5)
    assert event.data == {"device": "crypto0"}
    later = qmp.mark()
    with pytest.raises(WaitTimeoutError, match="only these events came: none"):
        qmp.wait_event("DEVICE_DELETED", since=later, timeout=0.05)
    assert [event.name for event in qmp.events] == ["DEVICE_DELETED", "DEVICE_DELETED"]


@pytest.mark.parametrize("cut_first", [True, False])
def test_the_end_of_qemu_ends_a_wait_at_once(
    qmp: Qmp, qemu: Qemu, lifeline: Lifeline, cut_first: bool
) -> None:
    def end() -> None:
        if cut_first:
            lifeline.cut(EXIT)
        qemu.die()
        threading.Timer(0.1, lifeline.cut, [EXIT]).start()

    threading.Timer(0.05, end).start()
    start = time.monotonic()
    with pytest.raises(QemuExitError):
        qmp.execute("hang", timeout=60)
    with pytest.raises(QemuExitError):
        qmp.wait_event("SHUTDOWN", timeout=60)
    with pytest.raises(QemuExitError):
        qmp.execute("anything")
    assert time.monotonic() - start < 2


def test_the_end_of_qemu_ends_a_wait_for_an_event(qmp: Qmp, qemu: Qemu, lifeline: Lifeline) -> None:
    threading.Timer(0.05, qemu.die).start()
    threading.Timer(0.1, lifeline.cut, [EXIT]).start()
    start = time.monotonic()
    with pytest.raises(QemuExitError):
        qmp.wait_event("SHUTDOWN", timeout=60)
    assert time.monotonic() - start < 2


def test_a_qemu_that_is_gone_before_it_greets(lifeline: Lifeline) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    lifeline.cut(EXIT)
    with pytest.raises(QemuExitError):
        Qmp(ours, deadlines=Deadlines(), lifeline=lifeline)


def test_a_qemu_that_never_greets(lifeline: Lifeline) -> None:
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(WaitTimeoutError, match="QEMU's greeting"):
        Qmp(ours, deadlines=Deadlines(0.02), lifeline=lifeline)


def test_a_fatal_finding_ends_a_wait_although_qemu_lives(qmp: Qmp, lifeline: Lifeline) -> None:
    threading.Timer(0.05, lifeline.cut, [EXIT]).start()
    start = time.monotonic()
    with pytest.raises(QemuExitError):
        qmp.execute("hang", timeout=60)
    assert time.monotonic() - start < 2
