# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces as text: what is printed is read back, and what is wrong is one clear line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.qtest import steps
from harness.qtest.mmio import Feature, Register
from harness.qtest.ring import DescFlag
from harness.qtest.steps import (
    Area,
    Block,
    Chain,
    Kick,
    Offer,
    Piece,
    Place,
    Poke,
    Raw,
    RawDescriptor,
    Reset,
    Save,
    SessionId,
    Table,
    Write,
)  # fmt: skip
from harness.qtest.trace import FIRST_LINE, Ring, Setup, Trace, TraceError

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = f"""\
{FIRST_LINE}
device max-open-files=3 max-sessions=1 max-request=64 ring=packed legacy event-idx=off indirect=off
chain < 0200 {{s0}} 01 32*00 > 16*a5 ffffffff
chain indirect < 00000000 > ffffffff
block 12*00 01
table b0,4,NEXT,1 b0+4,8,WRITE,0 0xfee00000,4294967295,NEXT|WRITE|INDIRECT|0x8000,65535
raw b1,48,INDIRECT,0
raw head=7 b0,0,0,0
offer 3
poke driver+2 ffff
kick
kick 1
reset
save
write STATUS 0x80
write 0x54 0x1
"""
NEXT, WRITE, INDIRECT = DescFlag.NEXT, DescFlag.WRITE, DescFlag.INDIRECT


def test_every_step_as_it_is_written() -> None:
    trace = Trace.parse(EVERYTHING)
    assert trace.setup == Setup(3, 1, 64, 128, Ring.PACKED, legacy=True, event_idx=False, indirect=False)
    assert trace.steps == (
        Chain(
            (Piece((b"\2\0", SessionId(0), b"\1" + bytes(32))), Piece((b"\xa5" * 16 + b"\xff" * 4,), True))
        ),
        Chain((Piece((bytes(4),)), Piece((b"\xff" * 4,), True)), indirect=True),
        Block((bytes(12) + b"\1",)),
        Table(
            (
                RawDescriptor(Place(0, 0), 4, NEXT, 1),
                RawDescriptor(Place(4, 0), 8, WRITE, 0),
                RawDescriptor(Place(0xFEE00000), 0xFFFFFFFF, NEXT | WRITE | INDIRECT | 0x8000, 0xFFFF),
            )
        ),
        Raw((RawDescriptor(Place(0, 1), 48, INDIRECT),)),
        Raw((RawDescriptor(Place(0, 0), 0),), head=7),
        Offer(3),
        Poke(Area.DRIVER, 2, b"\xff\xff"),
        Kick(),
        Kick(1),
        Reset(),
        Save(),
        Write(Register.STATUS, 0x80),
        Write(0x54, 1),
    )
    assert str(trace) == EVERYTHING


def test_spaces_comments_and_empty_lines_mean_nothing() -> None:
    text = f"{FIRST_LINE}\n\n# why\n  chain  <  00 00 0000 >ffff\n".replace(">ffff", "> ffff")
    assert Trace.parse(text).steps == (Chain((Piece((bytes(4),)), Piece((b"\xff\xff",), writable=True))),)


def test_a_trace_of_nothing() -> None:
    assert Trace.parse(FIRST_LINE) == Trace()
    assert str(Trace()) == f"{FIRST_LINE}\n"


@pytest.mark.parametrize("option", ["", "legacy", "legacy=on", "ring=split event-idx=on", "queue-size=128"])
def test_options_that_say_what_is_usual_are_not_printed(option: str) -> None:
    assert str(Setup.parse(option)) == ("device legacy" if "legacy" in option else "device")


def test_a_setup_says_what_the_device_and_the_driver_do() -> None:
    setup = Setup.parse("ring=packed max-sessions=2 event-idx=off")
    assert (
        setup.properties == "max-open-files=128,max-sessions=2,max-request=1048576,queue-size=128,packed=on"
    )
    assert setup.features & Feature.RING_PACKED
    assert not setup.features & Feature.EVENT_IDX
    assert not Setup().features & Feature.RING_PACKED
    assert Setup().features & Feature.INDIRECT_DESC


