# SPDX-License-Identifier: GPL-2.0-or-later
"""The line by which gdb is connected, and the names of a kernel's functions for it."""

from __future__ import annotations

import shlex
import struct
from pathlib import Path
from typing import Any

import pytest

from harness.errors import QemuExitError
from harness.into import gdb, symbols

LISTING = """\
.text 0xffffffffc0200000
.data 0xffffffffc0208000
.bss 0xffffffffc0209000
.init.text 0xffffffffc0300000
.text.unlikely 0xffffffffc0204000
.gnu.linkonce.this_module 0xffffffffc0208f00
.strtab (null)
"""
PLACED = {
    ".text": 0xFFFFFFFFC0200000,
    ".data": 0xFFFFFFFFC0208000,
    ".bss": 0xFFFFFFFFC0209000,
    ".text.unlikely": 0xFFFFFFFFC0204000,
}


def _commands(line: str) -> list[str]:
    words = shlex.split(line)
    assert words[:2] == ["gdb", "-q"]
    assert words[2::2] == ["-ex"] * (len(words) // 2 - 1)
    return words[3::2]


def test_what_was_needed_for_loading_only_is_left_out() -> None:
    assert gdb.sections(LISTING) == PLACED


def test_the_line_names_every_section() -> None:
    sources = gdb.Sources("m", Path("/store/m.ko"), Path("/src"), Path("/store/vmlinux"))
    assert _commands(gdb.line(Path("/run/gdb.sock"), sources, PLACED)) == [
        "set confirm off",
        "symbol-file /store/vmlinux",
        "directory /src",
        "add-symbol-file /store/m.ko 0xffffffffc0200000 -s .bss 0xffffffffc0209000 "
        "-s .data 0xffffffffc0208000 -s .text.unlikely 0xffffffffc0204000",
        "target remote /run/gdb.sock",
    ]


def test_a_driver_that_is_not_loaded_is_left_out() -> None:
    sources = gdb.Sources("m", Path("/store/m.ko"))
    assert _commands(gdb.line(Path("/run/gdb.sock"), sources, {})) == [
        "set confirm off",
        "target remote /run/gdb.sock",
    ]


def test_a_path_with_blanks_is_one_word() -> None:
    line = gdb.line(Path("/my run/gdb.sock"), gdb.Sources("m"), {}, Path("/my run/kernel.symbols"))
    assert "symbol-file '/my run/kernel.symbols'" in _commands(line)


def test_functions_with_addresses() -> None:
    kallsyms = (
        "ffffffff81000000 T startup_64\n"
        "ffffffff81000040 t twice\n"
        "ffffffff81000080 t twice\n"
        "ffffffff82000000 D data\n"
        "0000000000000000 T hidden\n"
        "ffffffffc0200000 t of_module\t[m]\n"
    )
    assert symbols.functions(kallsyms) == {"startup_64": 0xFFFFFFFF81000000, "twice": 0xFFFFFFFF81000040}


def test_no_address_no_file(tmp_path: Path) -> None:
    assert symbols.write("0000000000000000 T hidden\n", tmp_path / "kernel.symbols") is None
    assert not (tmp_path / "kernel.symbols").exists()


def test_an_elf_file_with_names() -> None:
    data = symbols.elf({"second": 0xFFFFFFFF81000040, "first": 0xFFFFFFFF81000000})
    assert data[:5] == b"\x7fELF\x02"
    table, size, count = (*struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HH", data, 58))
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + size * index) for index in range(count)]
    assert table + size * count == len(data)
    entries, names = sections[2], sections[3]
    found = {}
    for place in range(entries[4] + 24, entries[4] + entries[5], 24):
        name, _, _, section, address, length = struct.unpack_from("<IBBHQQ", data, place)
        assert section == 1
        start = names[4] + name
        found[data[start : data.index(b"\0", start)].decode()] = (address, length)
    assert found["first"] == (0xFFFFFFFF81000000, 0x40)
    assert found["second"][0] == 0xFFFFFFFF81000040
    with pytest.raises(ValueError, match="no function"):
        symbols.elf({})


class _Monitor:
    def __init__(self, *, lost: bool) -> None:
        self.asked: list[str] = []
        self._lost = lost

    def mark(self) -> int:
        return 7

    def execute(self, command: str) -> None:
        self.asked.append(command)

    def wait_event(self, name: str, *, since: int) -> None:
        assert (name, since) == ("RESUME", 7)
        if self._lost:
            raise QemuExitError("waiting", "QEMU ended")


@pytest.mark.parametrize("lost", [False, True])
def test_a_guest_stands_until_it_is_continued(lost: bool) -> None:
    machine: Any = type("Machine", (), {"qmp": _Monitor(lost=lost)})()
    said: list[str] = []
    if lost:
        with pytest.raises(QemuExitError):
            gdb.wait_continued(machine, said.append)
    else:
        gdb.wait_continued(machine, said.append)
    assert machine.qmp.asked == ["stop"]
    assert said[-1] == ("it will not: QEMU ended" if lost else "the guest goes on")
