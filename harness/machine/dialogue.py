# SPDX-License-Identifier: GPL-2.0-or-later
"""A pexpect object over a socket or an SSH channel, with the harness's deadlines and errors.

pexpect's own ``SocketSpawn`` hands out undecoded bytes and reports a lost guest as a plain end-of-file;
this one decodes UTF-8 across the borders of reads, and raises what really happened.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Protocol

import pexpect
from pexpect.spawnbase import SpawnBase

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.machine.deadlines import Deadline, Deadlines
    from harness.machine.journal import Terminal as Noted
    from harness.machine.lifeline import Lifeline

    _SpawnBase = SpawnBase[str]
else:
    _SpawnBase = SpawnBase  # generic in its stubs only

DEFAULT_SECONDS = 30.0
ESCAPE = b"\x1d"  # Ctrl-], as in telnet
_EVIDENCE_LINES = 20
# What is typed is taken at once; only where it is not, that is told.
_SLOW_SECONDS = 0.01
_READ_BYTES = 65536
_LAST = 100
# What is typed into a terminal as Ctrl-D and Ctrl-C.
_EOF, _INTR = "\x04", "\x03"


class Stream(Protocol):
    """The part of a socket that both sockets and paramiko's channels have."""

    def recv(self, nbytes: int, /) -> bytes:
        """Return at most ``nbytes`` bytes, none at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send everything."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound :meth:`recv` and :meth:`sendall`."""

    def fileno(self) -> int:
        """Return a descriptor that ``select`` can wait on."""

    def close(self) -> None:
        """End the connection."""


