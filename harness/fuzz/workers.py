# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.fuzz.figures import Tally
from harness.fuzz.hunt import Hunt, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Event

    from harness.artifacts import QemuBuild

_DONE = "done"
_LOOK_SECONDS = 1.0


def parts(plan: Plan) -> list[Plan]:
    """Return the plan of each worker: its share of the requests."""
    shares: list[int | None] = [plan.requests] * plan.workers
    if plan.requests is not None:
        share, rest = divmod(plan.requests, plan.workers)
        shares = [share + (index < rest) for index in range(plan.workers)]
    return [replace(plan, worker=index, requests=share) for index, share in enumerate(shares)]


def run(plan: Plan, qemu: QemuBuild, hear: Callable[[int, Tally], None], stop: Callable[[], bool]) -> None:
    """Let each worker do its part, and return when all have ended.

    Args:
        plan: for all of them together.
        qemu: what is tested.
        hear: is told what a worker, by its number, has done so far.
        stop: whether to end early.

    Raises:
        HarnessError: a worker could not go on; the others were ended.
    """
    # Not forked: a thread of this process may be inside of a library that the child would need.
    context = multiprocessing.get_context("spawn")
    ending = context.Event()
    found: dict[int, int] = {}
    with contextlib.ExitStack() as cleaning:
        connections: dict[Connection, int] = {}
        for part in parts(plan):
            ours, theirs = context.Pipe(duplex=False)
            cleaning.callback(ours.close)
            process = context.Process(target=_work, args=(part, qemu, theirs, ending), daemon=True)
            process.start()
            cleaning.callback(process.join)
            theirs.close()
            connections[ours] = part.worker
        cleaning.callback(ending.set)

        def look() -> None:
            if stop():
                ending.set()

        for worker, tally in _messages(connections, look):
            found[worker] = len(tally.found)
            hear(worker, tally)
            if sum(found.values()) >= plan.most_findings:
                ending.set()


def _messages(connections: dict[Connection, int], look: Callable[[], object]) -> Iterator[tuple[int, Tally]]:
    """Give what the workers say until all have ended; call ``look`` every second at least."""
    while connections:
        look()
        for connection in wait(list(connections), timeout=_LOOK_SECONDS):
            assert isinstance(connection, Connection)  # noqa: S101 -- nothing else was waited for
            worker = connections[connection]
            try:
                message = connection.recv()
            except EOFError:
                raise HarnessError("fuzzing", f"worker {worker} ended without a word") from None
            if isinstance(message, HarnessError):
                raise message
            if isinstance(message, Tally):
                yield worker, message
            else:
                del connections[connection]


def _work(plan: Plan, qemu: QemuBuild, pipe: Connection, ending: Event) -> None:
    """Be a worker."""
    # Ctrl-C goes to the whole group; the first process says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        Hunt(plan, qemu, tell=pipe.send, stop=ending.is_set).run()
        pipe.send(_DONE)
    except HarnessError as error:
        pipe.send(HarnessError(error.doing, error.seen, error.cure))
    finally:
        pipe.close()
