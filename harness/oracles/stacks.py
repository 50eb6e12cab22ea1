# SPDX-License-Identifier: GPL-2.0-or-later
"""The stack in a kernel's report, and what tells the same crash in another test from a different one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.oracles.crash import Crash, SourceFrame
from harness.oracles.rules import message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.oracles.rules import Kind
    from harness.oracles.symbols import Symbols

_FRAME = re.compile(
    r"^(?P<rip>RIP: 0010:)?(?:\[<[0-9a-fx]+>\] )?(?P<name>[\w.]+)"
    r"\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)(?: \[(?P<module>\w+)(?: [0-9a-f]+)?\])?$"
)
# Where the stack begins that matters: lockdep shows those of earlier calls before its own.
_BEGINS = re.compile(r"^(?:stack backtrace|Call Trace|backtrace):")
# Where it ends: behind it stand stacks of other times (KASAN), of other tasks, and the registers once more.
_ENDS = re.compile(
    r"^(?:</TASK>$|---\[ end |Allocated by task|Freed by task|Last potentially related|The buggy address|"
    r"Memory state around|Showing all locks|Mem-Info)"
)
# How a kernel gets from the place that matters to the report.
_REPORTING = re.compile(
    r"^(?:_*dump_stack\w*|show_stack\w*|_*die\w*|oops_\w+|panic|check_panic_on_warn|print_\w+|_*warn\w*|report_bug|"
    r"handle_bug|_*kasan_\w+|_*asan_\w+|kasan_check_range|_*ubsan_\w+|ubsan_epilogue|_*might_(?:resched|sleep|"
    r"fault)|_*schedule\w*|schedule|lockdep_\w+|lock_acquire|_*lock_acquire|validate_chain|check_\w+|"
    r"register_lock_class|mark_lock\w*|bad_page|free_unref_page\w*|nmi_\w+|trigger_\w+|rcu_\w+|asm_\w+|exc_\w+|"
    r"(?:_raw_)?spin_\w+|_raw_\w+lock\w*|usercopy_abort|_*check_heap_object|_*check_object_size|"
    r"_*list_(?:add|del)\w*valid\w*|fortify_panic|object_err|slab_err|invalid_op|do_error_trap|"
    r"page_fault_oops|do_user_addr_fault|fixup_\w+|refcount_warn_saturate)$"
)
_VARIANT = re.compile(r"\.(?:cold|isra|constprop|part|llvm|localalias)(?:\.\d+)*")
_NUMBER = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]*\d[0-9a-f]*(?=s?\b)")
# The most functions that a fingerprint has.
_TOP = 3


@dataclass(frozen=True)
class Frame:
    """One line of a stack.

    Attributes:
        name: the function.
        offset: where in it.
        size: how long it is.
        module: whose it is; empty for the kernel itself.
        exact: whether the processor was there; else a call returns there.
    """

    name: str
    offset: int
    size: int
    module: str
    exact: bool

    @property
    def text(self) -> str:
        """The frame as the kernel writes it."""
        place = f"{self.name}+{self.offset:#x}/{self.size:#x}"
        return f"{place} [{self.module}]" if self.module else place

    @property
    def function(self) -> str:
        """The function as its author called it."""
        return _VARIANT.sub("", self.name)


def stack_of(lines: Iterable[str]) -> tuple[Frame, ...]:
    """Return the stack in a report, the innermost first; what the kernel only guesses is left out."""
    texts = [message(line) for line in lines]
    begins = [number for number, text in enumerate(texts) if _BEGINS.match(text)]
    backtrace = [number for number in begins if texts[number].startswith("stack backtrace")]
    first = (backtrace or begins or [0])[0]
    rips = [found for text in texts[:first] if (found := _frame(text)) and found.exact]
    frames = rips[:1]
    for text in texts[first:]:
        if _ENDS.match(text):
            break
        found = _frame(text)
        if found is not None and found.text not in [frame.text for frame in frames[-1:]]:
            frames.append(found)
    # Some reports name one place and show no stack: "at: crypto_submit+0x42/0x120 [module]".
    return tuple(frames or _named(texts))


def _frame(text: str) -> Frame | None:
    found = _FRAME.match(text)
    if found is None:
        return None
    offset, size = int(found["offset"], 16), int(found["size"], 16)
    return Frame(found["name"], offset, size, found["module"] or "", exact=bool(found["rip"]))


def _named(texts: Iterable[str]) -> Iterator[Frame]:
    for text in texts:
        for word in re.findall(r"[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+ \[\w+\]", text):
            found = _frame(word)
            if found is not None:
                yield found


def fingerprint(kind: Kind, title: str, frames: Sequence[Frame], module: str = "") -> str:
    """Return what is the same for the same crash elsewhere: the kind, and the functions that it happened in.

    Args:
        kind: of the report.
        title: of the report; it stands in for a stack that is not there.
        frames: its stack.
        module: whose functions count; where the stack has none of them, any module's do, and then the
            kernel's.
    """
    telling = [frame for frame in frames if not _REPORTING.match(frame.function)]
    ours = [frame for frame in telling if module and frame.module == module]
    modules = [frame for frame in telling if frame.module]
    functions: list[str] = []
    for frame in ours or modules or telling:
        if frame.function not in functions[-1:]:
            functions.append(frame.function)
    if not functions:
        return f"{kind}: {_NUMBER.sub('#', title)}"
    return f"{kind}: {' < '.join(functions[:_TOP])}"


def explain(kind: Kind, title: str, lines: tuple[str, ...], symbols: Symbols | None = None) -> Crash:
    """Return a report with its stack, and the places in the source of the module that ``symbols`` knows."""
    frames = stack_of(lines)
    name = symbols.module if symbols else ""
    # The way from there to the report is everybody's.
    telling = [number for number, frame in enumerate(frames) if not _REPORTING.match(frame.function)]
    placed = [shown for frame in frames[telling[0] if telling else 0 :] for shown in _placed(frame, symbols)]
    return Crash(title, str(kind), fingerprint(kind, title, frames, name), lines, tuple(placed))


def look_up(lines: Iterable[str], symbols: Symbols) -> None:
    """Look up the frames in some lines of a report, so that :func:`explain` finds them in no time."""
    for line in lines:
        frame = _frame(message(line))
        if frame is not None:
            _placed(frame, symbols)


def _placed(frame: Frame, symbols: Symbols | None) -> list[SourceFrame]:
    """Return a frame, with one before it for each function that was inlined there."""
    if symbols is None or frame.module != symbols.module:
        return [SourceFrame(frame.text)]
    places = symbols.places(frame.name, frame.offset, frame.size, returns=not frame.exact)
    if not places:
        return [SourceFrame(frame.text)]
    *inlined, outer = places
    shown = [
        SourceFrame(f"{place.function} [{frame.module}, inlined]", place.file, place.line, place.around)
        for place in inlined
    ]
    return [*shown, SourceFrame(frame.text, outer.file, outer.line, outer.around)]