class Dialogue(_SpawnBase):
    """Talks to a program at the other end of ``stream``.

    ``expect``, ``expect_exact``, ``readline``, ``before``, ``after``, ``match`` are pexpect's.  Time-outs
    are in seconds of an idle machine with KVM and are stretched; None means the default, as every wait has
    an end.

    Attributes:
        transcript: everything that was received, as text.
    """

    def __init__(
        self,
        stream: Stream,
        name: str,
        *,
        deadlines: Deadlines,
        lifeline: Lifeline,
        timeout: float = DEFAULT_SECONDS,
        evidence: Callable[[], tuple[str, ...]] = tuple,
        noted: Noted | None = None,
    ) -> None:
        """Begin a dialogue called ``name``.

        ``evidence`` gives more lines for the errors; ``noted`` is where the guest's journal has it, if what
        is said here is not secret.
        """
        super().__init__(timeout=timeout, maxread=_READ_BYTES, encoding="utf-8", codec_errors="replace")
        self.name = name
        self.stream, self.deadlines, self.lifeline = stream, deadlines, lifeline
        # pexpect's pauses paper over races of local ptys; there are none here.
        self.delaybeforesend = self.delayafterread = None
        self.closed = False
        self._evidence = evidence
        self._noted = noted
        self._heard: list[str] = []
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._deadline: Deadline | None = None
        lifeline.on_cut(self._break)

    @property
    def transcript(self) -> str:
        """Everything that was received."""
        return "".join(self._heard)

    # Sending ------------------------------------------------------------------------------------------------

    def send(self, s: str) -> int:
        """Send text as UTF-8; returns the number of bytes.

        Raises:
            WaitTimeoutError: the other end did not take it.
            HarnessError: the dialogue has ended, or the guest was lost.
        """
        data = s.encode()
        self._record(s, self.logfile_send)
        if self._noted is not None:
            self._noted.typed(s)
        seconds, reason = float(self.timeout or DEFAULT_SECONDS), f"{self.name} to take input"
        with self.deadlines.start(seconds, reason, least=_SLOW_SECONDS) as deadline:
            try:
                self.stream.settimeout(deadline.blocking)
                self.stream.sendall(data)
            except TimeoutError:
                raise deadline.failure(f"it did not take {len(data)} bytes", self.evidence()) from None
            except OSError as error:
                raise self.lost(
                    f"sending to {self.name}", error.strerror or str(error) or "it is closed"
                ) from error
        return len(data)

    def sendline(self, s: str = "") -> int:
        """Send a line."""
        return self.send(s + "\n")

    def write(self, s: str) -> None:
        """Send text, as a file would."""
        self.send(s)

    def sendeof(self) -> None:
        """Type Ctrl-D."""
        self.send(_EOF)

    def sendintr(self) -> None:
        """Type Ctrl-C."""
        self.send(_INTR)

    # Receiving ----------------------------------------------------------------------------------------------

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:
        """Return what arrives next, waiting until the deadline of the ``expect`` under way.

        Raises:
            pexpect.TIMEOUT, pexpect.EOF: as pexpect wants them; ``expect`` turns them into the harness's
            errors.
        """
        deadline = self._deadline or self._start(timeout, "output")
        while wait := deadline.slice():
            self.stream.settimeout(wait)
            try:
                data = self.stream.recv(size)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if text := self._text.decode(data, final=not data):
                self._heard.append(text)
                if self._noted is not None:
                    self._noted.sent(text)
                self._record(text, self.logfile_read)
                return text
            if not data:
                self.flag_eof = True
                raise pexpect.EOF(f"{self.name} has ended")
        raise pexpect.TIMEOUT(f"{self.name} said nothing more")

    def expect_list(self, pattern_list: Any, timeout: float | None = -1, *args: Any, **kw: Any) -> Any:
        """Wait for one of several compiled patterns; see ``expect``.

        Raises:
            WaitTimeoutError: none of them came in time and ``pexpect.TIMEOUT`` is not among them.
            HarnessError: the guest was lost, or the dialogue ended and ``pexpect.EOF`` is not among them.
        """
        with self._waiting(timeout, pattern_list):
            return super().expect_list(pattern_list, None, *args, **kw)

    def expect_exact(self, pattern_list: Any, timeout: float | None = -1, *args: Any, **kw: Any) -> Any:
        """Wait for one of several literal strings; raises as :meth:`expect_list`."""
        with self._waiting(timeout, pattern_list):
            return super().expect_exact(pattern_list, None, *args, **kw)

    def evidence(self) -> tuple[str, ...]:
        """Return the last lines of the dialogue, and what else the guest said last."""
        tail = self.transcript[-8192:].splitlines()[-_EVIDENCE_LINES:]
        return (f"last from {self.name}:", *(repr(line)[1:-1] for line in tail), *self._evidence())

    def _instead(self) -> str:
        """Return what came last, in a few words."""
        lines = [line.strip() for line in self.transcript[-8192:].splitlines() if line.strip()]
        return f"the last line was {lines[-1][-_LAST:]!r}" if lines else "nothing came"

    def lost(self, doing: str, seen: str) -> BaseException:
        """Return why the dialogue broke: the guest's fatal error if there is one, else what was seen here."""
        return self.lifeline.verdict() or MachineError(doing, seen, evidence=self.evidence())

    # Life ---------------------------------------------------------------------------------------------------

    def isalive(self) -> bool:
        """Return whether no end has been seen."""
        return not self.closed and not self.flag_eof

    def close(self) -> None:
        """End the dialogue; a second call does nothing."""
        if not self.closed:
            self.closed = True
            self.lifeline.forget(self._break)
            with contextlib.suppress(OSError, EOFError):
                self.stream.close()

    def interact(self, screen: Callable[[bytes], None] | None = None, keyboard: int | None = None) -> None:
        """Connect a person's terminal to the dialogue until Ctrl-] is typed or it ends."""
        keys = sys.stdin.fileno() if keyboard is None else keyboard
        show = screen or _show
        show((self.buffer or "").encode())
        with _raw(keys):
            while True:
                ready, _, _ = select.select([self.stream.fileno(), keys], [], [])
                if self.stream.fileno() in ready:
                    if not (data := self.stream.recv(_READ_BYTES)):
                        return
                    show(data)
                if keys in ready:
                    typed = os.read(keys, 1024)
                    before, escape, _ = typed.partition(ESCAPE)
                    self.stream.sendall(before)
                    if escape or not typed:
                        return

    def _record(self, text: str, direction: Any) -> None:
        """Copy text to the log files that pexpect's users may set."""
        for log in (self.logfile, direction):
            if log is not None:
                log.write(text)
                log.flush()

    def _start(self, timeout: float | None, reason: str) -> Deadline:
        seconds = self.timeout if timeout is None or timeout < 0 else timeout
        return self.deadlines.start(float(seconds or DEFAULT_SECONDS), reason)

    @contextlib.contextmanager
    def _waiting(self, timeout: float | None, patterns: object) -> Iterator[None]:
        wanted = f"{_shown(patterns)} from {self.name}"
        with self._start(timeout, wanted) as deadline:
            self._deadline = deadline
            try:
                yield
            except pexpect.TIMEOUT:
                self.lifeline.check()
                raise deadline.failure("it did not come", self.evidence(), self._instead) from None
            except pexpect.EOF:
                if self._ended_well():
                    self.lifeline.check()
                    raise MachineError(
                        f"waiting for {wanted}", "it ended", evidence=self.evidence()
                    ) from None
                raise self.lost(f"waiting for {wanted}", "the connection was closed") from None
            finally:
                self._deadline = None

    def _ended_well(self) -> bool:
        """Return whether the end of the stream is known to be the program's own."""
        return False

    def _break(self) -> None:
        """End the wait that may be under way in another thread."""
        self.stream.close()


def _shown(patterns: object) -> str:
    """Return patterns as a person would write them."""
    entries = patterns if isinstance(patterns, list | tuple) else [patterns]
    return " or ".join(
        repr(entry.pattern)
        if isinstance(entry, re.Pattern)
        else getattr(entry, "__name__", None) or repr(entry)
        for entry in entries
    )


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Let every key through while a person types; does nothing for what is not a terminal."""
    if not os.isatty(terminal):
        yield
        return
    saved = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, saved)


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
