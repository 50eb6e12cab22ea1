# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command in the guest gave back."""

from __future__ import annotations

from dataclasses import dataclass

_LAST = 120


@dataclass(frozen=True)
class CommandResult:
    """The outcome of one command.

    Attributes:
        command: what was run.
        status: exit status; 128 + N when signal N ended it.
        output, errors: standard output and standard error, as they came.
    """

    command: str
    status: int
    output: bytes
    errors: bytes

    @property
    def stdout(self) -> str:
        """Standard output as text; what is not UTF-8 is replaced."""
        return self.output.decode("utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; what is not UTF-8 is replaced."""
        return self.errors.decode("utf-8", errors="replace")

    def __str__(self) -> str:
        # Its last word says why, as a rule, and a summary shows one line.
        last = next((line for line in reversed(self.stderr.splitlines()) if line.strip()), "")
        why = f": {last.strip()[:_LAST]}" if last else ""
        parts = [f"{self.command!r} ended with status {self.status}{why}"]
        parts += [f"    stdout| {line}" for line in self.stdout.splitlines()[-20:]]
        parts += [f"    stderr| {line}" for line in self.stderr.splitlines()[-20:]]
        return "\n".join(parts)


class CommandFailedError(AssertionError):
    """A command in the guest did not do what the scenario says it must.

    Attributes:
        result: what it did instead.
    """

    def __init__(self, result: CommandResult, wanted: str) -> None:
        """Make the error; ``wanted`` is what should have happened ("success")."""
        self.result = result
        super().__init__(f"{wanted} was wanted, but {result}")
