# SPDX-License-Identifier: GPL-2.0-or-later
"""From ``function+offset`` in a module to the file and line that it was compiled from.

What is read is the module as it was built, with its debug information (DWARF 4 or 5, dwarfstd.org).  A module
is a relocatable file: its debug information has holes that the linker would have filled.  They are filled
here, with a base of its own for each section of code, so that ``.text`` and ``.text.unlikely`` do not
overlap.
"""

from __future__ import annotations

import io
import struct
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from harness.oracles.inlining import inlined_calls
from harness.oracles.lines import LineTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from elftools.dwarf.aranges import ARanges
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo

AROUND = 2
"""How many lines of the source are shown before and after the one that is meant."""
# The builds of modules call their own folder so, see harness.artifacts.compile.
OWN_FOLDER = "driver/"
_SPACING = 1 << 28
_X86_64 = "EM_X86_64"
_SHF_ALLOC, _SHF_COMPRESSED = 0x2, 0x800
_SYMBOL, _RELOCATION = struct.Struct("<IBBHQQ"), struct.Struct("<QQq")
_FUNCTION = 2
_ALIGNED = 128
# R_X86_64_64, _32 and _32S of the x86-64 ABI: all that is found in debug sections, and how it is written.
_FIELDS = {1: struct.Struct("<Q"), 10: struct.Struct("<I"), 11: struct.Struct("<i")}
_MOST_SOURCE = 4 << 20
# All that pyelftools raises for debug information that is none.  It is not to hide a kernel's report.
_DAMAGE = (
    ELFError,
    DWARFError,
    ConstructError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class SourcePlace:
    """A place in a source.

    Attributes:
        function: in which function it is; one that was inlined is a function, too.
        file: the source, from the driver's folder on; ``kernel/…`` for a header of the kernel.
        line: of the file, from 1.
        around: some lines of the source around it, (number, text); empty where the source is not there.
    """

    function: str
    file: str
    line: int
    around: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class _Function:
    address: int
    size: int


@dataclass
class _Module:
    """What was read of a module: its functions by name, and its debug information."""

    functions: dict[str, list[_Function]]
    dwarf: DWARFInfo
    ranges: ARanges | None
    tables: dict[int, LineTable] = field(default_factory=dict)

    def unit(self, address: int) -> CompileUnit | None:
        """Return the compilation unit that an address belongs to."""
        offset = self.ranges.cu_offset_at_addr(address) if self.ranges else None
        return None if offset is None else self.dwarf.get_CU_at(offset)

    def table(self, unit: CompileUnit) -> LineTable:
        """Return the lines of a unit, read once."""
        if unit.cu_offset not in self.tables:
            self.tables[unit.cu_offset] = LineTable.of(unit)
        return self.tables[unit.cu_offset]


class Symbols:
    """Finds places in the sources of one module; every thread may ask.

    The module is read when it is first asked for a place.  One that cannot be read, or has no debug
    information, has no places: what a kernel reported is told all the same.
    """

    def __init__(self, module: Path, sources: Path, changed: Mapping[str, str] | None = None) -> None:
        """Look into ``module``, whose sources lie in ``sources``.

        Args:
            module: the file, with debug information.
            sources: the folder of its sources.
            changed: sources that are not as in the folder: name from there on → text.
        """
        self._path, self._sources, self._changed = module, sources, dict(changed or {})
        self._lock = threading.Lock()
        self._read: tuple[_Module | None] | None = None
        self._lines = lru_cache(maxsize=64)(self._lines_of)
        self._found = lru_cache(maxsize=1024)(self._find)

    @property
    def module(self) -> str:
        """The module's name, as a kernel prints it."""
        return self._path.stem.replace("-", "_")

    def warm(self) -> None:
        """Read the module now: it is going to be asked for places."""
        with self._lock:
            self._module()

    def place(
        self, symbol: str, offset: int, size: int | None = None, *, returns: bool = False
    ) -> SourcePlace | None:
        """Return the place of the driver that an address stands for; None where it is not known.

        Where functions were inlined, it is the innermost one that the driver's own folder has.

        Args:
            symbol: the function, as the kernel prints it: ``crypto_ioctl``, ``crypto_probe.cold``.
            offset: bytes from its beginning.
            size: its bytes, by which functions of the same name are told apart.
            returns: whether it is the address that a call returns to, as in a backtrace: the call is meant.
        """
        places = self.places(symbol, offset, size, returns=returns)
        own = (place for place in places if place.around or not place.file.startswith("kernel/"))
        return next(own, places[0] if places else None)

    def places(
        self, symbol: str, offset: int, size: int | None = None, *, returns: bool = False
    ) -> tuple[SourcePlace, ...]:
        """Return the same with the functions that were inlined there, the innermost first."""
        with self._lock:
            return self._found(symbol, offset - 1 if returns and offset else offset, size)

    def _find(self, symbol: str, offset: int, size: int | None) -> tuple[SourcePlace, ...]:
        module = self._module()
        same_name = module.functions.get(symbol, []) if module else []
        # A kernel counts from one function to the next: what only aligns that one is in its size.
        fitting = [one for one in same_name if size is None or 0 <= size - one.size < _ALIGNED]
        one = min(fitting, key=lambda one: (size or 0) - one.size, default=None)
        if module is None or one is None or not 0 <= offset <= one.size:
            return ()
        try:
            return tuple(self._of_address(module, one.address + offset, symbol))
        except _DAMAGE:
            return ()

    def _of_address(self, module: _Module, address: int, symbol: str) -> Iterator[SourcePlace]:
        unit = module.unit(address)
        if unit is None:
            return
        table = module.table(unit)
        here = table.at(address)
        # From the outside in: each call tells where the next one was inlined.
        function, inner = symbol.partition(".")[0], []
        for call in inlined_calls(unit, address):
            if call.function == function:
                # The cold part of a function is told as one that was inlined into it.
                continue
            inner.append((function, table.name(call.file), call.line))
            function = call.function
        if here is not None:
            inner.append((function, *here))
        for name, file, line in reversed(inner):
            own = file.removeprefix(OWN_FOLDER)
            yield SourcePlace(name, own, line, self._around(own, line) if own != file else ())

    def _around(self, file: str, line: int) -> tuple[tuple[int, str], ...]:
        lines = self._lines(file)
        first = max(line - AROUND, 1)
        return tuple(enumerate(lines[first - 1 : line + AROUND], first)) if 0 < line <= len(lines) else ()

    def _lines_of(self, file: str) -> tuple[str, ...]:
        if file in self._changed:
            return tuple(self._changed[file].splitlines())
        path = self._sources / file
        try:
            if not path.resolve().is_relative_to(self._sources.resolve()):
                return ()
            with path.open(encoding="utf-8", errors="replace") as source:
                return tuple(source.read(_MOST_SOURCE).splitlines())
        except (OSError, ValueError):
            return ()

    def _module(self) -> _Module | None:
        """Return what the module has; the lock is held."""
        if self._read is None:
            try:
                self._read = (_read(self._path.read_bytes()),)
            except (OSError, *_DAMAGE):
                self._read = (None,)
        return self._read[0]


def _read(content: bytes) -> _Module | None:
    """Read a module; None if it is for another processor, or has no debug information."""
    image = bytearray(content)
    elf = ELFFile(io.BytesIO(content))
    sections = list(elf.iter_sections())
    tables = [section for section in sections if section["sh_type"] == "SHT_SYMTAB"]
    if elf["e_machine"] != _X86_64 or not elf.has_dwarf_info(strict=True) or not tables:
        return None
    bases = [
        number * _SPACING if section["sh_flags"] & _SHF_ALLOC else 0
        for number, section in enumerate(sections)
    ]
    table = tables[0]
    names = elf.get_section(table["sh_link"]).data()
    addresses, functions = [], dict[str, list[_Function]]()
    for name, info, _, where, value, size in _SYMBOL.iter_unpack(table.data()):
        address = value + (bases[where] if where < len(bases) else 0)
        addresses.append(address)
        if info & 0xF == _FUNCTION:
            text = names[name : names.index(b"\0", name)].decode("utf-8", "replace")
            functions.setdefault(text, []).append(_Function(address, size))
    for section in sections:
        if section["sh_type"] == "SHT_RELA" and section.name.startswith(".rela.debug_"):
            target = sections[section["sh_info"]]
            if not target["sh_flags"] & _SHF_COMPRESSED:
                _fill(image, target["sh_offset"], section.data(), addresses)
    dwarf = ELFFile(io.BytesIO(image)).get_dwarf_info(relocate_dwarf_sections=False)
    return _Module(functions, dwarf, dwarf.get_aranges())


def _fill(image: bytearray, start: int, relocations: bytes, addresses: list[int]) -> None:
    """Write the addresses into a section.

    pyelftools can do it: it takes 5 seconds for a module's 60,000, and does not tell sections apart.
    """
    fields = {kind: writer.pack_into for kind, writer in _FIELDS.items()}
    for offset, info, addend in _RELOCATION.iter_unpack(relocations):
        write = fields.get(info & 0xFFFFFFFF)
        if write is not None:
            write(image, start + offset, addresses[info >> 32] + addend)
