# SPDX-License-Identifier: GPL-2.0-or-later
"""Places in a relocatable file that the machine's compiler has made, as the kernel's makefiles would."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from harness.oracles.rules import Kind
from harness.oracles.stacks import explain
from harness.oracles.symbols import SourcePlace, Symbols

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """\
static inline __attribute__((always_inline)) int inner(volatile int *p)
{
	return *p;
}

__attribute__((noinline)) int outer(volatile int *p)
{
	return inner(p) + 1;
}

__attribute__((noinline, section(".text.unlikely"))) int rare(volatile int *p)
{
	return *p * 3;
}

int caller(volatile int *p)
{
	int sum = outer(p);

	return sum * 2;
}
"""

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    source, built = tmp_path / "src" / "a.c", tmp_path / "my-module.ko"
    source.write_text(SOURCE, "utf-8")
    command = [
        "cc",
        "-c",
        "-g",
        "-O2",
        "-fno-pie",
        "-fcf-protection=none",
        f"-ffile-prefix-map={source.parent}=driver",
    ]
    subprocess.run([*command, "-o", built, source], check=True, cwd=tmp_path)
    return built


@pytest.fixture
def symbols(module: Path) -> Symbols:
    return Symbols(module, module.parent / "src")


def test_an_address_has_a_line_and_lines_around_it(symbols: Symbols) -> None:
    place = symbols.place("outer", 0)
    assert place is not None
    assert (place.file, place.line) in {("a.c", 3), ("a.c", 7), ("a.c", 8)}
    assert (place.line, SOURCE.splitlines()[place.line - 1]) in place.around
    assert len(place.around) == 5


def test_what_was_inlined_is_told_from_the_inside_out(symbols: Symbols) -> None:
    places = [symbols.places("outer", offset) for offset in range(4)]
    inlined = next(found for found in places if len(found) == 2)
    assert [(place.function, str(place)) for place in inlined] == [("inner", "a.c:3"), ("outer", "a.c:8")]


def test_sections_do_not_overlap(symbols: Symbols) -> None:
    place = symbols.place("rare", 0)
    assert place is not None
    assert place.function == "rare"
    assert 11 <= place.line <= 13


def test_where_a_call_returns_to_the_call_is_meant(symbols: Symbols) -> None:
    lines = [place.line for offset in range(1, 6) if (place := symbols.place("caller", offset, returns=True))]
    assert 18 in lines
    assert 20 not in lines


def test_the_kernel_counts_what_aligns_a_function_as_its(symbols: Symbols) -> None:
    assert symbols.place("outer", 0, 16) is not None
    assert symbols.place("outer", 0, 4096) is None


@pytest.mark.parametrize(("symbol", "offset"), [("none", 0), ("outer", 1 << 20), ("outer", -1)])
def test_what_is_not_there_has_no_place(symbols: Symbols, symbol: str, offset: int) -> None:
    assert symbols.place(symbol, offset) is None


def test_a_source_that_was_changed_is_shown_as_it_was_built(module: Path) -> None:
    symbols = Symbols(module, module.parent / "src", {"a.c": SOURCE.replace("* 3", "* 4")})
    place = symbols.place("rare", 3)
    assert place is not None
    assert any("* 4" in text for _, text in place.around)


def test_without_its_source_a_place_has_no_lines_around(module: Path) -> None:
    shutil.rmtree(module.parent / "src")
    place = Symbols(module, module.parent / "src").place("rare", 0)
    assert place is not None
    assert place == SourcePlace("rare", "a.c", place.line)


@pytest.mark.parametrize("content", [b"", b"no module", b"\x7fELF" + bytes(60)], ids=["empty", "text", "cut"])
def test_what_is_no_module_has_no_places(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ko").write_bytes(content)
    assert Symbols(tmp_path / "x.ko", tmp_path).place("f", 0) is None
    assert Symbols(tmp_path / "gone.ko", tmp_path).place("f", 0) is None


def test_a_module_that_was_cut_or_damaged_does_no_harm(module: Path) -> None:
    whole = module.read_bytes()
    for number in range(0, len(whole), len(whole) // 40):
        module.write_bytes(whole[:number])
        Symbols(module, module.parent).place("outer", 0)
        module.write_bytes(whole[:number] + bytes(16) + whole[number + 16 :])
        Symbols(module, module.parent).place("outer", 0)


def test_a_stripped_module_has_no_places(module: Path) -> None:
    subprocess.run(["strip", "--strip-debug", module], check=True)
    assert Symbols(module, module.parent).place("outer", 0) is None


def test_a_report_gets_its_places_in_no_time(symbols: Symbols) -> None:
    lines = ("BUG: x", "RIP: 0010:outer+0x0/0x10 [my_module]", "Call Trace:", "caller+0x5/0x10 [my_module]")
    start = time.monotonic()
    crash = explain(Kind.BUG, "BUG: x", lines, symbols)
    assert time.monotonic() - start < 0.3
    assert crash.fingerprint == "kernel bug: outer < caller"
    assert crash.place is not None
    assert crash.place.file == "a.c"
    assert [frame.symbol for frame in crash.frames][-2:] == [
        "outer+0x0/0x10 [my_module]",
        "caller+0x5/0x10 [my_module]",
    ]
    assert {frame.file for frame in crash.frames} == {"a.c"}