def test_simpler_setups_leave_one_option_out() -> None:
    setup = Setup.parse("legacy max-sessions=2")
    assert sorted(map(str, setup.simpler())) == ["device legacy", "device max-sessions=2"]
    assert list(Setup().simpler()) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fly", "'fly' is none of device, chain"),
        ("device speed=9", "'speed' is none of max-open-files, max-sessions"),
        ("device max_sessions=9", "'max_sessions' is none of"),
        ("device max-sessions=many", "max-sessions is a number from 0 to 4294967295, not 'many'"),
        ("device max-sessions", "max-sessions is a number"),
        ("device ring=torus", "ring is split or packed, not 'torus'"),
        ("device legacy=perhaps", "legacy is on or off, not 'perhaps'"),
        ("chain", "at least one buffer"),
        ("chain indirect", "at least one buffer"),
        ("chain 00", "'<' or '>' before '00'"),
        ("chain < 0", "'0' is neither hex, nor N*xx, nor {sN}"),
        ("chain < zz", "'zz' is neither hex"),
        ("chain < {s}", "'{s}' is neither hex"),
        ("chain < 4*0", "'4*0' is neither hex"),
        ("chain <", "bytes are missing"),
        ("chain < > 00", "bytes are missing"),
        ("chain < 99999999*00", "more than 16777216 bytes"),
        ("block", "bytes are missing"),
        ("table", "at least one descriptor"),
        ("table b0,4,NEXT", "ADDRESS,LENGTH,FLAGS,NEXT, not 'b0,4,NEXT'"),
        ("raw x,4,0,0", "an address is a number"),
        ("raw b0+x,4,0,0", "an offset is a number"),
        ("raw b0,-1,0,0", "a length is a number from 0 to 4294967295, not '-1'"),
        ("raw b0,4,UP,0", "flags are NEXT, WRITE, INDIRECT or numbers"),
        ("raw b0,4,0x10000,0", "flags are NEXT"),
        ("raw b0,4,0,65536", "next is a number from 0 to 65535"),
        ("raw head=x b0,4,0,0", "head is a number"),
        ("offer", "1 words are expected here, not 0"),
        ("offer 70000", "a descriptor's index is a number"),
        ("poke", "'' is none of descriptors, driver, device"),
        ("poke driver+2", "bytes are missing"),
        ("kick 1 2", "1 words are expected here, not 2"),
        ("kick x", "a queue is a number"),
        ("reset now", "0 words are expected here, not 1"),
        ("write STATUS", "2 words are expected here, not 1"),
        ("write STATE 0", "a register's offset is a number"),
        ("write 0x71 0", "registers have 4 bytes: 0x71 is none"),
        ("write STATUS 0x100000000", "a register's value is a number"),
    ],
)
def test_a_bad_line_is_one_error_with_its_number(line: str, words: str) -> None:
    with pytest.raises(TraceError) as error:
        Trace.parse(f"{FIRST_LINE}\n# a comment\n{line}\n{line}\n")
    assert str(error.value).startswith("reading a trace, line 3: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "\n", "virtio-cryptodev-trace 2\n", f"\n{FIRST_LINE}\n"])
def test_what_is_no_trace_at_all(text: str) -> None:
    with pytest.raises(TraceError, match="line 1: it does not begin with"):
        Trace.parse(text)


@pytest.mark.parametrize("before", ["kick", "device legacy"])
def test_the_device_comes_once_and_first(before: str) -> None:
    with pytest.raises(TraceError, match="line 3: 'device' stands once, before all steps"):
        Trace.parse(f"{FIRST_LINE}\n{before}\ndevice legacy\n")


@given(st.text())
def test_any_text_is_a_trace_or_an_error(text: str) -> None:
    for whole in (text, f"{FIRST_LINE}\n{text}"):
        try:
            trace = Trace.parse(whole)
        except TraceError:
            continue
        assert Trace.parse(str(trace)) == trace


# ---- printing and reading ----

_data = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=20),
        st.builds(lambda byte, count: bytes([byte]) * count, st.integers(0, 255), st.integers(1, 40)),
        st.builds(SessionId, st.integers(0, 99)),
    ),
    min_size=1,
    max_size=4,
).map(lambda pieces: steps.merged(tuple(pieces)))
_places = st.builds(Place, st.integers(0, 2**64 - 1), st.none() | st.integers(0, 9))
_u16, _u32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
_tables = st.lists(st.builds(RawDescriptor, _places, _u32, _u16, _u16), min_size=1, max_size=4).map(tuple)
_steps = st.one_of(
    st.builds(
        Chain,
        st.lists(st.builds(Piece, _data, st.booleans()), min_size=1, max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(Block, _data),
    st.builds(Table, _tables),
    st.builds(Raw, _tables, _u16),
    st.builds(Offer, _u16),
    st.builds(Poke, st.sampled_from(Area), _u16, st.binary(min_size=1, max_size=20)),
    st.builds(Kick, _u32),
    st.just(Reset()),
    st.just(Save()),
    st.builds(Write, st.integers(0, 0x7F).map(lambda number: 4 * number), _u32),
)
_setups = st.builds(
    Setup, _u32, _u32, _u32, _u32, st.sampled_from(Ring), st.booleans(), st.booleans(), st.booleans()
)


@given(st.builds(Trace, _setups, st.lists(_steps, max_size=6).map(tuple)))
def test_what_is_printed_is_read_back(trace: Trace) -> None:
    assert Trace.parse(str(trace)) == trace


def test_long_runs_are_printed_short() -> None:
    assert (
        steps.text_of((b"\0" * 4096 + b"\1\2" + b"\3" * 7 + b"\4" * 8,)) == "4096*00 010203030303030303 8*04"
    )


# ---- the command ----


def test_a_bad_trace_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace"
    file.write_text(f"{FIRST_LINE}\nfly\n")
    assert main(["replay", str(file), f"--cache-dir={tmp_path}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("kind", ["missing", "binary", "folder"])
def test_a_file_that_cannot_be_read_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    file = tmp_path / "trace"
    if kind == "binary":
        file.write_bytes(b"\xff\xfe")
    elif kind == "folder":
        file.mkdir()
    assert main(["replay", str(file), f"--cache-dir={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"harness: reading a trace: {file}: ")
    assert err.count("\n") == 1
