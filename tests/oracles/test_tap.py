# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings are of a machine under test: whatever is in them, they are reported without an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MachineError
from harness.oracles import tap
from harness.oracles.chains import Kind, describe, differences, parse, profile, record
from tests.oracles.tap_lines import Tap, closed, crypted, life, opened

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"event": "pop", "id": 1, "queue": 0, "out": [{"len": 4, "data": "00000000"}], "in": []}


def line(**fields: object) -> str:
    return json.dumps({**GOOD, **fields}) + "\n"


def test_a_recording_is_read_from_a_file_or_from_its_text(tmp_path: Path) -> None:
    text = Tap().add(*life(bytes(300))).text
    path = tmp_path / "chains.jsonl"
    path.write_text(text, "utf-8")
    recording = record(path)
    assert recording == record(text) == record(text.encode())
    assert recording.chains == parse(path)
    assert (recording.bad, recording.cut, recording.left_out, recording.notes) == (0, False, False, ())


def test_a_chain_has_its_buffers_before_and_after() -> None:
    opening, crypting = parse(Tap().add(opened(5), crypted(bytes(300))).text)
    assert [buffer.before for buffer in opening.buffers] == [bytes(4), b"\xff" * 4]
    assert [buffer.after for buffer in opening.buffers] == [bytes(4), b"\5\0\0\0"]
    assert [buffer.changed for buffer in opening.buffers] == [False, True]
    assert [buffer.writable for buffer in opening.buffers] == [False, True]
    assert (opening.id, opening.queue, opening.used, opening.ahead) == (1, 0, 4, 0)
    assert crypting.shape == (4, 4, 4, 48, 300, 16, 300, 4)
    assert len(crypting.readable[4].before) == 64


def test_of_a_buffer_the_first_bytes_are_kept_and_no_more() -> None:
    (chain,) = parse(line(out=[{"len": 100, "data": "77" * 100}]))
    assert chain.buffers[0].before == b"w" * 64


def test_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"reading the recorded chains in .*nowhere"):
        record(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("nonsense\n", "no JSON"),
        ("[" * 100_000 + "\n", "no JSON"),
        ("9" * 10_000 + "\n", "no JSON"),
        ("[]\n", "no JSON object"),
        (line(event="look"), "an event that is neither pop nor push"),
        (line(event=[]), "an event that is neither pop nor push"),
        (line(id=-1), '"id" is no number, or out of range'),
        (line(id=True), '"id" is no number, or out of range'),
        (line(id=1.5), '"id" is no number, or out of range'),
        (line(id=1 << 64), '"id" is no number, or out of range'),
        (line(queue=None), '"queue" is no number, or out of range'),
        (line(event="push"), '"used" is no number, or out of range'),
        (line(event="push", used=0), "chain 1 is given back, and was not taken"),
        (line(out={}), '"out" is no list of at most 1024 buffers'),
        (line(**{"in": [GOOD["out"]] * 1025}), '"in" is no list of at most 1024 buffers'),
        (line(out=[4]), "a buffer that is no JSON object"),
        (line(out=[{"len": 1 << 32, "data": ""}]), '"len" is no number, or out of range'),
        (line(out=[{"len": 4, "data": "0"}]), "a buffer whose data is no hex, or longer than the buffer"),
        (line(out=[{"len": 4, "data": 0}]), "a buffer whose data is no hex, or longer than the buffer"),
        (line(out=[{"len": 0, "data": "00"}]), "a buffer whose data is no hex, or longer than the buffer"),
        (" " * tap.MAX_LINE + "{}\n", f"{tap.MAX_LINE + 2} bytes are too long for a line"),
    ],
)
def test_a_bad_line_is_counted_and_left_out(bad: str, why: str) -> None:
    good = Tap().add(opened()).text
    recording = record(bad + good + bad)
    assert recording.chains == parse(good)
    assert (recording.bad, recording.first_bad) == (2, f"line 1: {why}")
    assert recording.notes == (f"2 lines of the recording not understood, the first: line 1: {why}",)


def test_a_chain_that_comes_back_with_other_buffers_is_a_bad_line() -> None:
    back = line(event="push", used=0, out=[])
    recording = record(line() + back)
    assert (recording.bad, recording.first_bad) == (1, "line 2: the chain comes back with other buffers")
    assert [chain.used for chain in recording.chains] == [None]


