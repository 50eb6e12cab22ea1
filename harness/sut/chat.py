# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation: two chat programs, each driven at its prompt as a person would, and the wire between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


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


@dataclass(frozen=True)
class ChatEnd:
    """One side of a conversation.

    Attributes:
        name: ``client`` or ``server``.
        terminal: the terminal that the program runs in.
    """

    name: str
    terminal: Terminal

    def starts(self) -> None:
        """Wait until this end says that it is connected (client) or has accepted (server)."""
        word = {"client": "connected", "server": "accepted"}[self.name]
        self.terminal.expect(rf"{word}\r?\n")

    def prompted(self) -> None:
        """Wait for the ``me: `` prompt: it is this end's turn."""
        self.terminal.expect(r"me: ")

    def say(self, text: str) -> None:
        """Wait for the prompt and type a line."""
        self.prompted()
        self.terminal.sendline(text)

    def heard(self) -> str:
        """Wait for the next message of the other end and return it as it is shown here."""
        self.terminal.expect(r"other: ([^\r\n]*)\r?\n")
        match = self.terminal.match
        assert isinstance(match, re.Match)
        return str(match.group(1))

    def leave(self) -> None:
        """Say ``bye`` at the prompt."""
        self.say("bye")

    def left(self) -> int:
        """Wait until this end's program has ended; return its exit status."""
        return self.terminal.exit_status()


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
