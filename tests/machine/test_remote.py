# SPDX-License-Identifier: GPL-2.0-or-later
"""A program behind an SSH channel, played by a fake channel."""

from __future__ import annotations

import queue
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.errors import GuestPanicError, MachineError, WaitTimeoutError
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline
from harness.machine.programs import RunsPrograms
from harness.machine.remote import OutputStream, RemoteProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    import paramiko

PANIC = GuestPanicError("running the guest", "kernel panic: x")


class Channel:
    """The part of paramiko's channel that is used; ``put`` and ``end`` play the program."""

    def __init__(self) -> None:
        self.out: queue.Queue[bytes] = queue.Queue()
        self.err: queue.Queue[bytes] = queue.Queue()
        self.status_event = threading.Event()
        self.exit_status = -1
        self.active = True
        self.sent = b""
        self.stuck = False

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def recv(self, size: int) -> bytes:
        return self._take(self.out)

    def recv_stderr(self, size: int) -> bytes:
        return self._take(self.err)

    def _take(self, source: queue.Queue[bytes]) -> bytes:
        try:
            return source.get(timeout=0.02)
        except queue.Empty:
            raise TimeoutError from None

    def send(self, data: bytes) -> int:
        if self.stuck:
            raise TimeoutError
        self.sent += data[:5]
        return len(data[:5])

    def end(self, status: int) -> None:
        self.exit_status = status
        self.status_event.set()
        self.out.put(b"")
        self.err.put(b"")

    def lose(self) -> None:
        self.active = False
        self.end(-1)

    def shutdown_write(self) -> None:
        self.sent += b"<end>"

    def exit_status_ready(self) -> bool:
        return self.status_event.is_set()

    def get_transport(self) -> SimpleNamespace:
        return SimpleNamespace(is_active=lambda: self.active)

    def close(self) -> None:
        self.end(self.exit_status)


class Program:
    def __init__(self) -> None:
        self.channel, self.lifeline = Channel(), Lifeline()
        self.lifeline.on_cut(self.channel.lose)
        self.process = RemoteProcess(
            cast("paramiko.Channel", self.channel),
            "prog",
            deadlines=Deadlines(),
            lifeline=self.lifeline,
            evidence=lambda: ("last in the kernel log:",),
        )

    def later(self, action: Callable[..., Any], *arguments: object) -> None:
        threading.Timer(0.05, action, arguments).start()


@pytest.fixture
def program() -> Program:
    return Program()


def test_a_program_runs_to_its_end(program: Program) -> None:
    program.channel.out.put("καλη".encode()[:3])
    program.channel.out.put("καλη".encode()[3:])
    program.channel.err.put(b"oh\n")
    program.later(program.channel.end, 3)
    assert program.process.running
    result = program.process.wait()
    assert (result.status, result.stdout, result.stderr) == (3, "καλη", "oh\n")
    assert not program.process.running


def test_lines_come_one_by_one_however_they_arrive(program: Program) -> None:
    for piece in (b"ok f", b"d=3\nok", b" ses=9\nerr EIN", b"VAL\r\nlast"):
        program.channel.out.put(piece)
    assert [program.process.read_line() for _ in range(3)] == ["ok fd=3", "ok ses=9", "err EINVAL"]
    program.channel.end(0)
    assert program.process.read_line() == "last"
    with pytest.raises(MachineError, match="its output has ended"):
        program.process.read_line()


def test_a_question_and_its_answer(program: Program) -> None:
    program.later(program.channel.out.put, b"ok fd=3\n")
    assert program.process.ask("open /dev/crypto") == "ok fd=3"
    assert program.channel.sent == b"open /dev/crypto\n"


def test_patterns_are_found_behind_one_another_and_leave_the_bytes(program: Program) -> None:
    program.channel.err.put(b"capturing lo\nsynced 1 24\n")
    program.channel.out.put(b"0123456789")
    process = program.process
    assert process.wait_for(r"capturing (\S+)\n", stream=process.stderr)[1] == b"lo"
    assert int(process.wait_for(r"synced 1 (\d+)\n", stream=process.stderr)[1]) == 24
    assert process.wait_bytes(4) == b"0123"
    assert process.wait_bytes(10) == b"0123456789"
    program.later(program.channel.out.put, b"ab")
    assert process.wait_bytes(12) == b"0123456789ab"
    with pytest.raises(WaitTimeoutError):
        process.wait_for("capturing", stream=process.stderr, timeout=0.05)


