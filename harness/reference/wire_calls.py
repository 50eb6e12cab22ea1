# SPDX-License-Identifier: GPL-2.0-or-later
"""The requests of ``VIRTIO_CRYPTODEV_F_CALLS``: what the reference wire cannot carry.

Source: ``docs/virtio-cryptodev.md``.  All integers are little-endian.  A request is its device-readable
buffers and the lengths of its device-writable ones, as in :mod:`harness.reference.wire`.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import ClassVar

from harness.reference.abi import CopFlag, Op
from harness.reference.algorithms import Sizes
from harness.reference.wire import WireError

F_CALLS = 1 << 1
"""Feature bit: the requests of this module."""
F_MQ = 1 << 2
"""Feature bit: several queues."""

MAX_EXTRA = 4096
"""Bytes of ``aad`` and ``tail`` together."""
MAX_TAG = 64
MAX_KEY, MAX_MACKEY = 64, 512
HOLD = 1
"""Hint: the processor that notifies has nothing else to do."""

_HEAD = struct.Struct("<IiIHHIIIIHHHH16sI4x")
_ANSWER = struct.Struct("<16s64sIIIi")
_SESSION = struct.Struct("<IiIIII")
_SIZES = struct.Struct("<IIIIIIIi")
_FREE = struct.Struct("<IiI")
_COPY = struct.Struct("<IiII")
_RESULT = struct.Struct("<i")
_BLANK = _RESULT.pack(-1)


class CallType(enum.IntEnum):
    """The type of a request, its first u32."""

    CRYPT = 16
    SESSION = 17
    FREE = 18
    COPY = 19

    @property
    def fixed(self) -> int:
        """The device-readable bytes that such a request has at least."""
        return {
            CallType.CRYPT: _HEAD.size,
            CallType.SESSION: _SESSION.size,
            CallType.FREE: _FREE.size,
            CallType.COPY: _COPY.size,
        }[self]


@dataclass(frozen=True)
class CallReply:
    """What the device answers.

    Attributes:
        result: 0 or minus an errno.
        ses, sizes: of a new session.
        data: the whole destination of a crypt.
        out_len: how many of its bytes are the result.
        iv: the session's IV afterwards, 16 bytes, 0 behind its length.
        mac: digest or tag, b"" for none.
    """

    result: int
    ses: int | None = None
    sizes: Sizes | None = None
    data: bytes | None = None
    out_len: int | None = None
    iv: bytes | None = None
    mac: bytes | None = None

    def written(self) -> bytes:
        """Return the answer of a crypt that succeeded: destination and 96 bytes."""
        mac, data = self.mac or b"", self.data or b""
        out_len = len(data) if self.out_len is None else self.out_len
        return data + _ANSWER.pack(self.iv or b"", mac, len(mac), out_len, 0, self.result)


def _check(written: tuple[bytes, ...], writable: tuple[int, ...]) -> None:
    if tuple(map(len, written)) != writable:
        raise WireError(f"the writable buffers have {writable} bytes, not {tuple(map(len, written))}")


@dataclass(frozen=True)
class CallCrypt:
    """CIOCCRYPT, or with ``auth`` CIOCAUTHCRYPT.

    Attributes:
        dst_len: bytes of the destination; :func:`destination_bytes` tells the right number.
        iv: its bytes, none to go on from the session's last one.
        tag_len: of CIOCAUTHCRYPT, 0 for the session's own.
        tag: the tag of an SRTP packet that is decrypted.
    """

    handle: int
    ses: int
    op: int
    source: bytes
    dst_len: int
    iv: bytes = b""
    flags: int = 0
    auth: bool = False
    aad: bytes = b""
    tail: bytes = b""
    tag_len: int = 0
    tag: bytes = b""
    hints: int = 0

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        head = _HEAD.pack(
            *(CallType.CRYPT, self.handle, self.ses, self.op, self.flags, len(self.source), self.dst_len),
            *(len(self.aad), len(self.tail), int(self.auth), len(self.iv), self.tag_len, len(self.tag)),
            *(self.iv, self.hints),
        )
        return (head, self.aad, self.source, self.tail, self.tag)

    @property
    def writable(self) -> tuple[int, ...]:
        """The lengths of the device-writable buffers."""
        return (self.dst_len, _ANSWER.size)

    @property
    def initial(self) -> tuple[bytes, ...]:
        """What the device-writable buffers hold when the device gets them."""
        return (bytes(self.dst_len), bytes(_ANSWER.size - _RESULT.size) + _BLANK)

    def reply(self, written: tuple[bytes, ...]) -> CallReply:
        """Read the answer; raise WireError for other lengths, or one that contradicts itself."""
        _check(written, self.writable)
        iv, mac, mac_len, out_len, zero, result = _ANSWER.unpack(written[1])
        if result:
            return CallReply(result)
        if zero or mac_len > MAX_TAG or any(mac[mac_len:]) or out_len > self.dst_len:
            raise WireError(
                f"mac of {mac_len} bytes, result of {out_len} in {self.dst_len}, reserved {zero:#x}"
            )
        return CallReply(0, data=written[0], out_len=out_len, iv=iv, mac=mac[:mac_len])


@dataclass(frozen=True)
class CallSession:
    """CIOCGSESSION of any algorithms, 0 for none."""

    handle: int
    cipher: int = 0
    key: bytes = field(default=b"", repr=False)
    mac: int = 0
    mackey: bytes = field(default=b"", repr=False)

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        head = _SESSION.pack(
            CallType.SESSION, self.handle, self.cipher, self.mac, len(self.key), len(self.mackey)
        )
        return (head, self.key, self.mackey)

    writable: ClassVar[tuple[int, ...]] = (_SIZES.size,)
    initial: ClassVar[tuple[bytes, ...]] = (bytes(_SIZES.size - _RESULT.size) + _BLANK,)

    def reply(self, written: tuple[bytes, ...]) -> CallReply:
        """Read the answer; raise WireError for other lengths, or reserved fields that are not 0."""
        _check(written, self.writable)
        ses, *sizes, result = _SIZES.unpack(written[0])
        if result:
            return CallReply(result)
        if any(sizes[4:]):
            raise WireError(f"reserved fields are {sizes[4:]}")
        return CallReply(0, ses=ses, sizes=Sizes(*sizes[:4]))


@dataclass(frozen=True)
class CallFree:
    """CIOCFSESSION."""

    handle: int
    ses: int

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return (_FREE.pack(CallType.FREE, self.handle, self.ses),)

    writable: ClassVar[tuple[int, ...]] = (_RESULT.size,)
    initial: ClassVar[tuple[bytes, ...]] = (_BLANK,)

    def reply(self, written: tuple[bytes, ...]) -> CallReply:
        """Read the answer; raise WireError for other lengths."""
        _check(written, self.writable)
        return CallReply(_RESULT.unpack(written[0])[0])


@dataclass(frozen=True)
class CallCopy:
    """CIOCCPHASH."""

    handle: int
    dst_ses: int
    src_ses: int

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return (_COPY.pack(CallType.COPY, self.handle, self.dst_ses, self.src_ses),)

    writable: ClassVar[tuple[int, ...]] = (_RESULT.size,)
    initial: ClassVar[tuple[bytes, ...]] = (_BLANK,)

    def reply(self, written: tuple[bytes, ...]) -> CallReply:
        """Read the answer; raise WireError for other lengths."""
        _check(written, self.writable)
        return CallReply(_RESULT.unpack(written[0])[0])


Call = CallCrypt | CallSession | CallFree | CallCopy


def sizes_written(ses: int, sizes: Sizes) -> bytes:
    """Return the answer of a session that was made."""
    return _SIZES.pack(ses, sizes.block, sizes.iv_len, sizes.digest_len, sizes.tag_len, 0, 0, 0)


def tag_bytes(sizes: Sizes, asked: int) -> int:
    """Return the length of a tag: the one asked for, or the session's own; without mac and AEAD cipher 0."""
    own = sizes.digest_len or sizes.tag_len
    return (asked or own) if own else 0


