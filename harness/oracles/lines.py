# SPDX-License-Identifier: GPL-2.0-or-later
"""The line table of one compilation unit: which line of which file an address comes from (DWARF 5, 6.2)."""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.lineprogram import LineProgram

_ZERO_BASED = 5


@dataclass(frozen=True)
class LineTable:
    """The lines of a unit, in the order of their addresses.

    Attributes:
        files: the names of the unit's files, by their number.
        addresses: where each row begins.
        rows: (number of the file, line); None where the code before an address ends.
    """

    files: dict[int, str]
    addresses: list[int]
    rows: list[tuple[int, int] | None]

    @classmethod
    def of(cls, unit: CompileUnit) -> LineTable:
        """Read the table of a unit.

        Raises:
            DWARFError: it is none.
        """
        program = unit.dwarfinfo.line_program_for_CU(unit)
        if program is None:
            return cls({}, [], [])
        found: list[tuple[int, tuple[int, int] | None]] = []
        for state in (entry.state for entry in program.get_entries()):
            if state is None:
                continue
            if state.end_sequence:
                found.append((state.address, None))
            elif state.line:
                found.append((state.address, (state.file, state.line)))
        # An end and a beginning at one address: the beginning is meant.
        found.sort(key=lambda row: (row[0], row[1] is not None))
        return cls(_files(program), [address for address, _ in found], [row for _, row in found])

    def at(self, address: int) -> tuple[str, int] | None:
        """Return file and line of an address; None if it is not the unit's."""
        row = self.rows[bisect_right(self.addresses, address) - 1] if self.addresses else None
        if row is None or address < self.addresses[0]:
            return None
        return self.name(row[0]), row[1]

    def name(self, number: int) -> str:
        """Return the name of a file."""
        return self.files.get(number, "?")


def _files(program: LineProgram) -> dict[int, str]:
    header = program.header
    new = header["version"] >= _ZERO_BASED
    folders = [_text(folder) for folder in header["include_directory"]]
    if not new:
        folders.insert(0, "")
    names = {}
    for number, entry in enumerate(header["file_entry"], 0 if new else 1):
        folder = folders[entry.dir_index] if entry.dir_index < len(folders) else ""
        names[number] = posixpath.normpath(posixpath.join(folder, _text(entry.name)))
    return names


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
