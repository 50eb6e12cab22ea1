# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference wire: what driver and device put into one descriptor chain for each request.

All integers are little-endian.  A chain is its device-readable bytes, buffer by buffer, and the lengths of
its device-writable buffers (virtio 1.2, section 2.7.4: a device must not rely on how buffers frame bytes).

=============  =========================  =============
request        device-readable            writable
=============  =========================  =============
open           type                       handle
close          type, handle
CIOCGSESSION   type, handle, number, key  session_op, result
CIOCFSESSION   type, handle, number, ses  result
CIOCCRYPT      type, handle, number,      destination, result
               crypt_op, source, IV
=============  =========================  =============

``session_op`` lies in a device-writable buffer and yet carries input: cipher and key length.

A buffer of no bytes (an empty key or source, a destination of none) is listed here as it stands in the table.
A driver must not put it into a virtqueue: devices take a descriptor of length 0 for a broken queue.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.reference.abi import CryptOp, Ioctl, SessionOp

VIRTIO_ID = 30
QUEUE_SIZE = 128
IV_BYTES = 16
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")


class Syscall(enum.IntEnum):
    """The type of a request, its first u32."""

    OPEN = 0
    CLOSE = 1
    IOCTL = 2


class WireError(ValueError):
    """These bytes are no request, or no answer, of the reference wire."""


@dataclass(frozen=True)
class Reply:
    """What the device answers.

    Attributes:
        result: the handle of an open, else 0 or minus an errno (i32).
        ses: the id of a new session.
        data: the destination of CIOCCRYPT.
    """

    result: int
    ses: int | None = None
    data: bytes | None = None


@dataclass(frozen=True)
class Open:
    """Open the device: the answer is a handle, or minus an errno."""

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return (_U32.pack(Syscall.OPEN),)

    writable: ClassVar[tuple[int, ...]] = (4,)
    initial: ClassVar[tuple[bytes, ...]] = (_I32.pack(-1),)

    def reply(self, written: tuple[bytes, ...]) -> Reply:
        """Read the answer from the writable buffers; raise WireError for other lengths."""
        _check(written, self.writable)
        return Reply(_result(written[0]))

    def answer(self, reply: Reply) -> tuple[bytes, ...]:
        """Return the writable buffers that hold the answer."""
        return (_I32.pack(reply.result),)


@dataclass(frozen=True)
class Close:
    """Close an open file: there is no answer."""

    handle: int

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return (_U32.pack(Syscall.CLOSE), _I32.pack(self.handle))

    writable: ClassVar[tuple[int, ...]] = ()
    initial: ClassVar[tuple[bytes, ...]] = ()

    def reply(self, written: tuple[bytes, ...]) -> Reply:
        """Return success: the wire carries nothing back."""
        _check(written, self.writable)
        return Reply(0)

    def answer(self, reply: Reply) -> tuple[bytes, ...]:
        """Return no buffers; raise unless the reply is plain success."""
        if reply != Reply(0):
            raise WireError("a close cannot carry an answer")
        return ()


def _ioctl(handle: int, number: Ioctl, *rest: bytes) -> tuple[bytes, ...]:
    return (_U32.pack(Syscall.IOCTL), _I32.pack(handle), _U32.pack(number), *rest)


def _result(data: bytes) -> int:
    number: int = _I32.unpack(data)[0]
    return number


def _check(written: tuple[bytes, ...], writable: tuple[int, ...]) -> None:
    """Raise WireError unless the writable buffers came back with the lengths that they have."""
    lengths = tuple(map(len, written))
    if lengths != writable:
        raise WireError(f"the writable buffers have {writable} bytes, not {lengths}")


@dataclass(frozen=True)
class Session:
    """CIOCGSESSION: ``operation`` carries cipher and keylen; its pointers mean nothing to the device."""

    handle: int
    operation: SessionOp
    key: bytes

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return _ioctl(self.handle, Ioctl.CIOCGSESSION, self.key)

    @property
    def writable(self) -> tuple[int, ...]:
        """The lengths of the device-writable buffers."""
        return (SessionOp.SIZE, 4)

    @property
    def initial(self) -> tuple[bytes, ...]:
        """What the device-writable buffers hold when the device gets them."""
        return (self.operation.pack(), _I32.pack(-1))

    def reply(self, written: tuple[bytes, ...]) -> Reply:
        """Read the answer; raise WireError if anything of session_op but ``ses`` has changed."""
        _check(written, self.writable)
        operation = SessionOp.unpack(written[0])
        if replace(operation, ses=self.operation.ses) != self.operation:
            raise WireError("the device changed more of session_op than ses")
        result = _result(written[1])
        return Reply(result, ses=operation.ses if result == 0 else None)

    def answer(self, reply: Reply) -> tuple[bytes, ...]:
        """Return the writable buffers that hold the answer."""
        ses = self.operation.ses if reply.ses is None else reply.ses
        return (replace(self.operation, ses=ses).pack(), _I32.pack(reply.result))


