# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be known of a chat before it can be talked with: its programs, its words, its frames."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from harness.errors import SetupError
from harness.reference import chat as ours
from harness.reference.abi import Op
from harness.reference.cipher import aes_cbc
from harness.sut.table import KEYS_CURE, Table, is_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PLACEHOLDERS = frozenset({"host", "port", "device"})
"""What ``{…}`` in a command stands for."""

DEVICE = "{device}"
KEY_BYTES = (16, 24, 32)
BLOCK_BYTES = 16
_LEAST_MESSAGE_BYTES, _MOST_MESSAGE_BYTES = 32, 1 << 16
_MOST_TRIES = 1 << 16


class Where(enum.StrEnum):
    """Where the programs run."""

    HOST = "host"
    GUEST = "guest"


class Turns(enum.StrEnum):
    """Who may speak when: one after the other, the client first, or whoever wants to."""

    STRICT = "strict"
    FREE = "free"


@dataclass(frozen=True, kw_only=True)
class EndSpec:
    """One of the two programs.

    Attributes:
        sources: its C files, relative to the chat's folder; none where ``command`` starts what is there.
        command: how it is started, ``{host}``, ``{port}`` and ``{device}`` filled in.  The first word is
            ``./client`` or ``./server`` for what is compiled, else a file of the chat's folder; only our own
            programs are found without one.
        prompt: what is shown before what one types, literally; empty where there is no prompt.
        other: what is shown before what the other end said, literally.
        greeting: what it says, literally, when it has met the other end; empty where it says nothing.
    """

    sources: tuple[str, ...] = ()
    command: tuple[str, ...]
    prompt: str = "me: "
    other: str = "other: "
    greeting: str = ""

    def started(self, program: str, *, host: str, port: int, device: str) -> list[str]:
        """Return the command with ``program`` for its first word and everything filled in."""
        values = {"host": host, "port": str(port), "device": device}
        return [program, *(word.format(**values) for word in self.command[1:])]