def test_a_pattern_that_can_no_longer_come(program: Program) -> None:
    program.channel.out.put(b"other")
    program.later(program.channel.end, 0)
    with pytest.raises(MachineError, match="it has ended"):
        program.process.wait_for("this", timeout=60)


def test_a_hanging_program_runs_out_of_time_and_shows_what_it_wrote(program: Program) -> None:
    program.channel.out.put(b"got so far\n")
    with pytest.raises(WaitTimeoutError) as caught:
        program.process.wait(timeout=0.2)
    assert caught.value.doing == "waiting for the end of 'prog'"
    assert caught.value.evidence[:2] == ("last on standard output of 'prog':", "got so far")
    assert caught.value.evidence[-1] == "last in the kernel log:"


def test_outputs_closed_is_not_yet_the_end(program: Program) -> None:
    program.channel.out.put(b"")
    program.channel.err.put(b"")
    with pytest.raises(WaitTimeoutError, match="it went on"):
        program.process.wait(timeout=0.2)


@pytest.mark.parametrize("wait", ["wait", "read_line"])
def test_a_fatal_finding_ends_a_wait_at_once_and_is_its_error(program: Program, wait: str) -> None:
    program.later(program.lifeline.cut, PANIC)
    start = time.monotonic()
    with pytest.raises(GuestPanicError, match="kernel panic: x"):
        getattr(program.process, wait)(timeout=60)
    assert time.monotonic() - start < 1


def test_a_verdict_that_comes_after_the_connection_broke_is_waited_for(program: Program) -> None:
    program.channel.lose()
    program.later(program.lifeline.cut, PANIC)
    with pytest.raises(GuestPanicError):
        program.process.wait(timeout=60)


def test_no_status_without_a_broken_connection(program: Program) -> None:
    program.channel.end(-1)
    with pytest.raises(MachineError, match="left no status"):
        program.process.wait()


def test_input_goes_in_whole_and_in_pieces(program: Program) -> None:
    program.process.write("αβγδεζηθ")
    program.process.close_stdin()
    assert program.channel.sent == "αβγδεζηθ".encode() + b"<end>"


def test_a_program_that_does_not_read(program: Program) -> None:
    program.channel.stuck = True
    with pytest.raises(WaitTimeoutError, match="3 bytes are left"):
        program.process.write(b"abc", timeout=0.05)


class Deaf(RunsPrograms):
    """A guest whose one program ends without reading."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @property
    def ssh(self) -> Any:
        return SimpleNamespace(process=lambda _cmd: self._program.process)


def _refuse(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(_data: bytes) -> int:
        raise OSError("Socket is closed")

    monkeypatch.setattr(program.channel, "send", send)


def test_a_program_that_ends_before_it_has_read_all_has_a_status(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(program, monkeypatch)
    program.channel.err.put(b"no device\n")
    program.later(program.channel.end, 1)
    result = Deaf(program).run("prog", stdin="hello\n")
    assert (result.status, result.stderr) == (1, "no device\n")


def test_a_guest_that_is_lost_while_it_is_written_to_is_an_error(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(program, monkeypatch)
    program.lifeline.cut(GuestPanicError("running the guest", "it panicked"))
    with pytest.raises(GuestPanicError):
        Deaf(program).run("prog", stdin="hello\n")


class Sought(bytearray):
    """Counts the bytes that were searched for the end of a line."""

    bytes_looked_at = 0

    def find(self, *args: Any) -> int:
        self.bytes_looked_at += len(self) - args[1]
        return super().find(*args)


def test_a_line_without_an_end_is_searched_once() -> None:
    stream = OutputStream("standard output", threading.Condition())
    stream._data = sought = Sought()
    stream.feed(b"one\n")
    assert stream.take_line() == b"one\n"
    for _ in range(100):
        stream.feed(b"x" * 10)
        assert stream.take_line() is None
    assert sought.bytes_looked_at <= 4 + 1000
    stream.feed(b"\ntwo\n")
    assert stream.take_line() == b"x" * 1000 + b"\n"
    assert stream.take_line() == b"two\n"
