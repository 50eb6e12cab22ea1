# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation: two chat programs, each driven at its prompt as a person would, and the wire between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pexpect

from harness.errors import MachineError
from harness.reference.chat import FAREWELL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LAST = 100
_OUR_GREETINGS = {"client": "connected", "server": "accepted"}


class NoPromptError(MachineError):
    """A chat program does not show its prompt."""


class Terminal(Protocol):
    """A terminal with a program in it: a pexpect object that can also tell how the program ended."""

    match: Any

    def expect(self, pattern: str, /) -> Any:
        """Wait until the output matches the regular expression; ``match`` is then its match."""

    def sendline(self, s: str, /) -> int:
        """Type a line."""

    def exit_status(self) -> int:
        """Wait for the program's end; return its exit status."""


class Wire(Protocol):
    """What crossed the network between the two ends."""

    @property
    def frames(self) -> Sequence[bytes]:
        """Every chat frame so far, in the order in which they were sent, both directions."""

    @property
    def octets(self) -> bytes:
        """Every byte of every packet so far."""


def told(error: Exception) -> str:
    """Return what an error says, without what pexpect says of itself."""
    if isinstance(error, pexpect.TIMEOUT | pexpect.EOF):
        kind = "nothing more came" if isinstance(error, pexpect.TIMEOUT) else "the program ended"
        parts = {}
        for line in str(error).splitlines():
            key, colon, value = line.partition(": ")
            if colon:
                parts[key.strip()] = value.strip()
        last = parts.get("buffer (last 100 chars)", "''")
        before = parts.get("before (last 100 chars)", last)
        wanted = ", ".join(value for key, value in parts.items() if key.isdigit())
        return f"{kind} while {wanted or 'output'} was waited for, the last was {before}"
    return str(error)


@dataclass(frozen=True)
class ChatEnd:
    """One side of a conversation; what its program shows is that of our own chat if nothing else is said.

    Attributes:
        name: ``client`` or ``server``.
        terminal: the terminal that the program runs in.
        prompt: what is shown before what one types; empty where there is none, or nobody is to wait for it.
        other: what is shown before what the other end said.
        greeting: what it says when it has met the other end; empty where it says nothing.
        farewell: the line that ends the conversation.
        killer: kills the program; None where nobody needs that.
    """

    name: str
    terminal: Terminal
    prompt: str = "me: "
    other: str = "other: "
    greeting: str | None = None
    farewell: str = FAREWELL
    killer: Callable[[], None] | None = None

    def starts(self) -> None:
        """Wait until this end says that it has met the other, if it ever does."""
        word = _OUR_GREETINGS[self.name] if self.greeting is None else self.greeting
        if word:
            self.terminal.expect(re.escape(word))

    def prompted(self) -> None:
        """Wait for the prompt: it is this end's turn."""
        if not self.prompt:
            return
        try:
            self.terminal.expect(re.escape(self.prompt))
        except pexpect.TIMEOUT as error:
            last = str(getattr(self.terminal, "before", "") or "")[-_LAST:].strip("\r\n")
            raise NoPromptError(
                f"waiting for the {self.name}'s prompt {self.prompt!r}", f"it shows {last!r} instead"
            ) from error

    def say(self, text: str) -> None:
        """Wait for the prompt and type a line."""
        self.prompted()
        self.terminal.sendline(text)

    def heard(self) -> str:
        """Wait for the next message of the other end and return it as it is shown here."""
        self.terminal.expect(rf"{re.escape(self.other)}([^\r\n]*)\r?\n")
        match = self.terminal.match
        assert isinstance(match, re.Match)
        return str(match.group(1))

    def leave(self) -> None:
        """Say goodbye at the prompt."""
        self.say(self.farewell)

    def left(self) -> int:
        """Wait until this end's program has ended; return its exit status."""
        return self.terminal.exit_status()

    def kill(self) -> None:
        """Kill this end's program, without a word to it."""
        assert self.killer is not None, "nobody knows how to kill it"
        self.killer()


@dataclass(frozen=True)
class Chat:
    """Both ends of a conversation and the capture of what crossed the network between them.

    Attributes:
        client: the end that speaks first.
        server: the end that listens.
        wire: the capture.
    """

    client: ChatEnd
    server: ChatEnd
    wire: Wire
