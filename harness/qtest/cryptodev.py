# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver of virtio-cryptodev: requests of both wires, straight into a virtqueue."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.qtest.driver import KNOWN_FEATURES, VirtioDriver
from harness.qtest.ring import chain
from harness.reference import wire
from harness.reference.abi import Cipher, CryptOp, SessionOp
from harness.reference.wire_calls import F_CALLS, F_MQ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.qtest.driver import Completion
    from harness.qtest.machine import QtestMachine
    from harness.qtest.ring import Buffer
    from harness.reference.wire_calls import Call, CallReply


class Cryptodev(VirtioDriver):
    """virtio-cryptodev from its driver's side."""

    def __init__(self, machine: QtestMachine, device_id: int = wire.VIRTIO_ID) -> None:
        super().__init__(machine, device_id)

    def bring_up_calls(self, wanted: int = KNOWN_FEATURES, *, queues: int = 1) -> None:
        """Do as :meth:`bring_up`, and agree on the device's own features as far as it offers them."""
        self.bring_up(wanted | F_CALLS | F_MQ, queues=queues)

    @property
    def num_queues(self) -> int:
        """How many queues its configuration space tells of."""
        number: int = struct.unpack("<I", self.transport.config(0, 4))[0]
        return number

    @property
    def max_len(self) -> int:
        """The most bytes of data in one request, as its configuration space has it."""
        number: int = struct.unpack("<I", self.transport.config(4, 4))[0]
        return number

    def send(
        self, readable: Sequence[bytes], writable: Sequence[bytes], *, queue: int = 0, indirect: bool = False
    ) -> Completion:
        """Send any bytes as one chain; raises as :meth:`request`."""
        return self.request(chain(readable, writable), queue, indirect=indirect)

    @staticmethod
    def buffers(request: wire.Request | Call) -> list[Buffer]:
        """Return the buffers of a request, the empty ones left out."""
        return chain(request.readable, request.initial)

    def ask(self, request: Call, *, queue: int = 0, indirect: bool = False) -> CallReply:
        """Send a request of ``F_CALLS`` and read its answer; raises as :meth:`call`."""
        done = self.send(request.readable, request.initial, queue=queue, indirect=indirect)
        found = iter(done.written)
        return request.reply(tuple(next(found) if size else b"" for size in request.writable))

    def call(self, request: wire.Request, *, indirect: bool = False) -> wire.Reply:
        """Send a request and read its answer.

        Raises:
            WireError: the answer is none.
            HarnessError: as :meth:`request`.
        """
        done = self.send(request.readable, request.initial, indirect=indirect)
        # The chain has no empty buffers; the request's answer does.
        found = iter(done.written)
        return request.reply(tuple(next(found) if size else b"" for size in request.writable))

    def open(self) -> int:
        """Open the device; return the handle.

        Raises:
            MachineError: it refuses.
        """
        result = self.call(wire.Open()).result
        if result < 0:
            raise MachineError("opening the device", f"errno {-result}")
        return result

    def close(self, handle: int) -> None:
        """Close an open file."""
        self.call(wire.Close(handle))

    def session(self, handle: int, key: bytes, cipher: int = Cipher.AES_CBC) -> int:
        """Make a session; return its id.

        Raises:
            MachineError: the device refuses.
        """
        operation = SessionOp(cipher=cipher, keylen=len(key))
        reply = self.call(wire.Session(handle, operation, key))
        if reply.ses is None:
            raise MachineError("making a session", f"errno {-reply.result}")
        return reply.ses

    def free(self, handle: int, ses: int) -> int:
        """End a session; return the result, 0 or minus an errno."""
        return self.call(wire.Free(handle, ses)).result

    def crypt(self, handle: int, ses: int, op: int, source: bytes, iv: bytes, flags: int = 0) -> wire.Reply:
        """Encrypt or decrypt; the reply holds result and data.

        Args:
            handle: what :meth:`open` gave.
            ses: what :meth:`session` gave.
            op: ``COP_ENCRYPT`` or ``COP_DECRYPT``.
            source: whole blocks; the destination is as long.
            iv: 16 bytes.
            flags: ``COP_FLAG_…``.
        """
        operation = CryptOp(ses=ses, op=op, flags=flags, len=len(source))
        return self.call(wire.Crypt(handle, operation, source, iv))
