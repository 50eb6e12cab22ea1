# SPDX-License-Identifier: GPL-2.0-or-later
"""A program in the guest behind an SSH channel: its three streams and its end."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self, TypeVar

from harness.errors import MachineError
from harness.machine.deadlines import SLICE
from harness.machine.dialogue import DEFAULT_SECONDS, Dialogue
from harness.machine.journal import Lane
from harness.machine.result import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable

    import paramiko

    from harness.machine.deadlines import Deadline, Deadlines
    from harness.machine.lifeline import Lifeline

_T = TypeVar("_T")
_READ_BYTES = 65536
_SEND_BYTES = 32768
_EVIDENCE_LINES = 10
_ARRIVALS = 1000
_WORD = 20
GRACE_SECONDS = 2.0
# What is written is taken at once; only where it is not, that is told.
_SLOW_SECONDS = 0.01
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1a\ufffd]")
_INTERRUPT_AND_END = b"\x03\x04"  # Ctrl-C for a program, Ctrl-D for a shell


class NotReadError(MachineError):
    """A program does not read what it is given: it has ended, or has closed its standard input."""


class OutputStream:
    """One output stream of a program, kept whole; ``wait`` and ``close`` are for :class:`RemoteProcess`."""

    def __init__(self, name: str, changed: threading.Condition) -> None:
        """Make an empty stream; ``changed`` guards it and is notified when it grows or ends."""
        self.name = name
        self._changed = changed
        self._data = bytearray()
        # Up to where it was taken, and up to where no end of a line is.
        self._taken = self._sought = 0
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_ARRIVALS)
        self.ended = False

    @property
    def data(self) -> bytes:
        """Everything so far."""
        with self._changed:
            return bytes(self._data)

    @property
    def text(self) -> str:
        """Everything so far as text."""
        return self.data.decode("utf-8", errors="replace")

    @property
    def arrivals(self) -> tuple[tuple[int, float], ...]:
        """How many bytes had come when, in monotonic seconds: the last pieces."""
        with self._changed:
            return tuple(self._arrivals)

    def tail(self) -> tuple[str, ...]:
        """Return the last lines."""
        return tuple(self.text[-8192:].splitlines()[-_EVIDENCE_LINES:])

    def feed(self, data: bytes) -> None:
        """Take in what arrived; nothing means the end."""
        with self._changed:
            self._data += data
            self._arrivals.append((len(self._data), time.monotonic()))
            self.ended = self.ended or not data
            self._changed.notify_all()

    def take_line(self) -> bytes | None:
        """Return the next line with its end, the rest of an ended one, or None when there is none yet."""
        end = self._data.find(b"\n", max(self._taken, self._sought)) + 1
        if not end:
            self._sought = len(self._data)
            end = self._sought if self.ended else 0
        if end <= self._taken and not self.ended:
            return None
        line = bytes(self._data[self._taken : end])
        self._taken = end
        return line

    def take_match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Return the next match and move behind it, or None when there is none yet."""
        # A copy: a match keeps what it was found in alive, and a bytearray that is looked at cannot grow.
        if found := pattern.search(bytes(self._data[self._taken :])):
            self._taken += found.end()
            return found
        return None

    def first_bytes(self, size: int) -> bytes | None:
        """Return the first ``size`` bytes of all, what there is if the stream has ended, or None."""
        return bytes(self._data[:size]) if len(self._data) >= size or self.ended else None


