# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel reported, explained: its stack with places in the source, and the error that ends a test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import GuestPanicError
from harness.machine.stuck import lock_in

_KILLED = re.compile(r"Out of memory: Killed process .*")


@dataclass(frozen=True)
class SourceFrame:
    """A frame of a kernel's stack, with its place in the source where that is known.

    Attributes:
        symbol: ``vcrypt_ioctl+0x12/0x340 [virtio_crypto]``.
        file: of the source, relative to the driver's folder; empty if it is not known.
        line: of that file, from 1; 0 if it is not known.
        around: some lines of the source around it: (number, text).
    """

    symbol: str
    file: str = ""
    line: int = 0
    around: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Crash:
    """What the kernel reported.

    Attributes:
        title: its first line that says what happened.
        kind: what kind of report it is ("KASAN", "oops").
        fingerprint: the same for the same crash in other tests.
        lines: the whole report.
        frames: its stack, the innermost first.
    """

    title: str
    kind: str
    fingerprint: str
    lines: tuple[str, ...]
    frames: tuple[SourceFrame, ...] = ()

    @property
    def place(self) -> SourceFrame | None:
        """The innermost frame whose source is there, or at least known; None without one."""
        known = [frame for frame in self.frames if frame.file]
        return next((frame for frame in known if frame.around), known[0] if known else None)


class KernelReportError(GuestPanicError):
    """The guest's kernel reported something, and this is all that is known of it.

    Attributes:
        crash: the report.
        guest: the name of the guest.
        meanwhile: what was being done, to be read after "while".
    """

    def __init__(self, crash: Crash, guest: str = "", meanwhile: str = "") -> None:
        """Make the error of a report."""
        place = crash.place
        where = f", in {_function(place)} at {place.file}:{place.line}" if place else ""
        stuck = _waits_for(crash)
        super().__init__(
            "running the guest", f"{crash.kind}: {crash.title}{stuck}{where}", evidence=crash.lines
        )
        self.crash, self.guest, self.meanwhile = crash, guest, meanwhile

    def __str__(self) -> str:
        # What the kernel said comes first: a summary shows no more than the beginning of a line.
        _, *evidence = super().__str__().split("\n")
        return "\n".join((self.seen, *self._about(), *evidence))

    def _about(self) -> list[str]:
        lines = []
        if self.guest or self.meanwhile:
            doing = f", while {self.meanwhile}" if self.meanwhile else ""
            lines.append(f"  in {self.guest or 'the guest'}{doing}")
        # Far below, behind a stack and all that memory is used for, is who had to go.
        lines += [f"  {killed[0]}" for line in self.crash.lines if (killed := _KILLED.search(line))]
        place = self.crash.place
        if place is not None:
            lines.append(f"  {place.file}:{place.line}, {_function(place)}:")
            lines += [
                f"  {'>' if number == place.line else ' '} {number:5} {text.expandtabs(8)}".rstrip()
                for number, text in place.around
            ]
        return lines


def _waits_for(crash: Crash) -> str:
    """Return what a task waits for that does not go on, as a sentence; empty if that is not known."""
    if crash.kind != "hung task":
        return ""
    what = lock_in("\n".join(crash.lines))
    return f" It waits for {what}" if what else ""


def _function(frame: SourceFrame) -> str:
    return f"{frame.symbol.partition('+')[0].partition(' ')[0]}()"
