# SPDX-License-Identifier: GPL-2.0-or-later
"""The chat's protocol: frames of one size, strict turns, and ``bye``.

A message is text of at most 255 bytes and a newline, padded with zeros to 256 bytes, encrypted whole with
AES-128-CBC under a key and an IV that both ends know, and sent as the ciphertext and one newline: 257 bytes.
Equal messages give equal frames; that weakness is part of the format.
"""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from harness.reference.abi import Op
from harness.reference.cipher import aes_cbc

if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 35001
KEY = b"hellhellhellhell"
IV = b"llehllehllehlleh"
MESSAGE_BYTES = 256
FRAME_BYTES = MESSAGE_BYTES + 1
FAREWELL = "bye"
_END = b"\n"
_CONTINUATION = 0x80


def messages(text: str) -> list[bytes]:
    """Return a typed line as the messages that carry it, one for each turn.

    Each is at most 255 bytes of text and a newline; no character is cut in two.

    Args:
        text: the line without its end.

    Raises:
        ValueError: the text has more lines than one.
    """
    if "\n" in text:
        raise ValueError("a message carries one line, without its end")
    rest = text.encode()
    found = []
    while True:
        end = min(len(rest), MESSAGE_BYTES - 1)
        while end < len(rest) and rest[end] & 0xC0 == _CONTINUATION:
            end -= 1
        found.append(rest[:end] + _END)
        rest = rest[end:]
        if not rest:
            return found


def frame(message: str | bytes, *, plain: bool = False) -> bytes:
    """Return the 257 bytes that carry a message.

    Args:
        message: at most 256 bytes, its newline included.
        plain: without encryption.

    Raises:
        ValueError: the message is longer.
    """
    data = message.encode() if isinstance(message, str) else message
    if len(data) > MESSAGE_BYTES:
        raise ValueError(f"a message has at most {MESSAGE_BYTES} bytes, not {len(data)}")
    padded = data.ljust(MESSAGE_BYTES, b"\0")
    return (padded if plain else aes_cbc(Op.ENCRYPT, KEY, IV, padded)) + _END


def unframe(data: bytes, *, plain: bool = False) -> bytes:
    """Return the message in a frame, without the padding.

    Raises:
        ValueError: these are not 257 bytes of which the last is a newline.
    """
    if len(data) != FRAME_BYTES or data[-1:] != _END:
        raise ValueError(f"a frame has {FRAME_BYTES} bytes and ends with a newline")
    padded = data[:-1] if plain else aes_cbc(Op.DECRYPT, KEY, IV, data[:-1])
    return padded.rstrip(b"\0")


def difference(frames: Sequence[bytes], said: Sequence[str | bytes], *, plain: bool = False) -> str:
    """Return in words where frames first differ from those of some messages; empty where they do not.

    The byte that is told is one of the message, not of the ciphertext.

    Args:
        frames: what crossed the wire.
        said: the messages, each with its newline.
        plain: without encryption.
    """
    for number, (seen, message) in enumerate(zip(frames, said, strict=False)):
        right = frame(message, plain=plain)
        if seen == right:
            continue
        if len(seen) != FRAME_BYTES or seen[-1:] != _END:
            return f"frame {number} has {len(seen)} bytes and not {FRAME_BYTES}, or no newline at its end"
        text = message.encode() if isinstance(message, str) else message
        if not plain and seen.startswith(text):
            return f"frame {number} carries its message unencrypted: {text!r}"
        was, is_right = seen[:-1], right[:-1]
        if not plain:
            was, is_right = (aes_cbc(Op.DECRYPT, KEY, IV, one) for one in (was, is_right))
        at = next(place for place, (one, other) in enumerate(zip(was, is_right, strict=True)) if one != other)
        return f"frame {number}: byte {at} of its message is {was[at]:#04x} and not {is_right[at]:#04x}"
    return "" if len(frames) == len(said) else f"{len(frames)} frames for {len(said)} messages"


def displayed(message: bytes) -> str:
    r"""Return what the other end's terminal shows of a message.

    That is the text up to the newline, or up to the first zero where there is none.  Control characters and
    bytes that are no UTF-8 are shown as ``\xNN``, one for each byte: a peer must not be able to drive the
    terminal.  Unicode's category Cc says what a control character is: tab, DEL and U+0080 to U+009F as well.
    """
    text = message.partition(_END)[0].partition(b"\0")[0]
    shown = []
    for character in text.decode("utf-8", errors="surrogateescape"):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raw = character.encode("utf-8", errors="surrogateescape")
            shown.append("".join(f"\\x{byte:02x}" for byte in raw))
        else:
            shown.append(character)
    return "".join(shown)


class End(enum.StrEnum):
    """The two ends of a conversation."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> End:
        """The other end."""
        return End.SERVER if self is End.CLIENT else End.CLIENT


@dataclass(frozen=True)
class Turns:
    """Whose turn it is.

    Attributes:
        speaker: who may speak; the client begins.
        over: whether somebody has said goodbye.
    """

    speaker: End = End.CLIENT
    over: bool = False

    def says(self, end: End, line: str, *, plain: bool = False) -> tuple[Self, bytes]:
        """Return the state after ``end`` typed a line, and what it sent: a frame, or nothing for ``bye``.

        Args:
            end: who speaks.
            line: at most 255 bytes of text, without its end; what :func:`messages` gives for a longer one
                is said in as many turns.
            plain: without encryption.

        Raises:
            ValueError: it is not its turn, the conversation is over, or the line does not fit a message.
        """
        if self.over or end is not self.speaker:
            raise ValueError(f"it is not the turn of the {end}")
        if line == FAREWELL:
            return replace(self, over=True), b""
        (message, *more) = messages(line)
        if more:
            raise ValueError(f"the line takes {1 + len(more)} messages, and a turn has one")
        return replace(self, speaker=end.other), frame(message, plain=plain)
