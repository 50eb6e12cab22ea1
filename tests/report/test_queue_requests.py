# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptor chains as moments: a line each, with letters or words, and nothing of what is secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.oracles.tap import parse
from harness.reference.wire_calls import CallCopy, CallCrypt, CallFree, CallSession
from harness.report.requests import requests
from tests.oracles.tap_lines import KEY, Tap, life

if TYPE_CHECKING:
    from pathlib import Path

    from harness.reference.wire_calls import Call


def _timed(lines: list[str], step: float = 0.001) -> bytes:
    events = [{**json.loads(line), "at": 100 + step * number} for number, line in enumerate(lines)]
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def _called(call: Call, result: int = 0) -> bytes:
    def buffers(parts: tuple[bytes, ...]) -> list[dict[str, object]]:
        return [{"len": len(part), "data": part[:64].hex()} for part in parts if part]

    written = (*(bytes(size) for size in call.writable[:-1]), bytes(call.writable[-1] - 4))
    after = (*written[:-1], written[-1] + result.to_bytes(4, "little", signed=True))
    pop = {"event": "pop", "at": 5.0, "id": 1, "queue": 0, "out": buffers(call.readable)}
    push = {**pop, "event": "push", "at": 5.0032, "used": sum(call.writable), "in": buffers(after)}
    return "\n".join(json.dumps(one) for one in ({**pop, "in": buffers(call.initial)}, push)).encode() + b"\n"


def test_the_reference_wire_has_its_letters() -> None:
    found = requests(_timed(Tap().add(*life(bytes(300))).lines))
    assert [moment.text for moment in found] == [
        "open  T | F, 1.0 ms",
        "CIOCGSESSION  T F C K | S R, 1.0 ms",
        "CIOCCRYPT  T F C O s v | d R, 1.0 ms",
        "CIOCFSESSION  T F C I | R, 1.0 ms",
        "close  T F |, 1.0 ms",
    ]
    assert [moment.at for moment in found] == pytest.approx([100, 100.002, 100.004, 100.006, 100.008])
    assert KEY.hex() not in repr(found)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            CallCrypt(1, 7, 0, bytes(256), 256, bytes(16)),
            "CIOCCRYPT  session 7: encrypt 256 bytes | 256 bytes",
        ),
        (
            CallCrypt(1, 7, 1, bytes(32), 16, auth=True, aad=bytes(12)),
            "CIOCCRYPT  session 7: decrypt 32 bytes and 12 beside them | 16 bytes",
        ),
        (CallSession(1, 11, KEY), "CIOCGSESSION  cipher 11, a key of 16 bytes"),
        (CallFree(1, 7), "CIOCFSESSION  session 7"),
        (CallCopy(1, 8, 7), "CIOCCPHASH  session 7 to 8"),
    ],
)
def test_our_own_wire_is_told_in_words(call: Call, text: str) -> None:
    (moment,) = requests(_called(call))
    assert moment.text == f"{text}, 3.2 ms"
    assert moment.seconds == pytest.approx(0.0032)
    assert not moment.failed
    assert KEY.hex() not in repr(moment)


def test_an_errno_is_told() -> None:
    (moment,) = requests(_called(CallFree(1, 7), -22))
    assert moment.text == "CIOCFSESSION  session 7, result -22, 3.2 ms"
    assert moment.failed


def test_a_large_request_is_not_read_whole() -> None:
    (moment,) = requests(_called(CallCrypt(1, 7, 0, bytes(1 << 20), 1 << 20)))
    assert moment.text.startswith("CIOCCRYPT  1048640 | 1048672 bytes")


def test_what_the_device_keeps_is_told() -> None:
    lines = Tap().add(*life(b"x" * 16)).lines[:1]
    (moment,) = requests(_timed(lines))
    assert moment.text == "open  T | F, not given back"


def test_a_recording_without_times_or_without_a_file_gives_no_moments(tmp_path: Path) -> None:
    assert requests(Tap().add(*life(bytes(16))).text.encode()) == ()
    assert requests(tmp_path / "none") == ()
    assert requests(b"\xff\n{}\n") == ()


def test_times_do_not_change_what_a_recording_is() -> None:
    plain = Tap().add(*life(bytes(300)))
    assert parse(_timed(plain.lines)) == parse(plain.text)


@pytest.mark.parametrize("at", ["1", None, True, -1.0, float("inf"), [1]])
def test_a_time_that_is_none_makes_a_bad_line(at: object) -> None:
    event = {"event": "pop", "id": 1, "queue": 0, "out": [], "in": [], "at": at}
    assert requests(json.dumps(event).encode() + b"\n\n") == ()