class RemoteProcess:
    """A program in the guest without a terminal.

    Its output is read as it comes, so that it never stands still because nobody looked.

    Attributes:
        command: what was started.
        stdout, stderr: its outputs.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        command: str,
        *,
        deadlines: Deadlines,
        lifeline: Lifeline,
        evidence: Callable[[], tuple[str, ...]],
        look: Callable[[str], str] = str,
    ) -> None:
        """Read the outputs of ``command``, which runs behind ``channel``.

        ``look`` tells where in the guest a command has got stuck; asked when a wait for it has run out.
        """
        self.command = command
        self._started, self._noted = time.monotonic(), False
        self._channel, self._deadlines, self._lifeline, self._evidence = (
            channel,
            deadlines,
            lifeline,
            evidence,
        )
        self._look = look
        self._changed = threading.Condition()
        self.stdout = OutputStream("standard output", self._changed)
        self.stderr = OutputStream("standard error", self._changed)
        channel.settimeout(SLICE)
        for stream, receive in ((self.stdout, channel.recv), (self.stderr, channel.recv_stderr)):
            threading.Thread(target=self._pump, args=(stream, receive), name="ssh-pump", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes | str, *, timeout: float = DEFAULT_SECONDS) -> None:
        """Send to standard input; raises as :meth:`wait`."""
        view = memoryview(data.encode() if isinstance(data, str) else data)
        reason = f"{self.command!r} to take {len(view)} bytes"
        with self._deadlines.start(timeout, reason, least=_SLOW_SECONDS) as deadline:
            try:
                while view:
                    try:
                        view = view[self._channel.send(bytes(view[:_SEND_BYTES])) :]
                    except TimeoutError:
                        if not deadline.slice():
                            raise deadline.failure(f"{len(view)} bytes are left", self.evidence()) from None
            except OSError as error:
                if not isinstance(error, TimeoutError):
                    lost = self._lost(f"writing to {self.command!r}", "it no longer reads")
                    # A channel that was closed in good order was closed by the program's end.
                    raise self._deaf(lost) from error
                raise

    def write_line(self, line: str) -> None:
        """Send a line to standard input."""
        self.write(line + "\n")

    def ask(self, line: str, *, timeout: float = DEFAULT_SECONDS) -> str:
        """Send a line and return the next line of standard output."""
        self.write_line(line)
        # What else stands in the line, a key perhaps, is nobody's business.
        words = itertools.takewhile(lambda word: "=" not in word and len(word) <= _WORD, line.split())
        return self._line(timeout, f"the answer of {self.command!r} to {' '.join(words)!r}")

    def close_stdin(self) -> None:
        """Let the program read the end of its input."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def read_line(self, *, timeout: float = DEFAULT_SECONDS) -> str:
        """Return the next line of standard output without its end.

        Raises:
            WaitTimeoutError: none came.
            MachineError: the output has ended.
            HarnessError: the guest was lost.
        """
        return self._line(timeout, f"a line from {self.command!r}")

    def _line(self, timeout: float, reason: str) -> str:
        with self._start(timeout, reason) as deadline:
            line = self._until(self.stdout.take_line, deadline)
            if not line:
                raise self._lost(f"waiting for {deadline.reason}", "its output has ended")
        return line.decode("utf-8", errors="replace").rstrip("\r\n")

    def wait_for(
        self, pattern: str, *, stream: OutputStream | None = None, timeout: float = DEFAULT_SECONDS
    ) -> re.Match[bytes]:
        """Wait for a pattern in ``stream``, behind what was taken before; raises as :meth:`read_line`."""
        source = stream or self.stdout
        compiled = re.compile(pattern.encode())

        def look() -> tuple[re.Match[bytes] | None] | None:
            found = source.take_match(compiled)
            return (found,) if found or source.ended else None

        with self._start(timeout, f"{pattern!r} on {source.name} of {self.command!r}") as deadline:
            (found,) = self._until(look, deadline)
            if found is None:
                raise self._lost(f"waiting for {deadline.reason}", "it has ended")
        return found

    def wait_bytes(self, size: int, *, timeout: float = DEFAULT_SECONDS) -> bytes:
        """Return the first ``size`` bytes that the program ever wrote, waiting until there are so many.

        Fewer come back when its output has ended.  Nothing is taken: lines and patterns are found as before.
        """
        with self._start(timeout, f"{size} bytes from {self.command!r}") as deadline:
            return self._until(lambda: self.stdout.first_bytes(size), deadline)

    def wait(self, *, timeout: float = DEFAULT_SECONDS) -> CommandResult:
        """Wait until the program has ended and its outputs are read.

        Raises:
            WaitTimeoutError: it goes on.
            HarnessError: the guest was lost.
        """
        with self._start(timeout, f"the end of {self.command!r}") as deadline:
            self._until(lambda: (self.stdout.ended and self.stderr.ended) or None, deadline)
            # The status comes before the channel is closed, but a program may close its outputs and go on.
            while not self._channel.status_event.wait(deadline.slice()):
                if not deadline.slice():
                    raise deadline.failure("it went on", self.evidence())
            if self._channel.exit_status < 0:
                seen = "it left no status: a signal ended its shell"
                raise self._lost(f"waiting for {deadline.reason}", seen)
            # A kernel that has killed it says so a moment later.
            if error := self._lifeline.settle():
                raise error
        self._note()
        return CommandResult(self.command, self._channel.exit_status, self.stdout.data, self.stderr.data)

    @property
    def running(self) -> bool:
        """Whether the program has neither ended nor been lost."""
        return not self._channel.exit_status_ready()

    def close(self) -> None:
        """Let go of the program: it reads the end of its input, and its streams are closed.

        It is given a moment to end by itself, so that it has let go of what it held when this returns.
        """
        self.close_stdin()
        if self._channel.get_transport().is_active() and not self._lifeline.error:
            self._channel.status_event.wait(GRACE_SECONDS)
        self._note()
        with contextlib.suppress(OSError, EOFError):
            self._channel.close()

    def evidence(self) -> tuple[str, ...]:
        """Return the last lines of the outputs, and what else the guest said last."""
        shown: list[str] = []
        for stream in (self.stdout, self.stderr):
            if lines := stream.tail():
                shown += [f"last on {stream.name} of {self.command!r}:", *lines]
        return (*(shown or [f"{self.command!r} wrote nothing"]), *self._evidence())

    def _start(self, timeout: float, reason: str) -> Deadline:
        return self._deadlines.start(timeout, reason)

    def _note(self) -> None:
        """Tell the guest's journal of the program and what became of it, once."""
        if self._noted:
            return
        self._noted = True
        status = self._channel.exit_status
        how = f"status {status}" if self._channel.exit_status_ready() and status >= 0 else "left running"
        said = "\n".join((*self.stdout.tail(), *self.stderr.tail()))
        self._deadlines.journal.note(
            Lane.SSH,
            f"{self.command}: {how}",
            at=self._started,
            seconds=time.monotonic() - self._started,
            # What is no text is nothing to read.
            detail="" if _NO_TEXT.search(said) else said,
        )

    def _until(self, found: Callable[[], _T | None], deadline: Deadline) -> _T:
        with self._changed:
            while (value := found()) is None:
                self._lifeline.check()
                if not (wait := deadline.slice()):
                    raise deadline.failure("it did not come", self.evidence(), self._stuck)
                self._changed.wait(wait)
        return value

    def _pump(self, stream: OutputStream, receive: Callable[[int], bytes]) -> None:
        data = b"more"
        while data:
            try:
                data = receive(_READ_BYTES)
            except TimeoutError:
                continue
            except (OSError, EOFError):
                data = b""
            stream.feed(data)

    def _stuck(self) -> str:
        return self._look(self.command)

    def _deaf(self, lost: BaseException) -> BaseException:
        if type(lost) is MachineError and self._channel.get_transport().is_active():
            return NotReadError(lost.doing, lost.seen, evidence=lost.evidence)
        return lost

    def _lost(self, doing: str, seen: str) -> BaseException:
        """Return why the streams broke: the guest's fatal error, if the connection broke and there is one."""
        transport = self._channel.get_transport()
        broken = not transport.is_active()
        error = self._lifeline.verdict() if broken else self._lifeline.settle()
        return error or MachineError(doing, seen, evidence=self.evidence())