@dataclass(frozen=True)
class Free:
    """CIOCFSESSION."""

    handle: int
    ses: int

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return _ioctl(self.handle, Ioctl.CIOCFSESSION, _U32.pack(self.ses))

    writable: ClassVar[tuple[int, ...]] = (4,)
    initial: ClassVar[tuple[bytes, ...]] = (_I32.pack(-1),)

    def reply(self, written: tuple[bytes, ...]) -> Reply:
        """Read the answer from the writable buffers; raise WireError for other lengths."""
        _check(written, self.writable)
        return Reply(_result(written[0]))

    def answer(self, reply: Reply) -> tuple[bytes, ...]:
        """Return the writable buffers that hold the answer."""
        return (_I32.pack(reply.result),)


@dataclass(frozen=True)
class Crypt:
    """CIOCCRYPT: ``operation`` carries ses, op, flags and len; its pointers mean nothing to the device."""

    handle: int
    operation: CryptOp
    source: bytes
    iv: bytes

    @property
    def readable(self) -> tuple[bytes, ...]:
        """The device-readable buffers."""
        return _ioctl(self.handle, Ioctl.CIOCCRYPT, self.operation.pack(), self.source, self.iv)

    @property
    def writable(self) -> tuple[int, ...]:
        """The lengths of the device-writable buffers."""
        return (self.operation.len, 4)

    @property
    def initial(self) -> tuple[bytes, ...]:
        """What the device-writable buffers hold when the device gets them."""
        return (bytes(self.operation.len), _I32.pack(-1))

    def reply(self, written: tuple[bytes, ...]) -> Reply:
        """Read the answer from the writable buffers; raise WireError for other lengths."""
        _check(written, self.writable)
        result = _result(written[1])
        return Reply(result, data=written[0] if result == 0 else None)

    def answer(self, reply: Reply) -> tuple[bytes, ...]:
        """Return the writable buffers that hold the answer; raise WireError for data of another length."""
        data = bytes(self.operation.len) if reply.data is None else reply.data
        written = (data, _I32.pack(reply.result))
        _check(written, self.writable)
        return written


Request = Open | Close | Session | Free | Crypt


class _Reader:
    """Takes fields from the device-readable bytes, wherever the borders of the buffers are."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, size: int, what: str) -> bytes:
        if len(self._data) < size:
            raise WireError(f"{what} has {len(self._data)} of its {size} bytes")
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def u32(self, what: str) -> int:
        number: int = _U32.unpack(self.take(_U32.size, what))[0]
        return number

    def i32(self, what: str) -> int:
        number: int = _I32.unpack(self.take(_I32.size, what))[0]
        return number

    def end(self) -> None:
        if self._data:
            raise WireError(f"{len(self._data)} bytes follow the request")


def decode(readable: bytes, writable: bytes) -> Request:
    """Read a request as the device does: by position, without regard to the buffers' borders.

    Args:
        readable: all device-readable bytes of the chain.
        writable: what the device-writable bytes hold at first; their number counts.

    Raises:
        WireError: too short, too long, or of no known type.
    """
    reader = _Reader(readable)
    kind = reader.u32("the type")
    if kind == Syscall.OPEN:
        request: Request = Open()
    elif kind == Syscall.CLOSE:
        request = Close(reader.i32("the handle"))
    elif kind == Syscall.IOCTL:
        request = _decode_ioctl(reader, writable)
    else:
        raise WireError(f"there is no request of type {kind}")
    reader.end()
    if len(writable) != sum(request.writable):
        raise WireError(f"{len(writable)} writable bytes where the request has {sum(request.writable)}")
    return request


def _decode_ioctl(reader: _Reader, writable: bytes) -> Request:
    handle, number = reader.i32("the handle"), reader.u32("the ioctl's number")
    if number == Ioctl.CIOCGSESSION:
        if len(writable) < SessionOp.SIZE:
            raise WireError(f"session_op has {len(writable)} of its {SessionOp.SIZE} bytes")
        operation = SessionOp.unpack(writable[: SessionOp.SIZE])
        return Session(handle, operation, reader.take(operation.keylen, "the key"))
    if number == Ioctl.CIOCFSESSION:
        return Free(handle, reader.u32("the session's id"))
    if number == Ioctl.CIOCCRYPT:
        crypt = CryptOp.unpack(reader.take(CryptOp.SIZE, "crypt_op"))
        source = reader.take(crypt.len, "the source")
        return Crypt(handle, crypt, source, reader.take(IV_BYTES, "the IV"))
    raise WireError(f"the reference wire does not carry ioctl {number:#x}")
