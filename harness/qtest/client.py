# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's qtest protocol: the test is the processor, and reads and writes the machine's memory and registers.

Source: ``system/qtest.c`` of QEMU 10.0 (its head comment is the protocol's description).  One command a line,
one answer a line, in order; ``IRQ raise N`` and ``IRQ lower N`` may come in between.

Writes are posted: they wait in this process until something is read or :meth:`QtestClient.flush` is called,
and then all go out at once.  A system call and a wait for each of them would be most of a request's time.
"""

from __future__ import annotations

import base64
import select
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.errors import HarnessError
from harness.machine.deadlines import SLICE, Deadlines

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

T = TypeVar("T")

ANSWER_SECONDS = 10.0
MOST_QUEUED = 2000
_RECEIVE_BYTES = 1 << 20


class QtestError(HarnessError):
    """QEMU did not accept a command of the qtest protocol."""


class Later(Generic[T]):
    """A value that has been asked for; :meth:`get` sends what is queued and waits for it."""

    def __init__(self, client: QtestClient, convert: Callable[[str], T]) -> None:
        self._client, self._convert = client, convert
        self._answer: str | None = None

    def get(self) -> T:
        """Return the value.

        Raises:
            QtestError: QEMU refused this command or one before it.
            HarnessError: QEMU does not answer, or has ended.
        """
        if self._answer is None:
            self._client.flush()
        if self._answer is None:
            raise QtestError("reading over qtest", "the command was refused or dropped")
        return self._convert(self._answer)

    def answered(self, text: str) -> None:
        """Take the answer: called by the client."""
        self._answer = text


class QtestClient:
    """One connection to a QEMU with ``-accel qtest``.

    Attributes:
        interrupts: how often each intercepted interrupt line was raised, see :meth:`intercept_interrupts`.
        commands: how many commands were sent.
        deadlines: of the machine.
    """

    def __init__(
        self,
        stream: socket.socket,
        deadlines: Deadlines | None = None,
        lost: Callable[[], HarnessError] | None = None,
    ) -> None:
        """Speak over ``stream``; ``lost`` tells why when the other side has closed it."""
        self.interrupts: dict[int, int] = {}
        self.commands = 0
        self.deadlines = deadlines or Deadlines()
        self._lost = lost or (lambda: QtestError("speaking qtest to QEMU", "it has closed the connection"))
        self._queue: list[bytes] = []
        self._waiting: deque[tuple[str, Later[Any] | None]] = deque()
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self.connect(stream)

    def connect(self, stream: socket.socket) -> None:
        """Go on over another connection; what was queued for the old one is dropped."""
        self._stream = stream
        self._stream.settimeout(SLICE)
        self._queue.clear()
        self._waiting.clear()
        self._partial = b""
        self._lines.clear()

    # Memory and registers ----------------------------------------------------------------------------------

    def write(self, address: int, data: bytes) -> None:
        """Write bytes to guest-physical memory; writing nothing is nothing."""
        if data:
            text = base64.b64encode(data).decode()
            self._post(f"b64write {address:#x} {len(data):#x} {text}", None)

    def fill(self, address: int, size: int, byte: int) -> None:
        """Fill ``size`` bytes of guest-physical memory, from ``address`` on, with one byte."""
        if size:
            self._post(f"memset {address:#x} {size:#x} {byte:#x}", None)

    def writeb(self, address: int, value: int) -> None:
        """Write a u8 in one access, as registers want it."""
        self._post(f"writeb {address:#x} {value:#x}", None)

    def writew(self, address: int, value: int) -> None:
        """Write a u16 in one access, in the guest's byte order (little-endian on x86)."""
        self._post(f"writew {address:#x} {value:#x}", None)

    def writel(self, address: int, value: int) -> None:
        """Write a u32 in one access."""
        self._post(f"writel {address:#x} {value:#x}", None)

    def writeq(self, address: int, value: int) -> None:
        """Write a u64 in one access."""
        self._post(f"writeq {address:#x} {value:#x}", None)

    def read(self, address: int, size: int) -> bytes:
        """Read bytes of guest-physical memory; raises as :meth:`Later.get`."""
        return self.read_later(address, size).get()

    def readb(self, address: int) -> int:
        """Read a u8 in one access; raises as :meth:`Later.get`."""
        return self._number(f"readb {address:#x}").get()

    def readw(self, address: int) -> int:
        """Read a u16 in one access; raises as :meth:`Later.get`."""
        return self._number(f"readw {address:#x}").get()

    def readl(self, address: int) -> int:
        """Read a u32 in one access; raises as :meth:`Later.get`."""
        return self.readl_later(address).get()

    def readq(self, address: int) -> int:
        """Read a u64 in one access; raises as :meth:`Later.get`."""
        return self._number(f"readq {address:#x}").get()

    def read_later(self, address: int, size: int) -> Later[bytes]:
        """Ask for bytes of guest-physical memory without waiting for them."""
        later = Later(self, base64.b64decode)
        if size == 0:
            later.answered("")
        else:
            self._post(f"b64read {address:#x} {size:#x}", later)
        return later

    def readl_later(self, address: int) -> Later[int]:
        """Ask for a u32 without waiting for it."""
        return self._number(f"readl {address:#x}")

    def clock_step(self, nanoseconds: int | None = None) -> int:
        """Let the machine's clock go on, to its next timer by default; return its time in nanoseconds."""
        step = "" if nanoseconds is None else f" {nanoseconds}"
        return self._number(f"clock_step{step}").get()

    def intercept_interrupts(self, device: str) -> None:
        """Count the interrupts that arrive at a device, by its path in QEMU's object tree."""
        self._post(f"irq_intercept_in {device}", None)
        self.flush()

    # The line ----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send everything that is queued and wait until QEMU has answered all of it.

        Raises:
            QtestError: QEMU refused a command; the others were carried out.
            HarnessError: QEMU does not answer, or has ended.
        """
        refused: list[str] = []
        if self._queue:
            data = b"".join(self._queue)
            self._queue.clear()
            self._send(data)
        while self._waiting:
            line = self._line()
            if line.startswith("IRQ "):
                self._count(line)
                continue
            command, later = self._waiting.popleft()
            status, _, rest = line.partition(" ")
            if status != "OK":
                refused.append(f"{line!r} to {command[:80]!r}")
            elif later is not None:
                later.answered(rest)
        if refused:
            raise QtestError("speaking qtest to QEMU", "; ".join(refused[:3]), "see system/qtest.c of QEMU")

    def _post(self, command: str, later: Later[Any] | None) -> None:
        if len(self._queue) >= MOST_QUEUED:
            self.flush()
        self.commands += 1
        self._queue.append(command.encode() + b"\n")
        self._waiting.append((command, later))

    def _number(self, command: str) -> Later[int]:
        later = Later(self, lambda text: int(text.split()[0], 0))
        self._post(command, later)
        return later

    def _count(self, line: str) -> None:
        _, edge, number = line.split()
        if edge == "raise":
            self.interrupts[int(number)] = self.interrupts.get(int(number), 0) + 1

    def _send(self, data: bytes) -> None:
        deadline = None
        view = memoryview(data)
        while view:
            # QEMU blocks when nobody reads its answers, and would never read the rest of what is being sent.
            readable, writable, _ = select.select([self._stream], [self._stream], [], SLICE)
            if readable:
                self._receive()
            if writable:
                try:
                    view = view[self._stream.send(view) :]
                except OSError as error:
                    raise self._lost() from error
            elif not readable:
                # Made only now: a deadline looks into /proc, and nearly every wait is shorter than that.
                deadline = deadline or self.deadlines.start(ANSWER_SECONDS, "QEMU to read a qtest command")
                if not deadline.slice():
                    raise deadline.failure("it reads nothing") from None

    def _receive(self) -> None:
        """Take in what QEMU says; raise TimeoutError if that is nothing for a slice of time."""
        try:
            data = self._stream.recv(_RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._lost() from error
        if not data:
            raise self._lost()
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._lines.extend(lines)

    def _line(self) -> str:
        deadline = None
        while not self._lines:
            try:
                self._receive()
            except TimeoutError:
                command = self._waiting[0][0][:60]
                reason = f"QEMU's answer to {command!r}"
                deadline = deadline or self.deadlines.start(ANSWER_SECONDS, reason)
                if not deadline.slice():
                    raise deadline.failure("none came: the machine's main loop is stuck") from None
        return self._lines.popleft().decode(errors="replace")