def destination_bytes(sizes: Sizes, op: int, flags: int, length: int, tag_len: int, *, auth: bool) -> int:
    """Return the right ``dst_len`` of a crypt in a session with a cipher, negative if there is none.

    Args:
        sizes: the session's.
        op, flags: as in ``crypt_op``.
        length: bytes of the source.
        tag_len: as asked for, 0 for the session's own.
        auth: whether it is CIOCAUTHCRYPT.
    """
    tag = tag_bytes(sizes, tag_len)
    if not auth or flags & CopFlag.AEAD_SRTP:
        return length
    if not flags & CopFlag.AEAD_TLS:
        return length + tag if op == Op.ENCRYPT else length - tag
    if op != Op.ENCRYPT:
        return length
    return length + tag + (sizes.block - (length + tag) % sizes.block if sizes.block > 1 else 0)


def decode_call(readable: bytes, writable: int) -> Call:
    """Read a request as the device does: by position, without regard to the buffers' borders.

    Args:
        readable: all device-readable bytes, as many as the type's fixed part at least.
        writable: how many device-writable bytes there are.

    Raises:
        WireError: bytes that do not add up, or a length above its limit (but for that of the source).
    """
    kind = CallType(struct.unpack_from("<I", readable)[0])
    call = _decode(kind, readable)
    if len(readable) != sum(map(len, call.readable)) or writable != sum(call.writable):
        raise WireError(f"{len(readable)} and {writable} bytes do not add up to a {kind.name.lower()}")
    return call


def _decode(kind: CallType, data: bytes) -> Call:
    match kind:
        case CallType.CRYPT:
            return _decode_crypt(data)
        case CallType.SESSION:
            return _decode_session(data)
        case CallType.FREE:
            return CallFree(*_FREE.unpack_from(data)[1:])
        case CallType.COPY:
            return CallCopy(*_COPY.unpack_from(data)[1:])


def _parts(data: bytes, at: int, *sizes: int) -> list[bytes]:
    """Take what follows the fixed part to pieces; raise WireError where there is too little of it."""
    parts = []
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    if len(data) < at:
        raise WireError(f"{len(data)} of {at} bytes")
    return parts


def _decode_crypt(data: bytes) -> CallCrypt:
    fields = _HEAD.unpack_from(data)
    handle, ses, op, flags, length, dst_len, aad_len, tail_len = fields[1:9]
    call, iv_len, tag_len, tag_given, iv, hints = fields[9:]
    if aad_len + tail_len > MAX_EXTRA or tag_given > MAX_TAG or call > 1:
        raise WireError(f"aad {aad_len}, tail {tail_len}, tag {tag_given} bytes, call {call}")
    if iv_len > len(iv):
        raise WireError(f"an IV of {iv_len} bytes")
    aad, source, tail, tag = _parts(data, _HEAD.size, aad_len, length, tail_len, tag_given)
    return CallCrypt(
        *(handle, ses, op, source, dst_len, iv[:iv_len], flags, bool(call), aad, tail, tag_len, tag, hints)
    )


def _decode_session(data: bytes) -> CallSession:
    _, handle, cipher, mac, keylen, mackeylen = _SESSION.unpack_from(data)
    if keylen > MAX_KEY or mackeylen > MAX_MACKEY:
        raise WireError(f"keys of {keylen} and {mackeylen} bytes")
    key, mackey = _parts(data, _SESSION.size, keylen, mackeylen)
    return CallSession(handle, cipher, key, mac, mackey)