class Terminal(Dialogue):
    """A program in the guest on a terminal of its own, as a pexpect object."""

    stream: paramiko.Channel

    def __init__(self, *args: Any, **more: Any) -> None:
        """Begin a dialogue; takes what :class:`Dialogue` takes."""
        super().__init__(*args, **more)
        self._started = time.monotonic()

    def exit_status(self, *, timeout: float = DEFAULT_SECONDS) -> int:
        """Wait for the program's end and return its exit status; raises as ``expect``."""
        with self.deadlines.start(timeout, f"the end of {self.name}") as deadline:
            while not self.stream.status_event.wait(deadline.slice()):
                if not deadline.slice():
                    raise deadline.failure("it went on", self.evidence())
            if self.stream.exit_status < 0:
                raise self.lost(f"waiting for {deadline.reason}", "the connection was closed")
        return self.stream.exit_status

    def close(self) -> None:
        """End the dialogue: the program is interrupted, and its input ended; a second call does nothing.

        It is given a moment for that, as in :meth:`RemoteProcess.close`.
        """
        running = not (self.closed or self.stream.closed or self.stream.status_event.is_set())
        if running and self.stream.get_transport().is_active() and not self.lifeline.error:
            with contextlib.suppress(OSError, EOFError):
                self.stream.settimeout(GRACE_SECONDS)
                self.stream.sendall(_INTERRUPT_AND_END)
                self.stream.status_event.wait(GRACE_SECONDS)
        if not self.closed:
            self._note()
        super().close()

    def _note(self) -> None:
        """Tell the guest's journal of the program and what became of it."""
        status = self.stream.exit_status
        how = f"status {status}" if self.stream.exit_status_ready() and status >= 0 else "left running"
        seconds = time.monotonic() - self._started
        self.deadlines.journal.note(Lane.SSH, f"{self.name}, on a terminal: {how}", seconds=seconds)

    def resize(self, *, columns: int, rows: int) -> None:
        """Change the window's size, as a person dragging its corner does."""
        self.stream.resize_pty(width=columns, height=rows)

    def _ended_well(self) -> bool:
        transport = self.stream.get_transport()
        return transport.is_active()

    def _break(self) -> None:
        """Do nothing: the connection under all channels is broken by its owner."""
