# SPDX-License-Identifier: GPL-2.0-or-later
"""Which functions were inlined where an address is (DWARF 5, 3.3.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from elftools.dwarf.ranges import BaseAddressEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE

_BLOCKS = frozenset({"DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block"})
_ADDRESS_FORM = "DW_FORM_addr"


@dataclass(frozen=True)
class Inlined:
    """One function that was inlined.

    Attributes:
        function: its name.
        file: the number of the file where it is called.
        line: the line of that file.
    """

    function: str
    file: int
    line: int


def inlined_calls(unit: CompileUnit, address: int) -> Iterator[Inlined]:
    """Yield the inlined functions that an address is in, the outermost first."""
    block: DIE | None = unit.get_top_DIE()
    while block is not None:
        block = next((die for die in block.iter_children() if _holds(unit, die, address)), None)
        if block is not None and block.tag == "DW_TAG_inlined_subroutine":
            line, file = (block.attributes.get(f"DW_AT_call_{what}") for what in ("line", "file"))
            if line is not None and file is not None:
                yield Inlined(_name(block), file.value, line.value)


def _name(die: DIE) -> str:
    """Return a function's name, which the block of its code may only point to."""
    for _ in range(4):
        if "DW_AT_name" in die.attributes:
            return str(die.attributes["DW_AT_name"].value.decode("utf-8", "replace"))
        links = ("DW_AT_abstract_origin", "DW_AT_specification")
        link = next((name for name in links if name in die.attributes), None)
        if link is None:
            break
        die = die.get_DIE_from_attribute(link)
    return "?"


def _holds(unit: CompileUnit, die: DIE, address: int) -> bool:
    if die.tag not in _BLOCKS:
        return False
    low, high = (die.attributes.get(name) for name in ("DW_AT_low_pc", "DW_AT_high_pc"))
    if low is not None and high is not None:
        end = high.value if high.form == _ADDRESS_FORM else low.value + high.value
        return bool(low.value <= address < end)
    if "DW_AT_ranges" not in die.attributes:
        return False
    # The debug information of a block without a base counts from the unit's.
    top = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    base = top.value if top is not None else 0
    lists = unit.dwarfinfo.range_lists()
    for entry in lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, unit) if lists else ():
        if isinstance(entry, BaseAddressEntry):
            base = entry.base_address
            continue
        start = 0 if entry.is_absolute else base
        if start + entry.begin_offset <= address < start + entry.end_offset:
            return True
    return False
