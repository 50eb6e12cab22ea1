# SPDX-License-Identifier: GPL-2.0-or-later
"""The family of exceptions that the harness raises on purpose.

Each one says, on one line, what was being done, what was seen and what to do.  Assertion failures of a
scenario are ordinary ``AssertionError``: these here mean that the machine, a build or the set-up failed.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Something outside the test's own assertions went wrong.

    Attributes:
        doing: what was being done, as a gerund phrase ("fetching QEMU's source").
        seen: what was seen instead of success.
        cure: what a person can do about it; empty when there is nothing to say.
    """

    def __init__(self, doing: str, seen: str, cure: str = "") -> None:
        """Make the error from its three parts; line breaks in them are folded."""
        self.doing, self.seen, self.cure = (" ".join(part.split()) for part in (doing, seen, cure))
        super().__init__(self.doing, self.seen, self.cure)

    def __str__(self) -> str:
        sentence = f"{self.doing}: {self.seen}"
        return f"{sentence} -- {self.cure}" if self.cure else sentence


class SetupError(HarnessError):
    """The machine that the harness runs on lacks something: a package, room on a disk, a permission."""


class ArtifactError(HarnessError):
    """A part could not be fetched or built."""


class MachineError(HarnessError):
    """A guest, its QEMU, or the way to it failed.

    Attributes:
        evidence: the last lines seen on the channels that matter, oldest first.
    """

    def __init__(self, doing: str, seen: str, cure: str = "", evidence: tuple[str, ...] = ()) -> None:
        """Make the error; ``evidence`` is printed below the line, one entry a line."""
        super().__init__(doing, seen, cure)
        self.evidence = evidence

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *(f"    | {line}" for line in self.evidence)))


class WaitTimeoutError(MachineError):
    """A wait ran out: the deadline passed before what was waited for was seen."""


class GuestPanicError(MachineError):
    """The guest's kernel reported a bug or died."""


class QemuExitError(MachineError):
    """QEMU ended although the guest was still wanted."""
