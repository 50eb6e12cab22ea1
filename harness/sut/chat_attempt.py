# SPDX-License-Identifier: GPL-2.0-or-later
"""An attempt to talk through a chat that has no crypto device: what it sends all the same."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pexpect

from harness.errors import GuestPanicError, MachineError, QemuExitError
from harness.sut.foreign_chat import NotListeningError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from harness.sut.chat import Chat, ChatEnd
    from harness.sut.chat_spec import ChatSpec

SECONDS = 3.0
"""How long nothing has to be sent for nothing to be sent: what is sent comes in milliseconds."""

_OPENING = "hello"
_ENDS = (pexpect.ExceptionPexpect, MachineError, OSError)


@dataclass(frozen=True)
class Attempt:
    """What came of it.

    Attributes:
        frames: what the end without a device sent, frame by frame.
        octets: all that passed between both.
        typed: whether the end asked for something to send.
    """

    frames: tuple[bytes, ...] = ()
    octets: bytes = b""
    typed: bool = False


def attempt_without_device(
    spec: ChatSpec,
    start: Callable[..., AbstractContextManager[Chat]],
    end: str,
    text: str,
    slowness: float = 1.0,
) -> Attempt:
    """Have one end, which finds no crypto device, type a text at its prompt, if it ever shows one.

    Args:
        spec: the chat.
        start: begins a conversation; takes :class:`harness.sut.foreign_chat.Wishes`' fields.
        end: ``client`` or ``server``.
        text: what is typed.
        slowness: by what :data:`SECONDS` are multiplied.
    """
    try:
        with start(without_device=end, meet=False) as chat:
            speaker = {"client": chat.client, "server": chat.server}[end]
            if end == "server":
                # It may have ended, and the client with it.
                with _whatever_ends():
                    chat.client.say(_OPENING)
            typed = _asked(speaker, text)
            opening = spec.frame(f"{_OPENING}\n") if end == "server" else None
            return _what_came(chat, opening, SECONDS * slowness if typed else 0.0)
    except NotListeningError:
        return Attempt()


def _asked(speaker: ChatEnd, text: str) -> bool:
    """Type a text when it is asked for; return whether it was."""
    try:
        speaker.say(text)
    except _ENDS as error:
        _only_the_program(error)
        return False
    return True


@contextlib.contextmanager
def _whatever_ends() -> Iterator[None]:
    """Let the end of a program pass, or that it waits for something: both are good here."""
    try:
        yield
    except _ENDS as error:
        _only_the_program(error)


def _only_the_program(error: Exception) -> None:
    if isinstance(error, GuestPanicError | QemuExitError):
        raise error


def _what_came(chat: Chat, opening: bytes | None, seconds: float) -> Attempt:
    deadline = time.monotonic() + seconds
    while True:
        frames = [frame for frame in chat.wire.frames if frame != opening]
        if frames or time.monotonic() > deadline:
            return Attempt(tuple(frames), chat.wire.octets, typed=seconds > 0)
        time.sleep(0.05)
