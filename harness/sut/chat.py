# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation: two chat programs, each driven at its prompt as a person would, and the wire between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Terminal(Protocol):
    """A terminal with a program in it."""

    def expect(self, pattern: str, *, reason: str) -> re.Match[str]:
        """Wait until the output has a match of the regular expression; return it."""

    def sendline(self, text: str) -> None:
        """Type a line."""

    def finish(self, *, reason: str) -> tuple[int, str]:
        """Wait for the program's end; return its exit status and what it printed since the last match."""


class Wire(Protocol):
    """What crossed the network between the two ends."""

    @property
    def frames(self) -> Sequence[bytes]:
        """Every chat frame so far, in the order in which they were sent, both directions."""

    @property
    def octets(self) -> bytes:
        """Every byte of every packet so far."""


class ChatError(MachineError):
    """A chat program ended, or did something else, where the conversation should have gone on."""


@dataclass(frozen=True)
class ChatEnd:
    """One side of a conversation.

    Attributes:
        name: ``client`` or ``server``.
        terminal: the terminal the program runs in.
    """

    name: str
    terminal: Terminal

    def starts(self) -> None:
        """Wait until this end says that it is connected (client) or has accepted (server)."""
        word = {"client": "connected", "server": "accepted"}[self.name]
        self.terminal.expect(rf"{word}\r?\n", reason=f"the {self.name} to say {word!r}")

    def say(self, text: str) -> None:
        """Wait for the ``me: `` prompt and type a line."""
        self.prompted()
        self.terminal.sendline(text)

    def prompted(self) -> None:
        """Wait for the ``me: `` prompt: it is this end's turn."""
        self.terminal.expect(r"me: ", reason=f"the {self.name}'s turn to speak")

    def heard(self) -> str:
        """Wait for the next message of the other end and return it as it is shown here."""
        match = self.terminal.expect(r"other: ([^\r\n]*)\r?\n", reason=f"the {self.name} to hear the other")
        return match.group(1)

    def leave(self) -> None:
        """Say ``bye`` at the prompt."""
        self.say("bye")

    def left(self) -> int:
        """Wait until this end's program has ended; return its exit status."""
        return self.terminal.finish(reason=f"the {self.name} to leave")[0]


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
