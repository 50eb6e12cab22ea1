# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of a kernel's functions for gdb, where its vmlinux is not at hand: from ``/proc/kallsyms``.

Debian's kernel comes without its symbols, and it knows them all the same.  They are put into an ELF file that
has nothing else (ELF-64 Object File Format; the System V ABI's chapter 4): names, no lines.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Functions of the kernel itself; what belongs to a module has its name behind it.
LISTING = "grep ' [tT] [^[]*$' /proc/kallsyms"
_SYMBOL = re.compile(r"([0-9a-f]{16}) [tT] (\S+)")
_HEADER, _SECTION, _ENTRY = "<16sHHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IBBHQQ"
_EXECUTABLE, _X86_64, _VERSION = 2, 62, 1
_SYMTAB, _STRTAB, _NOBITS = 2, 3, 8
_ALLOC_AND_CODE = 6
_GLOBAL_FUNCTION = (1 << 4) | 2
_TEXT_SECTION = 1
# The end of the last function is not known.
_LAST_BYTES = 4096


def functions(kallsyms: str) -> dict[str, int]:
    """Read names and addresses; of two functions with one name the first one counts.

    Addresses that the guest does not tell (kptr_restrict) are left out.
    """
    found: dict[str, int] = {}
    for line in kallsyms.splitlines():
        if (match := _SYMBOL.fullmatch(line)) and (address := int(match[1], 16)):
            found.setdefault(match[2], address)
    return found


def elf(known: Mapping[str, int]) -> bytes:
    """Return an ELF file that has these names and addresses.

    Raises:
        ValueError: there are none.
    """
    ordered = sorted(known.items(), key=lambda entry: entry[1])
    if not ordered:
        raise ValueError("no function has an address")
    first, end = ordered[0][1], ordered[-1][1] + _LAST_BYTES
    names, entries = bytearray(b"\0"), bytearray(struct.pack(_ENTRY, 0, 0, 0, 0, 0, 0))
    for (name, address), size in zip(ordered, _sizes(ordered, end), strict=True):
        entries += struct.pack(_ENTRY, len(names), _GLOBAL_FUNCTION, 0, _TEXT_SECTION, address, size)
        names += name.encode() + b"\0"
    titles = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    head, parts = struct.calcsize(_HEADER), (bytes(entries), bytes(names), titles)
    places = [head, head + len(entries), head + len(entries) + len(names)]
    table = places[2] + len(titles)
    entry_bytes = struct.calcsize(_ENTRY)
    sections = [
        (0,) * 10,
        (titles.index(b".text"), _NOBITS, _ALLOC_AND_CODE, first, head, end - first, 0, 0, 16, 0),
        (titles.index(b".symtab"), _SYMTAB, 0, 0, places[0], len(entries), 3, 1, 8, entry_bytes),
        (titles.index(b".strtab"), _STRTAB, 0, 0, places[1], len(names), 0, 0, 1, 0),
        (titles.index(b".shstrtab"), _STRTAB, 0, 0, places[2], len(titles), 0, 0, 1, 0),
    ]
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    counts = (head, 0, 0, struct.calcsize(_SECTION), len(sections), len(sections) - 1)
    header = struct.pack(_HEADER, identity, _EXECUTABLE, _X86_64, _VERSION, first, 0, table, 0, *counts)
    return b"".join((header, *parts, *(struct.pack(_SECTION, *section) for section in sections)))


def write(kallsyms: str, path: Path) -> Path | None:
    """Write the file for gdb; returns it, or None where the guest told no address."""
    known = functions(kallsyms)
    if not known:
        return None
    path.write_bytes(elf(known))
    return path


def _sizes(ordered: list[tuple[str, int]], end: int) -> Iterable[int]:
    """Return how far each function reaches: to the next one."""
    following = [address for _, address in ordered[1:]]
    return [after - address for (_, address), after in zip(ordered, [*following, end], strict=True)]
