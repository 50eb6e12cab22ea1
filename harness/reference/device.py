# SPDX-License-Identifier: GPL-2.0-or-later
"""The device: what it answers to any descriptor chain, a request of the reference wire or not.

Source: the wire of :mod:`harness.reference.wire`, the semantics of :mod:`harness.reference.session`, and
virtio 1.2, section 2.7.8.2, for the used length.  A chain is its device-readable bytes and what its
device-writable bytes hold at first; where its buffers begin and end makes no difference (section 2.7.4).

What decides, in this order, for any number of faults at once:

* fewer than 4 bytes to read, an unknown type, an open or a close of other lengths: EINVAL
* an open without a free handle: EMFILE; else the answer is the smallest one that is free, as open(2) does
* a close: success, also of a handle that is not open
* an ioctl without its 12 bytes of header: EINVAL; of a handle that is not open: EBADF, whatever follows
* an unknown ioctl, lengths that do not add up, a mac, more data than ``max_request``: EINVAL
* what /dev/crypto says to the call: EINVAL
* a valid CIOCGSESSION of an open file that has all the sessions it may have: ENOMEM

With ``F_CALLS`` negotiated there are four more types.  One without its fixed part is EINVAL, one of a handle
that is not open EBADF, one that does not add up EINVAL; then what /dev/crypto says.  A session that only they
can make is of no use to CIOCCRYPT of the reference wire: EINVAL.

A chain that is no request changes nothing in the device.  The answer, an i32, goes into the last four
device-writable bytes, and the chain then counts as written in full.  A chain with fewer than four comes back
with used length 0 and untouched.
"""

from __future__ import annotations

