# SPDX-License-Identifier: GPL-2.0-or-later
"""pexpect over a socket: text, deadlines, and the truth about a lost guest."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import pexpect
import pexpect.expect
import pytest

from harness.errors import GuestPanicError, MachineError, WaitTimeoutError
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline
from harness.machine.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PANIC = GuestPanicError("running the guest", "kernel panic: x")


class Ends:
    def __init__(self, scale: float = 1.0) -> None:
        ours, self.guest = socket.socketpair()
        self.lifeline = Lifeline()
        self.shell = Shell(
            ours,
            "the shell",
            deadlines=Deadlines(scale),
            lifeline=self.lifeline,
            timeout=5,
            evidence=lambda: ("last in the kernel log:", "[    1.0] hm"),
        )

    def later(self, action: Callable[[], object], seconds: float = 0.05) -> threading.Timer:
        timer = threading.Timer(seconds, action)
        timer.start()
        return timer


@pytest.fixture
def ends() -> Iterator[Ends]:
    pair = Ends()
    yield pair
    pair.shell.close()
    pair.guest.close()


def test_text_is_put_together_across_reads(ends: Ends) -> None:
    data = "γειά σου\r\n".encode()

    def type_slowly() -> None:
        for byte in data:
            ends.guest.send(bytes([byte]))

    typing = ends.later(type_slowly)
    ends.shell.expect(r"γειά (\w+)\r\n")
    assert isinstance(ends.shell.match, re.Match)
    assert ends.shell.match[1] == "σου"
    typing.join()
    assert ends.shell.transcript == "γειά σου\r\n"


def test_what_is_sent_is_utf8_and_can_be_logged(ends: Ends) -> None:
    ends.shell.logfile_send = io.StringIO()
    assert ends.shell.sendline("ναι") == 7
    assert ends.guest.recv(100) == "ναι\n".encode()
    assert ends.shell.logfile_send.getvalue() == "ναι\n"


def test_a_wait_that_runs_out_says_for_what_and_what_was_seen(ends: Ends) -> None:
    ends.guest.sendall(b"said this\r\n")
    start = time.monotonic()
    with pytest.raises(WaitTimeoutError) as caught:
        ends.shell.expect("prompt", timeout=0.1)
    assert time.monotonic() - start < 2
    assert caught.value.doing == "waiting for 'prompt' from the shell"
    assert caught.value.evidence[:2] == ("last from the shell:", "said this")
    assert caught.value.evidence[-1] == "[    1.0] hm"


def test_time_outs_are_scaled() -> None:
    pair = Ends(scale=10)
    pair.later(lambda: pair.guest.sendall(b"late\n"), 0.3)
    pair.shell.expect_exact("late", timeout=0.1)
    pair.shell.close()
    pair.guest.close()


def test_no_time_out_means_the_default_one() -> None:
    pair = Ends()
    pair.shell.timeout = 0.05
    with pytest.raises(WaitTimeoutError):
        pair.shell.expect("x", timeout=None)
    pair.shell.close()
    pair.guest.close()


def test_a_fatal_finding_ends_a_wait_at_once_and_is_its_error(ends: Ends) -> None:
    timer = ends.later(lambda: ends.lifeline.cut(PANIC))
    start = time.monotonic()
    with pytest.raises(GuestPanicError, match="kernel panic: x"):
        ends.shell.expect("never", timeout=60)
    assert time.monotonic() - start < 1
    timer.join()


def test_a_verdict_that_comes_after_the_end_of_file_is_waited_for(ends: Ends) -> None:
    timer = ends.later(lambda: ends.lifeline.cut(PANIC), 0.2)
    ends.guest.close()
    with pytest.raises(GuestPanicError):
        ends.shell.expect("never", timeout=60)
    timer.join()


def test_an_end_of_file_without_a_verdict(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lifeline, "verdict", lambda _self: None)
    ends.guest.close()
    with pytest.raises(MachineError, match="the connection was closed"):
        ends.shell.expect("never")
    with pytest.raises(MachineError, match="sending to the shell"):
        ends.shell.sendline("x")


def test_who_waits_for_the_end_gets_it(ends: Ends) -> None:
    ends.guest.sendall(b"rest")
    ends.guest.close()
    assert ends.shell.expect(["x", pexpect.EOF]) == 1
    assert ends.shell.before == "rest"
    assert not ends.shell.isalive()


def play_shell(guest: socket.socket, output: str, status: int) -> None:
    """Echo the typed line as a terminal does, then answer as the guest's shell would."""
    line = guest.recv(10000).decode()
    begin, end = re.findall(r"echo (\w{6})''(\w{6})", line)
    echo = "guest# \x1b[6n" + line.replace("\n", "\r\n")
    answer = f"{''.join(begin)}\r\n{output}{''.join(end)}:{status}\r\nguest# "
    guest.sendall((echo + answer).encode())


@pytest.mark.parametrize("output", ["", "one\r\ntwo\r\n", "no end of line"])
def test_a_command_in_the_shell(ends: Ends, output: str) -> None:
    timer = ends.later(lambda: play_shell(ends.guest, output, 3))
    result = ends.shell.run("it's a 'command'; false")
    timer.join()
    assert (result.status, result.stdout) == (3, output.replace("\r\n", "\n"))


def test_much_output_of_a_command_is_searched_once(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[int] = []
    search = pexpect.expect.Expecter.do_search

    def count(self: pexpect.expect.Expecter[str], window: str, fresh: int) -> int | None:
        windows.append(len(window))
        return search(self, window, fresh)

    monkeypatch.setattr(pexpect.expect.Expecter, "do_search", count)
    output = "x" * 2_000_000 + "\n"
    timer = ends.later(lambda: play_shell(ends.guest, output, 3))
    result = ends.shell.run("something")
    timer.join()
    assert (result.status, result.stdout) == (3, output)
    assert sum(windows) < 2 * len(output)