@dataclass(frozen=True, kw_only=True)
class ChatSpec:
    r"""A chat of whomever.

    Attributes:
        name: what a report calls it.
        where: where its programs run.  On the host ``/dev/crypto`` is our library, preloaded.
        folder: its sources and programs; None for our own, which are everywhere.
        client: the program that connects.
        server: the program that listens.
        port: the TCP port that the server listens on; any will do if the commands have ``{port}``.
        message_bytes: a message is its text and a newline, padded with zeros to so many bytes.
        frame_bytes: how long is what is sent for it.  Behind the message come a newline, if there is room
            for a byte more, and zeros, if there is for more than one.
        encrypted: whether the message is encrypted, whole and without padding, with AES in CBC mode.
        key: 16, 24 or 32 bytes.
        iv: 16 bytes, the same for every message.
        farewell: the line that ends the conversation, and is not sent.
        turns: who may speak when.
    """

    name: str
    where: Where = Where.GUEST
    folder: Path | None = None
    client: EndSpec
    server: EndSpec
    port: int = ours.PORT
    message_bytes: int = ours.MESSAGE_BYTES
    frame_bytes: int = ours.FRAME_BYTES
    encrypted: bool = True
    key: bytes = ours.KEY
    iv: bytes = ours.IV
    farewell: str = ours.FAREWELL
    turns: Turns = Turns.STRICT

    @property
    def trailer(self) -> bytes:
        """What stands in a frame behind the message."""
        size = self.frame_bytes - self.message_bytes
        return b"\n".ljust(size, b"\0") if size else b""

    @property
    def text_bytes(self) -> int:
        """How much text fits a message, with its newline."""
        return self.message_bytes - 1

    def end(self, name: str) -> EndSpec:
        """Return the ``client`` or the ``server``."""
        return {"client": self.client, "server": self.server}[name]

    def frame(self, message: str | bytes) -> bytes:
        """Return the bytes that carry a message, its newline included.

        Raises:
            ValueError: it is longer than a message can be.
        """
        data = message.encode() if isinstance(message, str) else message
        if len(data) > self.message_bytes:
            raise ValueError(f"a message has at most {self.message_bytes} bytes, not {len(data)}")
        return self._crypt(Op.ENCRYPT, data.ljust(self.message_bytes, b"\0")) + self.trailer

    def unframe(self, data: bytes) -> bytes:
        """Return the message in a frame, without the padding.

        Raises:
            ValueError: it has another length, or another end than the newline.
        """
        if len(data) != self.frame_bytes:
            raise ValueError(f"a frame has {self.frame_bytes} bytes, not {len(data)}")
        if data[self.message_bytes :] != self.trailer:
            raise ValueError(f"a frame ends with {self.trailer!r}, not {data[self.message_bytes :]!r}")
        return self._crypt(Op.DECRYPT, data[: self.message_bytes]).rstrip(b"\0")

    def text_whose(self, wanted: Callable[[bytes], bool]) -> str:
        """Return a short text whose message, as it is sent, is as wanted: found by trying one after another.

        Args:
            wanted: is given the ``message_bytes`` that are sent, without what follows them.

        Raises:
            ValueError: none of many is.
        """
        for number in range(_MOST_TRIES):
            text = f"no. {number}"
            if wanted(self.frame(f"{text}\n")[: self.message_bytes]):
                return text
        raise ValueError("there is no such message among the many that were tried")

    @classmethod
    def from_table(cls, mapping: Mapping[str, object], folder: Path, where: str) -> Self:
        """Read a manifest's ``[chat]``, whose keys are in ``docs/chat.md``.

        Args:
            mapping: the table, as tomllib gives it.
            folder: where the manifest is; the paths in it are relative to that.
            where: what errors call the table ("sut.toml, [chat]").

        Raises:
            SetupError: a key is missing, unknown or wrong; it is named with what was seen and is expected.
        """
        table = Table(mapping, where)
        place = table.folder("folder", folder)
        prompt, other = table.text("client_prompt", "me: "), table.text("other", "other: ", least=1)
        client = EndSpec(
            sources=table.sources("client", place),
            command=_command(table, "client", place),
            prompt=prompt,
            other=other,
            greeting=table.text("connected", ""),
        )
        server = EndSpec(
            sources=table.sources("server", place),
            command=_command(table, "server", place),
            prompt=table.text("server_prompt", prompt),
            other=table.text("server_other", other, least=1),
            greeting=table.text("accepted", ""),
        )
        table.text("device", DEVICE)
        encrypted = table.flag("encrypted", default=True)
        message_bytes = table.number(
            "message_bytes", ours.MESSAGE_BYTES, _LEAST_MESSAGE_BYTES, _MOST_MESSAGE_BYTES
        )
        if encrypted and message_bytes % BLOCK_BYTES:
            raise table.wrong("message_bytes", message_bytes, "whole blocks of 16 bytes, as it is encrypted")
        spec = cls(
            name=table.text("name", f"the chat in {place.name}"),
            where=Where(table.choice("where", Where.GUEST, Where)),
            folder=place,
            client=client,
            server=server,
            port=table.number("port", ours.PORT, 1, 0xFFFF),
            message_bytes=message_bytes,
            frame_bytes=table.number(
                "frame_bytes", message_bytes + 1, message_bytes, 2 * _MOST_MESSAGE_BYTES
            ),
            encrypted=encrypted,
            key=table.octets("key", ours.KEY, KEY_BYTES),
            iv=table.octets("iv", ours.IV, (BLOCK_BYTES,)),
            farewell=table.text("farewell", ours.FAREWELL, least=1),
            turns=Turns(table.choice("turns", Turns.STRICT, Turns)),
        )
        table.nothing_else()
        return spec

    def _crypt(self, op: Op, data: bytes) -> bytes:
        return aes_cbc(op, self.key, self.iv, data) if self.encrypted else data


def _command(table: Table, end: str, folder: Path) -> tuple[str, ...]:
    """Return how an end is started: as the table says, or as what is compiled, with the device behind it."""
    key, program = f"{end}_command", f"./{end}"
    sources = table.sources(end, folder)
    command = table.command(key, PLACEHOLDERS)
    if not command:
        if not sources:
            seen = f"there is neither {end} nor {key}: one is needed"
            raise SetupError(f"reading {table.where}", seen, KEYS_CURE)
        device = table.text("device", DEVICE)
        return (program, device) if device else (program,)
    if sources and command[0] != program:
        raise table.wrong(key, command[0], f"{program} as its first word, which is what {end} is compiled to")
    if not sources and not is_file(folder / command[0]):
        raise table.wrong(key, command[0], f"a program in {folder}, as {end} names no sources to compile")
    return command


def _bundled(program: str, *options: str, greeting: str) -> EndSpec:
    return EndSpec(command=(program, *options, "--port", "{port}", DEVICE), greeting=greeting)


BUNDLED_CHAT = ChatSpec(
    name="the bundled chat",
    client=_bundled("chat-client", "--host", "{host}", greeting="connected"),
    server=_bundled("chat-server", greeting="accepted"),
)
"""Our own, in the guest."""
