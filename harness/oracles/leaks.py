# SPDX-License-Identifier: GPL-2.0-or-later
"""What the debug kernel's kmemleak says: memory that a module allocated and that nobody knows any more.

Documentation/dev-tools/kmemleak.rst.  An object is leaked when it is half a second old (this kernel's rule)
and nothing that is scanned holds an address in it; one that changed between two scans waits for the next.  So
there are two scans, and more than half a second of the guest's between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MachineError

if TYPE_CHECKING:
    from harness.machine import VirtualMachine

_KMEMLEAK = "/sys/kernel/debug/kmemleak"
# MSECS_MIN_AGE in mm/kmemleak.c, and a little.
_AGE_SECONDS = 0.6
_SEARCH = f"echo scan > {_KMEMLEAK} && sleep {_AGE_SECONDS} && echo scan > {_KMEMLEAK} && cat {_KMEMLEAK}"
_SEARCH_SECONDS = 60.0
_SHOWN = 40
_HEAD = re.compile(r'unreferenced object 0x[0-9a-f]+ \(size (\d+)\):\n\s*comm "([^"]*)"')
_FRAME = re.compile(r"^\s+\[<[0-9a-fx]+>\] (\S+)(?: \[(\w+)\])?", re.MULTILINE)
# A function of a module that was unloaded meanwhile has no name; Documentation/x86/x86_64/mm.rst.
_OF_MODULES = range(0xFFFF_FFFF_A000_0000, 0xFFFF_FFFF_FF00_0000)

# They leak for whoever calls them: a class that lacks memory to be registered keeps its name
# (drivers/base/class.c before Linux 6.4).
_KERNELS_OWN = frozenset({"__class_register"})


@dataclass(frozen=True)
class Leak:
    """One object that nobody knows any more.

    Attributes:
        size: its bytes.
        program: the name of the process that had it allocated.
        function: the module's function that allocated it.
        text: what the kernel said of it.
    """

    size: int
    program: str
    function: str
    text: str


def parse(report: str) -> list[Leak]:
    """Read the content of the file ``kmemleak``; what no module allocated is left out."""
    found = []
    for text in re.split(r"(?m)^(?=unreferenced object)", report):
        head = _HEAD.match(text)
        function = _function(text)
        if head and function:
            found.append(Leak(int(head[1]), head[2], function, text.rstrip()))
    return found


def _function(text: str) -> str:
    for place, module in _FRAME.findall(text):
        if place.partition("+")[0] in _KERNELS_OWN:
            return ""
        if module:
            return f"{place.partition('+')[0]}() of {module}"
        if re.fullmatch(r"0x[0-9a-f]{16}", place) and int(place, 16) in _OF_MODULES:
            return f"a module that is no longer loaded, at {place},"
    return ""


def look_for_leaks(machine: VirtualMachine) -> None:
    """Have a guest with the debug kernel look for leaks.

    Raises:
        MachineError: a module leaked memory; its function is named, and the kernel's words are the evidence.
    """
    report = machine.succeed(_SEARCH, timeout=_SEARCH_SECONDS)
    leaks = parse(report)
    if not leaks:
        return
    first = leaks[0]
    more = f", and {len(leaks) - 1} more" if len(leaks) > 1 else ""
    seen = f"{first.function} allocated {first.size} bytes that nobody can free any more{more}"
    evidence = tuple("\n".join(leak.text for leak in leaks).splitlines()[:_SHOWN])
    raise MachineError("looking for leaks", seen, evidence=evidence)
