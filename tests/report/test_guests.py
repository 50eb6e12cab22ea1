# SPDX-License-Identifier: GPL-2.0-or-later
"""What journals have of one test: cut to its time, with names that tell guests apart."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from harness.machine.console import KernelLog
from harness.machine.journal import ENDED, Journal, Lane
from harness.machine.lifeline import Lifeline
from harness.report.guests import Guests, plain_text
from harness.report.model import Crash
from harness.sut.chat_spec import BUNDLED_CHAT
from tests.oracles.tap_lines import Tap, opened

if TYPE_CHECKING:
    from pathlib import Path


def _machine(folder: Path) -> Any:
    return SimpleNamespace(
        journal=Journal(), kernel_log=KernelLog(Lifeline()), wiretap=folder / "wiretap.jsonl"
    )


def _texts(guests: Guests, since: float, until: float) -> list[tuple[str, str]]:
    return [(moment.part, moment.text) for moment in guests.cut(since, until).moments]


def test_one_guest_is_the_guest(tmp_path: Path) -> None:
    guests, machine = Guests(), _machine(tmp_path)
    guests.enters(machine)
    machine.journal.note(Lane.HARNESS, "restored", at=10.0)
    machine.journal.note(Lane.KEYS, "hello⏎", at=11.0, part="client")
    cut = guests.cut(9.0, 20.0)
    assert [(one.part, one.text, one.at) for one in cut.moments] == [
        ("guest", "restored", 1.0),
        ("client", "hello⏎", 2.0),
    ]


def test_several_guests_are_numbered_and_their_parts_told_apart(tmp_path: Path) -> None:
    guests, one, two, ready = Guests(), _machine(tmp_path), _machine(tmp_path), _machine(tmp_path)
    guests.enters(ready, "the guest that others are restored from")
    guests.enters(one)
    guests.enters(two)
    for at, machine in enumerate((ready, one, two), 10):
        machine.journal.note(Lane.HARNESS, "started", at=float(at))
    one.journal.note(Lane.KEYS, "a", at=13.0, part="serial shell")
    two.journal.note(Lane.KEYS, "b", at=14.0, part="serial shell")
    two.journal.note(Lane.KEYS, "c", at=15.0, part="client")
    assert _texts(guests, 9.0, 20.0) == [
        ("the guest that others are restored from", "started"),
        ("guest 1", "started"),
        ("guest 2", "started"),
        ("guest 1: serial shell", "a"),
        ("guest 2: serial shell", "b"),
        ("client", "c"),
    ]


def test_of_a_shared_guest_each_test_has_its_own_time(tmp_path: Path) -> None:
    guests, machine = Guests(), _machine(tmp_path)
    guests.enters(machine)
    machine.journal.note(Lane.HARNESS, "first", at=10.0)
    machine.journal.note(Lane.WAIT, "across", at=14.0, seconds=2.0)
    machine.journal.note(Lane.HARNESS, "second", at=16.0)
    assert _texts(guests, 9.0, 15.0) == [("guest", "first"), ("guest", "across")]
    guests.next_test()
    assert _texts(guests, 15.0, 20.0) == [("guest", "across"), ("guest", "second")]
    assert [wait.text for wait in guests.waits(9.0, 15.0)] == []
    assert [wait.text for wait in guests.waits(15.0, 20.0)] == ["across"]


def test_a_guest_that_a_test_has_not_touched_is_none_of_its_guests(tmp_path: Path) -> None:
    guests, idle, used = Guests(), _machine(tmp_path), _machine(tmp_path)
    guests.enters(idle)
    guests.enters(used)
    idle.journal.note(Lane.HARNESS, "restored", at=5.0)
    idle.journal.note(Lane.HARNESS, ENDED, at=11.0)
    used.journal.note(Lane.HARNESS, "restored", at=10.0)
    assert _texts(guests, 9.0, 20.0) == [("guest", "restored")]


def test_the_ends_of_a_conversation_between_guests_keep_their_names(tmp_path: Path) -> None:
    guests, one, two = Guests(), _machine(tmp_path), _machine(tmp_path)
    guests.enters(one)
    guests.enters(two)
    data = BUNDLED_CHAT.frame("hi\n").hex()
    one.journal.note(Lane.WIRE, "a frame", at=10.0, part="server", detail=data)
    two.journal.note(Lane.KEYS, "hi⏎", at=9.5, part="server")
    cut = guests.cut(9.0, 20.0)
    assert [moment.part for moment in cut.moments] == ["server", "server"]
    assert [frame.sender for frame in cut.frames] == ["server"]


def test_who_has_left_is_forgotten_with_the_next_test(tmp_path: Path) -> None:
    guests, machine = Guests(reporting=True), _machine(tmp_path)
    guests.enters(machine)
    machine.journal.note(Lane.HARNESS, "restored", at=10.0)
    crash = Crash("BUG: it", "BUG", "f", ("BUG: it",))
    guests.leaves(machine, [crash])
    cut = guests.cut(9.0, 20.0)
    assert len(cut.moments) == 1
    assert cut.crashes == (crash,)
    guests.next_test()
    assert guests.cut(9.0, 20.0).moments == ()


def test_requests_are_read_before_their_file_is_gone(tmp_path: Path) -> None:
    guests, machine = Guests(reporting=True), _machine(tmp_path)
    guests.enters(machine)
    lines = Tap().add(opened(5)).lines
    timed = [line.replace("{", f'{{"at": {at}, ', 1) for line, at in zip(lines, (10.0, 10.0032), strict=True)]
    machine.wiretap.write_text("\n".join(timed) + "\n")
    (living,) = guests.cut(9.0, 20.0).moments
    guests.leaves(machine)
    machine.wiretap.unlink()
    (gone,) = guests.cut(9.0, 20.0).moments
    assert gone == living
    assert (gone.lane, gone.part, gone.text, gone.at) == (
        Lane.QUEUE,
        "virtqueue",
        "open  T | F, 3.2 ms",
        1.0,
    )


def test_screens_and_the_kernels_log_keep_their_escape_codes(tmp_path: Path) -> None:
    guests, machine = Guests(), _machine(tmp_path)
    since = time.monotonic()
    guests.enters(machine)
    machine.journal.terminal("serial shell").sent("\x1b[1mguest# \x1b[0m")
    machine.journal.terminal("client", 80, 24).sent("me: ")
    guests.host.terminal("server").sent("other: ")
    machine.kernel_log.feed(b"[    1.0] hello\n[    1.1] world\n")
    screens = guests.cut(since, time.monotonic()).screens
    assert [(one.name, one.text) for one in screens] == [
        ("guest: serial shell", "\x1b[1mguest# \x1b[0m"),
        ("client", "me: "),
        ("guest: kernel", "[    1.0] hello\r\n[    1.1] world\r\n"),
        ("server", "other: "),
    ]
    assert (screens[1].columns, screens[1].rows) == (80, 24)


def test_frames_are_told_plain_and_cipher(tmp_path: Path) -> None:
    guests, machine = Guests(), _machine(tmp_path)
    guests.enters(machine)
    data = BUNDLED_CHAT.frame("καλημέρα\n").hex()
    machine.journal.note(Lane.WIRE, "a frame of 257 bytes", at=10.0, part="client", detail=data)
    cut = guests.cut(9.0, 20.0)
    (frame,) = cut.frames
    assert (frame.at, frame.sender, frame.plain, frame.cipher) == (1.0, "client", "καλημέρα\n", data)
    assert cut.moments[0].text == "a frame of 257 bytes: καλημέρα"


def test_a_frame_that_no_key_opens_is_no_text() -> None:
    plain = replace(BUNDLED_CHAT, encrypted=False)
    assert plain_text(BUNDLED_CHAT, plain.frame("in the open\n").hex()) == "in the open\n"
    assert plain_text(BUNDLED_CHAT, bytes(range(256)).hex() + "0a") == ""
    assert plain_text(BUNDLED_CHAT, "") == ""
    assert plain_text(BUNDLED_CHAT, "no hex") == ""


def test_of_kernel_messages_the_number_is_told(tmp_path: Path) -> None:
    guests, machine = Guests(), _machine(tmp_path)
    guests.enters(machine)
    for number in range(3):
        machine.journal.note(Lane.KERNEL, f"{number}", at=10.0, detail=f"{number}\n", join=True)
    assert guests.cut(9.0, 20.0).moments[0].text == "0 (and 2 more lines)"
