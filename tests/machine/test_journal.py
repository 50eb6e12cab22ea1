# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal keeps what happened, in order, and never more than fits."""

from __future__ import annotations

import threading
import time

import pytest

from harness.errors import WaitTimeoutError
from harness.machine import journal as module
from harness.machine.deadlines import Deadlines
from harness.machine.journal import Journal, Lane, one_line


def test_moments_come_in_the_order_of_their_beginnings() -> None:
    journal = Journal("guest")
    journal.note(Lane.HARNESS, "restored", at=5.0, seconds=1.0)
    journal.note(Lane.WAIT, "tea", at=4.0, part="client", failed=True)
    first, second = journal.moments
    assert (first.text, first.part, first.failed) == ("tea", "client", True)
    assert (second.text, second.part, second.seconds) == ("restored", "guest", 1.0)


def test_without_a_time_it_has_just_ended() -> None:
    journal = Journal()
    before = time.monotonic()
    journal.note(Lane.SSH, "true: status 0", seconds=2.0)
    assert before - 2.0 <= journal.moments[0].at <= time.monotonic() - 2.0


def test_output_that_comes_in_pieces_is_one_moment() -> None:
    terminal = Journal().terminal("client")
    for piece in "hello":
        terminal.sent(piece)
    terminal.sent("\r\n")
    (moment,) = terminal._journal.moments
    assert (moment.lane, moment.part, moment.text, moment.detail) == (
        Lane.SCREEN,
        "client",
        "hello⏎",
        "hello\r\n",
    )


def test_what_is_typed_in_between_parts_the_output() -> None:
    journal = Journal()
    terminal = journal.terminal("client", 80, 25)
    since = time.monotonic()
    terminal.sent("me: ")
    terminal.typed("hi\n")
    terminal.sent("hi\r\n")
    assert [moment.text for moment in journal.moments] == ["me: ", "hi⏎", "hi⏎"]
    (script,) = journal.typescripts(since, time.monotonic())
    assert (script.part, script.text, script.columns, script.rows) == ("client", "me: hi\r\n", 80, 25)
    assert list(journal.typescripts(since - 2, since - 1)) == []


def test_of_a_burst_of_lines_the_first_stands_for_all() -> None:
    journal = Journal()
    for number in range(3):
        line = f"line {number}"
        journal.note(Lane.KERNEL, line, at=1.0 + number / 100, detail=f"{line}\n", join=True)
    journal.note(Lane.KERNEL, "later", at=2.0, detail="later\n", join=True)
    burst, later = journal.moments
    assert (burst.text, burst.detail) == ("line 0", "line 0\nline 1\nline 2\n")
    assert burst.seconds == pytest.approx(0.02)
    assert later.text == "later"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\r\nb", "a⏎b"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x03\x04", "^C^D"),
        ("\x7f", "^?"),
        ("\x1b]0;title\x07x", "x"),
        ("καλημέρα\n", "καλημέρα⏎"),
    ],
)
def test_what_a_terminal_is_sent_in_one_line(raw: str, shown: str) -> None:
    assert one_line(raw) == shown


def test_of_very_much_the_first_and_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MOMENTS", 10)
    journal = Journal()
    for number in range(100):
        journal.note(Lane.QMP, f"{number}", at=float(number))
    kept = [int(moment.text) for moment in journal.moments]
    assert kept[:5] == [0, 1, 2, 3, 4]
    assert kept[-4:] == [96, 97, 98, 99]
    assert len(kept) <= 10


def test_long_texts_take_no_more_memory_than_there_is_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 100_000)
    monkeypatch.setattr(module, "MOST_SENT", 10_000)
    journal = Journal()
    since = time.monotonic()
    terminal = journal.terminal("client")
    for _ in range(1000):
        journal.note(Lane.SSH, "x" * 5000, detail="y" * 50_000)
        terminal.sent("z" * 1000)
    assert sum(len(moment.text) + len(moment.detail) for moment in journal.moments) < 200_000
    (script,) = journal.typescripts(since, time.monotonic())
    assert len(script.text) == 10_000


def test_threads_note_at_the_same_time() -> None:
    journal = Journal()

    def note() -> None:
        for _ in range(500):
            journal.note(Lane.SCREEN, "x", detail="x", join=True)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(moment.detail) for moment in journal.moments) == 2000


def test_a_wait_is_noted_with_its_reason_and_how_it_ended() -> None:
    journal = Journal()
    deadlines = Deadlines(journal=journal)
    with deadlines.start(5, "tea"):
        assert [reason for _, reason in journal.waiting] == ["tea"]
    with pytest.raises(WaitTimeoutError), deadlines.start(0.01, "coffee") as deadline:
        raise deadline.failure("none came")
    with deadlines.start(5, "a key to be taken", least=1.0):
        pass
    assert [(one.lane, one.text, one.failed) for one in journal.moments] == [
        (Lane.WAIT, "tea", False),
        (Lane.WAIT, "coffee", True),
    ]
    assert journal.waiting == ()
