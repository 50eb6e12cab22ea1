# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's monitor: a synchronous face on ``qemu.qmp``, which lives on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from harness.errors import MachineError
from harness.machine.journal import Lane

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Mapping

    from qemu.qmp import Message

    from harness.machine.deadlines import Deadline, Deadlines
    from harness.machine.lifeline import Lifeline

DEFAULT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
# A command is in the journal by itself; that it was waited for is told where it took long.
_SLOW_SECONDS = 0.1


@dataclass(frozen=True)
class Event:
    """One event of QEMU's: its name, its data, and the monotonic seconds at which it came."""

    name: str
    data: Mapping[str, Any]
    at: float = field(default_factory=time.monotonic, compare=False)


class Qmp:
    """One QEMU's monitor.

    Events are kept from the first on: take a :meth:`mark` before an action and wait for its event from there,
    and no event can slip through in between.
    """

    def __init__(self, connection: socket.socket, *, deadlines: Deadlines, lifeline: Lifeline) -> None:
        """Greet the QEMU at the other end of ``connection``; raises as :meth:`execute`."""
        self._deadlines, self._lifeline = deadlines, lifeline
        # Guards the three below; who waits for an event sleeps on it.
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._ended = False
        self._pending: set[concurrent.futures.Future[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        self._client = QMPClient("harness")
        self._listener = EventListener()
        self._client.register_listener(self._listener)
        lifeline.on_cut(self._interrupt)
        self._connected = False
        try:
            self._wait(self._client.connect(connection), DEFAULT_SECONDS, "QEMU's greeting")
        except BaseException:
            self.close()
            raise
        self._connected = True
        asyncio.run_coroutine_threadsafe(self._collect(), self._loop)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far."""
        with self._changed:
            return tuple(self._events)

    def stopped_seconds(self) -> float:
        """Return for how long the guest has stood still so far, as a debugger makes it."""
        total, since = 0.0, None
        for event in self.events:
            if event.name == "STOP" and since is None:
                since = event.at
            elif event.name == "RESUME" and since is not None:
                total, since = total + event.at - since, None
        return total if since is None else total + time.monotonic() - since

    def mark(self) -> int:
        """Return the present place among the events."""
        with self._changed:
            return len(self._events)

    def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float = DEFAULT_SECONDS
    ) -> Any:
        """Run a command and return its answer.

        Raises:
            MachineError: QEMU refused the command, or the monitor is gone.
            WaitTimeoutError: it did not answer.
            HarnessError: the guest was lost meanwhile.
        """
        self._lifeline.check()
        begun, failed = time.monotonic(), True
        try:
            request = self._client.execute(command, dict(arguments or {}))
            answer = self._wait(request, timeout, f"QEMU's answer to {command}")
            failed = False
        except ExecuteError as error:
            raise MachineError(f"asking QEMU to {command}", str(error)) from error
        finally:
            if failed or not _asks_only(command, arguments):
                self._note(f"{command} {dict(arguments or {})}", begun, failed=failed)
        return answer

    def _note(self, text: str, begun: float, *, failed: bool = False) -> None:
        seconds = time.monotonic() - begun
        text = text.removesuffix(" {}")
        self._deadlines.journal.note(Lane.QMP, text, at=begun, seconds=seconds, failed=failed)

    def human(self, line: str) -> str:
        """Run a command of QEMU's human monitor, for what has no other way in."""
        return str(self.execute("human-monitor-command", {"command-line": line}))

    def wait_event(
        self,
        name: str,
        match: Mapping[str, Any] | None = None,
        *,
        since: int = 0,
        timeout: float = DEFAULT_SECONDS,
    ) -> Event:
        """Wait for an event from ``since`` on whose data hold all of ``match``; raises as :meth:`execute`.

        A tuple in ``match`` stands for any one of its values.
        """
        wanted = dict(match or {})
        with (
            self._deadlines.start(timeout, f"QEMU's event {name} {wanted or ''}".rstrip()) as deadline,
            self._changed,
        ):
            while True:
                for event in self._events[since:]:
                    if event.name == name and _holds(event.data, wanted):
                        return event
                self._lifeline.check()
                if self._ended:
                    break
                if not (wait := deadline.slice()):
                    seen = ", ".join(event.name for event in self._events[since:]) or "none"
                    raise deadline.failure(f"only these events came: {seen}")
                self._changed.wait(wait)
            raise self._gone(f"waiting for {deadline.reason}")

    def close(self) -> None:
        """Leave the monitor and end the thread; a second call does nothing."""
        self._lifeline.forget(self._interrupt)
        if self._loop.is_closed():
            return
        # A client whose greeting was interrupted has nothing to leave, and trips over its own assertions.
        if self._connected:
            with contextlib.suppress(QMPError, OSError, EOFError, concurrent.futures.TimeoutError):
                asyncio.run_coroutine_threadsafe(self._client.disconnect(), self._loop).result(_CLOSE_SECONDS)
        asyncio.run_coroutine_threadsafe(self._drop_tasks(), self._loop).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)
        self._loop.close()

    def _wait(self, request: Coroutine[Any, Any, Any], timeout: float, reason: str) -> Any:
        future = asyncio.run_coroutine_threadsafe(request, self._loop)
        with self._changed:
            self._pending.add(future)
        if self._lifeline.error:
            self._interrupt()
        with self._deadlines.start(timeout, reason, least=_SLOW_SECONDS) as deadline:
            return self._answer(future, deadline)

    def _answer(self, future: concurrent.futures.Future[Any], deadline: Deadline) -> Any:
        reason = deadline.reason
        try:
            while wait := deadline.slice():
                with contextlib.suppress(concurrent.futures.TimeoutError):
                    return future.result(wait)
            future.cancel()
            raise deadline.failure("it did not come")
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise self._gone(f"waiting for {reason}") from error
        except ExecuteError:
            raise
        except (QMPError, OSError, EOFError, AssertionError) as error:
            # qemu.qmp asserts that the connection outlives its greeting, which a dying QEMU does not know.
            raise self._gone(f"waiting for {reason}") from error
        finally:
            with self._changed:
                self._pending.discard(future)

    async def _collect(self) -> None:
        """Move events to where threads can wait for them, until QEMU leaves."""
        watcher = asyncio.ensure_future(self._watch())
        try:
            async for message in self._listener:
                event = Event(str(message["event"]), _data(message))
                self._note(f"event {event.name} {event.data}", time.monotonic())
                with self._changed:
                    self._events.append(event)
                    self._changed.notify_all()
        finally:
            watcher.cancel()

    async def _watch(self) -> None:
        """Notice at once that QEMU has closed the monitor."""
        await self._client.runstate_changed()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @staticmethod
    async def _drop_tasks() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _gone(self, doing: str) -> BaseException:
        return self._lifeline.verdict() or MachineError(doing, "QEMU's monitor is gone")

    def _interrupt(self) -> None:
        with self._changed:
            pending = tuple(self._pending)
            self._changed.notify_all()
        for future in pending:
            future.cancel()


def _asks_only(command: str, arguments: Mapping[str, Any] | None) -> bool:
    """Return whether a command changes nothing; such are asked again and again."""
    line = str((arguments or {}).get("command-line", ""))
    return command.startswith("query-") or line.startswith("info ")


def _holds(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(
        data.get(name) in value if isinstance(value, tuple) else data.get(name) == value
        for name, value in wanted.items()
    )


def _data(message: Message) -> dict[str, Any]:
    data = message.get("data")
    return dict(data) if isinstance(data, dict) else {}
