# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's log: lines as they come, none lost, none torn."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from harness.errors import MachineError, QemuExitError, WaitTimeoutError
from harness.machine.console import LINE_LIMIT, KernelLog, LogLine
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log() -> KernelLog:
    return KernelLog(Lifeline())


def test_lines_are_put_together_from_any_pieces(log: KernelLog) -> None:
    text = "[    0.1] eins\r\n[    0.2] καλημέρα\n\nτέλος"
    for byte in text.encode():
        log.feed(bytes([byte]))
    assert log.lines == ("[    0.1] eins", "[    0.2] καλημέρα", "", "τέλος")
    assert [line.complete for line in log.entries] == [True] * 3
    log.end()
    assert [line.text for line in log.entries][3:] == ["τέλος"]


def test_bytes_that_are_no_text_do_no_harm(log: KernelLog) -> None:
    log.feed(b"a\xff\xfeb\n\x00\x1b[2J\n")
    assert log.lines[0] == "a��b"


def test_marks(log: KernelLog) -> None:
    log.feed(b"before\n")
    mark = log.mark()
    log.feed(b"after\n")
    assert log.since(mark) == ("after",)
    assert log.tail(1) == ("after",)


def test_a_growing_line_keeps_its_number(log: KernelLog) -> None:
    seen: list[LogLine] = []
    unsubscribe = log.subscribe(seen.append)
    log.feed(b"one\nhal")
    log.feed(b"f\n")
    unsubscribe()
    log.feed(b"later\n")
    told = [(line.number, line.text, line.complete) for line in seen]
    assert told == [(0, "one", True), (1, "hal", False), (1, "half", True)]
    assert seen[0].at <= seen[-1].at


def test_a_replay_and_what_follows_come_once_and_in_order(log: KernelLog) -> None:
    log.feed(b"one\n")
    seen: list[str] = []
    log.subscribe(lambda line: seen.append(line.text), replay=True)
    log.feed(b"two\n")
    assert seen == ["one", "two"]


def test_who_watches_hears_of_the_end_before_those_who_wait(log: KernelLog) -> None:
    order: list[bool] = []
    log.subscribe(lambda _: None, lambda: order.append(log.closed))
    log.end()
    assert order == [False]
    assert log.wait_closed(0)


def test_a_wait_is_woken_by_its_line(log: KernelLog) -> None:
    timer = threading.Timer(0.05, log.feed, [b"ready 42\n"])
    timer.start()
    assert log.wait_for(r"ready (\d+)", Deadlines().start(5, "the line"))[1] == "42"
    timer.join()


def test_a_wait_that_runs_out_shows_the_log(log: KernelLog) -> None:
    log.feed(b"only this\n")
    with pytest.raises(WaitTimeoutError) as caught:
        log.wait_for("never", Deadlines().start(0.05, "the line"))
    assert caught.value.evidence == ("only this",)


def test_a_wait_ends_with_the_guest() -> None:
    line = Lifeline()
    log = KernelLog(line)
    timer = threading.Timer(0.05, line.cut, [QemuExitError("running the guest", "QEMU was killed")])
    timer.start()
    with pytest.raises(QemuExitError):
        log.wait_for("never", Deadlines().start(30, "the line"))
    timer.join()


def test_a_wait_on_an_ended_log_does_not_wait(log: KernelLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lifeline, "verdict", lambda _self: None)
    log.end()
    with pytest.raises(MachineError, match="the kernel log ended"):
        log.wait_for("never", Deadlines().start(30, "the line"))


def test_it_reads_a_socket_to_its_end_and_keeps_a_copy(log: KernelLog, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        log.attach(ours, tmp_path / "copy")
        theirs.sendall(b"hello\nwor")
        assert log.settle()
        assert log.lines == ("hello", "wor")
        theirs.sendall(b"ld\n")
        theirs.close()
        assert log.wait_closed(5)
    assert (tmp_path / "copy").read_bytes() == b"hello\nworld\n"
    assert log.lines == ("hello", "world")


def test_settled_means_that_the_subscribers_have_heard_it(log: KernelLog) -> None:
    ours, theirs = socket.socketpair()
    seen: list[str] = []
    log.subscribe(lambda line: seen.append(line.text))
    with ours, theirs:
        log.attach(ours)
        for number in range(200):
            theirs.sendall(f"{number}\n".encode())
            assert log.settle()
            assert seen[-1] == str(number)
        theirs.close()
        assert log.wait_closed(5)


@pytest.mark.parametrize("size", [16, 1000, LINE_LIMIT, LINE_LIMIT + 1, 1 << 20])
def test_a_line_without_an_end_is_told_in_lines_of_the_limit(log: KernelLog, size: int) -> None:
    seen: list[LogLine] = []
    log.subscribe(seen.append)
    data = b"a" * LINE_LIMIT + b"b" * LINE_LIMIT + b"rest"
    for start in range(0, len(data), size):
        log.feed(data[start : start + size])
    assert log.lines == ("a" * LINE_LIMIT, "b" * LINE_LIMIT, "rest")
    assert [line.number for line in seen if line.complete] == [0, 1]
    # No piece is told with more of what came before it than that.
    assert max(len(line.text) for line in seen) == LINE_LIMIT
    log.feed(b" of it\nnext\n")
    assert [(line.number, line.text) for line in log.entries[2:]] == [(2, "rest of it"), (3, "next")]


def test_a_line_that_is_as_long_as_it_may_be_is_one(log: KernelLog) -> None:
    log.feed(b"x" * LINE_LIMIT)
    assert log.mark() == 0
    log.feed(b"\n\n")
    assert [len(line.text) for line in log.entries] == [LINE_LIMIT, 0]


def test_a_wait_looks_at_each_line_once(log: KernelLog, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    since = KernelLog._since
    feeder = threading.Thread(target=log.feed, args=(b"dy\n",))

    def count(self: KernelLog, mark: int) -> tuple[str, ...]:
        if not looked:
            # It comes when the look is over, and the lock is free.
            feeder.start()
        looked.append(len(since(self, mark)))
        return since(self, mark)

    monkeypatch.setattr(KernelLog, "_since", count)
    log.feed(b"line\n" * 1000 + b"rea")
    assert log.wait_for("^ready$", Deadlines().start(5, "the line"))
    feeder.join()
    assert (looked[0], looked[-1]) == (1001, 1)
