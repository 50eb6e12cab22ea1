# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of ``cryptoctl``, both ways."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.errors import MachineError
from harness.reference.calls import Answer, Pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

# Not errno.errorcode, which has one name where there are two: EDEADLK and EDEADLOCK.
_ERRNOS = {name: number for name, number in vars(errno).items() if name.startswith("E")}


class LineChannel(Protocol):
    """What carries lines to a ``cryptoctl`` and back: an SSH channel, or a process on the host."""

    def ask(self, line: str) -> str:
        """Send one line (without its end) and return the one line that answers it."""

    def close(self) -> None:
        """End the program at the other side."""


class CryptoctlError(MachineError):
    """``cryptoctl`` did not understand a line, or found what no errno expresses (an overrun, say)."""


@dataclass(frozen=True)
class Reply:
    """One answer line, taken apart.

    Attributes:
        errno: 0 for ``ok``, else the number of the errno that was named.
        values: the ``key=value`` words behind ``ok`` or behind the errno's name.
    """

    errno: int
    values: Mapping[str, str]

    @classmethod
    def parse(cls, line: str, question: str) -> Reply:
        """Read an answer line; raise :class:`CryptoctlError` unless it is ``ok …`` or ``err NAME …``."""
        verdict, *words = line.split() or [""]
        values = dict(word.partition("=")[::2] for word in words if "=" in word)
        if verdict == "ok":
            return cls(0, values)
        if verdict == "err" and words and words[0] in _ERRNOS:
            return cls(_ERRNOS[words[0]], values)
        raise CryptoctlError(f"asking cryptoctl {question[:120]!r}", f"it answered {line[:200]!r}")


def user_pointer(value: bytes | Pointer) -> str:
    """Return how an address is typed: its bytes in hex, or the name of one that is none."""
    if isinstance(value, Pointer):
        return value.name.lower()
    return value.hex()


def optional_words(**words: bytes | Pointer | str | int | None) -> list[str]:
    """Return the ``key=value`` words of those that are not None."""
    found = []
    for key, value in words.items():
        if isinstance(value, bytes | Pointer):
            found.append(f"{key}={user_pointer(value)}")
        elif value is not None:
            found.append(f"{key}={value:#x}" if key == "flags" else f"{key}={value}")
    return found


def crypted(reply: Reply, call: str, *, may_touch: bool = False) -> Answer:
    """Read what ``crypt`` and its like answer.

    Raises:
        CryptoctlError: the call failed and still wrote.
    """
    if reply.values.get("dst") == "touched" and not may_touch:
        name = errno.errorcode[reply.errno]
        raise CryptoctlError(call, f"it failed with {name} and still wrote to the destination")
    if reply.errno:
        return Answer(reply.errno)
    done = {
        key: bytes.fromhex(text)
        for key, text in reply.values.items()
        if key in ("dst", "iv", "mac") and text != "untouched"
    }
    return Answer(0, dst=done.get("dst"), iv=done.get("iv"), mac=done.get("mac"))


@dataclass(frozen=True)
class Fetched:
    """What CIOCASYNCFETCH gave.

    Attributes:
        job: which call it was, as :meth:`CryptoFile.give` numbered it; None if the fetch told an errno.
        answer: that call's.
    """

    job: int | None
    answer: Answer


@dataclass(frozen=True)
class Ready:
    """What poll(2) told: whether a call is done, and whether there is room for one."""

    readable: bool
    writable: bool