def test_a_chain_is_given_back_once() -> None:
    text = line() + 2 * line(event="push", used=0)
    assert record(text).first_bad == "line 3: chain 1 is given back, and was not taken"


def test_a_chain_belongs_to_its_queue() -> None:
    text = line() + line(queue=1) + line(queue=1, event="push", used=0)
    assert [(chain.queue, chain.used) for chain in parse(text)] == [(0, None), (1, 0)]


def test_an_id_begins_anew() -> None:
    text = 2 * line() + line(event="push", used=0)
    assert [chain.used for chain in parse(text)] == [None, 0]


def test_a_last_line_that_is_cut_is_said_to_be() -> None:
    text = Tap().add(opened(), closed()).text
    recording = record(text[:-20])
    assert (recording.bad, recording.cut) == (0, True)
    assert recording.notes == ("the last line of the recording is incomplete",)
    assert [one.kind for one in differences(recording.chains)] == [Kind.KEPT]


def test_what_is_kept_is_not_in_flight_for_ever() -> None:
    tap_ = Tap()
    tap_.pop(closed())
    tap_.add(opened(), opened())
    assert [chain.ahead for chain in parse(tap_.text)] == [0, 0, 0]


def test_a_recording_that_is_too_long_is_read_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chains.jsonl"
    path.write_text(Tap().add(*life(*[bytes(64)] * 5000)).text, "utf-8")
    monkeypatch.setattr(tap, "MAX_FILE", 1 << 20)
    recording = record(path)
    assert recording.left_out
    assert not recording.cut
    assert recording.notes == ("only the first 1 MiB of the recording were read",)
    assert 100 < len(recording.chains) < 5000


def report(text: str | bytes) -> None:
    """All that can be done with a recording."""
    recording = record(text)
    lines = [*describe(recording), *profile(recording.chains).splitlines()]
    assert all(isinstance(one, str) and "\n" not in one for one in lines)
    assert sum(one.count for one in differences(recording.chains)) >= 0


@given(st.binary(max_size=200))
def test_garbage_is_reported(garbage: bytes) -> None:
    report(garbage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event", "id", "queue", "out", "in", "len", "data", "used"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=4))
def test_any_json_is_reported(values: list[object]) -> None:
    report("\n".join(map(json.dumps, values)))


# Buffers that look right here and there: what is read as a length or a structure is then anything.
WORDS = [bytes(4), b"\1\0\0\0", b"\2\0\0\0", b"\x66\x63\x30\xc0", b"\x68\x63\x30\xc0", b"\x67\x63\x04\x40"]
DATA = st.sampled_from([*WORDS, b"", b"\2", bytes(48), b"\xff" * 48]) | st.binary(max_size=64)
LENGTH = st.sampled_from([0, 1, 4, 8, 16, 28, 48, (1 << 32) - 1])


@st.composite
def sides(draw: st.DrawFn) -> dict[str, list[dict[str, object]]]:
    def buffer(data: bytes, length: int) -> dict[str, object]:
        return {"len": max(length, len(data)), "data": data.hex()}

    buffers = st.lists(st.builds(buffer, DATA, LENGTH), max_size=8)
    first = [{"len": 4, "data": draw(st.sampled_from(WORDS)).hex()}]
    return {"out": first + draw(buffers), "in": draw(buffers)}


@given(st.lists(sides(), max_size=5), st.integers(0, 1 << 33))
def test_any_chain_is_reported(chains: list[dict[str, list[dict[str, object]]]], used: int) -> None:
    lines = []
    for number, chain in enumerate(chains):
        lines.append(json.dumps({"event": "pop", "id": number, "queue": 0, **chain}))
        flipped = {
            name: [
                {**one, "data": bytes(255 - byte for byte in bytes.fromhex(str(one["data"]))).hex()}
                for one in side
            ]
            for name, side in chain.items()
        }
        back = flipped if number % 2 else chain
        lines.append(json.dumps({"event": "push", "id": number, "queue": 0, "used": used, **back}))
    report("\n".join(lines) + "\n")