import errno
import secrets
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reference import device_calls
from harness.reference.abi import SessionOp
from harness.reference.session import REFERENCE_WIRE, OpenFile
from harness.reference.wire import Close, Crypt, Free, Open, Session, Syscall, WireError, decode
from harness.reference.wire_calls import (
    F_CALLS,
    CallSession,
    CallType,
    decode_call,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.wire import Request

RESULT_BYTES = 4
HEADER_BYTES = 12
_SES = slice(40, 44)  # of struct session_op
_RESULT = struct.Struct("<i")
_ID = struct.Struct("<I")
_HEADER = struct.Struct("<IiI")
_CALL_HEADER = struct.Struct("<Ii")
_CALL_TYPES = frozenset(int(kind) for kind in CallType)
_CALL_SES = slice(0, 4)  # of the answer to a call that makes a session


@dataclass(frozen=True)
class Completion:
    """What a chain comes back with.

    Attributes:
        length: the used length in bytes.
        written: what the device-writable bytes hold afterwards, all of them.
    """

    length: int
    written: bytes


@dataclass(frozen=True)
class _Outcome:
    """A result, and what is written at the beginning of the device-writable bytes."""

    result: int
    start: bytes = b""


class Device:
    """The model of one device.

    Attributes:
        made: the ids of all sessions that were ever made, oldest first; no reset shortens it.
    """

    def __init__(
        self,
        *,
        max_open_files: int = 128,
        max_sessions: int = 1024,
        max_request: int = 1 << 20,
        ids: Callable[[], int] | None = None,
        features: int = 0,
    ) -> None:
        """Make a device with nothing open.

        Args:
            features: those that were negotiated; more can be told by :meth:`negotiate`.
            max_open_files: handles are smaller than this.
            max_sessions: of one open file.
            max_request: bytes of data of one CIOCCRYPT.
            ids: gives candidates for session ids; random u32 other than 0 by default.
        """
        self._max_open_files, self._max_sessions = max_open_files, max_sessions
        self._max_request = max_request
        self._ids = ids or (lambda: secrets.randbelow(0xFFFFFFFF) + 1)
        self._files: dict[int, OpenFile] = {}
        self._features = features
        self.made: list[int] = []

    @property
    def open_files(self) -> frozenset[int]:
        """The handles of all open files."""
        return frozenset(self._files)

    def sessions(self, handle: int) -> frozenset[int]:
        """Return the ids of an open file's sessions; none for a handle that is not open."""
        return self._files[handle].sessions if handle in self._files else frozenset()

    def negotiate(self, features: int) -> None:
        """Hear of the features that device and driver agreed on (section 3.1.1)."""
        self._features = features

    def reset(self) -> None:
        """End all open files and their sessions (section 2.4)."""
        self._files.clear()

    def request(self, readable: bytes, writable: bytes, seen: Completion | None = None) -> Completion:
        """Answer one chain; any bytes will do.

        Args:
            readable: the device-readable bytes.
            writable: what the device-writable bytes hold when the device gets them.
            seen: what the device under test answered.  Only one thing is taken from it: the id of a session
                that the model makes too, if a new session can have that id.
        """
        outcome = self._carry_out(readable, writable, seen)
        if len(writable) < RESULT_BYTES:
            return Completion(0, writable)
        start = outcome.start
        rest = writable[len(start) : len(writable) - RESULT_BYTES]
        return Completion(len(writable), start + rest + _RESULT.pack(outcome.result))

    def _carry_out(self, readable: bytes, writable: bytes, seen: Completion | None) -> _Outcome:
        if (kind := self._call_type(readable)) is not None:
            return self._call(kind, readable, writable, seen)
        if self._is_ioctl_of_nobody(readable):
            return _Outcome(-errno.EBADF)
        try:
            request = decode(readable, writable)
        except WireError:
            return _Outcome(-errno.EINVAL)
        return self._answer(request, writable, seen)

    def _call_type(self, readable: bytes) -> CallType | None:
        if not self._features & F_CALLS or len(readable) < _ID.size:
            return None
        number = _ID.unpack_from(readable)[0]
        return CallType(number) if number in _CALL_TYPES else None

    def _call(self, kind: CallType, readable: bytes, writable: bytes, seen: Completion | None) -> _Outcome:
        if len(readable) < kind.fixed:
            return _Outcome(-errno.EINVAL)
        file = self._files.get(_CALL_HEADER.unpack_from(readable)[1])
        if file is None:
            return _Outcome(-errno.EBADF)
        try:
            request = decode_call(readable, len(writable))
        except WireError:
            return _Outcome(-errno.EINVAL)
        if isinstance(request, CallSession):
            return self._call_session(file, request, writable, seen)
        return _Outcome(*device_calls.work(file, request, self._max_request))

    def _call_session(
        self, file: OpenFile, request: CallSession, writable: bytes, seen: Completion | None
    ) -> _Outcome:
        full = len(file.sessions) >= self._max_sessions
        result, start, ses = device_calls.session(file, request, _new_id(file, writable, seen, _CALL_SES))
        if ses is not None and full:
            file.fsession(ses)
            return _Outcome(-errno.ENOMEM)
        if ses is not None:
            self.made.append(ses)
        return _Outcome(result, start)

    def _is_ioctl_of_nobody(self, readable: bytes) -> bool:
        if len(readable) < HEADER_BYTES:
            return False
        kind, handle, _ = _HEADER.unpack_from(readable)
        return kind == Syscall.IOCTL and handle not in self._files

    def _answer(self, request: Request, writable: bytes, seen: Completion | None) -> _Outcome:
        match request:
            case Open():
                return self._open()
            case Close(handle):
                self._files.pop(handle, None)
                return _Outcome(0)
            case Free(handle, ses):
                return _Outcome(-self._files[handle].fsession(ses).errno)
            case Session():
                return self._session(request, writable, seen)
            case Crypt():
                return self._crypt(request)

    def _open(self) -> _Outcome:
        free = next((handle for handle in range(self._max_open_files) if handle not in self._files), None)
        if free is None:
            return _Outcome(-errno.EMFILE)
        self._files[free] = OpenFile(ids=self._ids)
        return _Outcome(free)

    def _session(self, request: Session, writable: bytes, seen: Completion | None) -> _Outcome:
        file, operation = self._files[request.handle], request.operation
        full = len(file.sessions) >= self._max_sessions
        # There is no room for a mac, a digest or another IV.
        if operation.cipher not in REFERENCE_WIRE or operation.mac:
            return _Outcome(-errno.EINVAL)
        answer = file.gsession(
            operation.cipher,
            request.key,
            ses=_new_id(file, writable, seen, _SES),
        )
        if answer.ses is None:
            return _Outcome(-answer.errno)
        if full:
            # Only a call that is right in everything else hears of the limit.
            file.fsession(answer.ses)
            return _Outcome(-errno.ENOMEM)
        self.made.append(answer.ses)
        start = writable[: _SES.start] + _ID.pack(answer.ses) + writable[_SES.stop : SessionOp.SIZE]
        return _Outcome(0, start)

    def _crypt(self, request: Crypt) -> _Outcome:
        operation = request.operation
        file = self._files[request.handle]
        if operation.len > self._max_request or not file.fits_reference_wire(operation.ses):
            return _Outcome(-errno.EINVAL)
        answer = file.crypt(operation.ses, operation.op, request.source, iv=request.iv, flags=operation.flags)
        return _Outcome(-answer.errno, answer.dst or b"")


def _new_id(file: OpenFile, writable: bytes, seen: Completion | None, place: slice) -> int | None:
    """Return the id that the device under test gave to its new session, None if it gave none that can be."""
    if seen is None or len(seen.written) != len(writable):
        return None
    if _RESULT.unpack(seen.written[-RESULT_BYTES:])[0] != 0:
        return None
    if len(seen.written) < place.stop:
        return None
    ses: int = _ID.unpack(seen.written[place])[0]
    return ses if ses and ses not in file.sessions else None
