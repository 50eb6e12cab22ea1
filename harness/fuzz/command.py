# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness fuzz``: as many workers as wanted, each with its QEMU, and one line every few seconds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, SetupError
from harness.fuzz.figures import Found, FuzzFigures, Tally
from harness.fuzz.hunt import Hunt, Plan
from harness.qtest.finding import Finding
from harness.qtest.player import replay
from harness.qtest.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from harness.artifacts import Progress, QemuBuild

LINE_SECONDS = 5.0
_DONE = "done"


@dataclass
class Stop:
    """Says when a run has to end early; Ctrl-C does that, and a second one is as it always was."""

    event: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Listen to SIGINT for as long as the block runs."""
        before = signal.getsignal(signal.SIGINT)

        def heard(number: int, frame: object) -> None:
            del number, frame
            self.event.set()
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def fuzz(plan: Plan, qemu: QemuBuild, progress: Progress, corpus: Path | None = None) -> FuzzFigures:
    """Play hostile requests until the plan is fulfilled, or until Ctrl-C.

    Args:
        plan: for all workers together.
        qemu: what is tested.
        progress: hears of the seed first, then every few seconds, and of every finding.
        corpus: a folder of traces that are played before.

    Raises:
        HarnessError: QEMU does not start, or a worker ended.
    """
    progress.note(f"fuzzing with seed {plan.seed}, jobs: {plan.workers}")
    load, begun, stop = os.getloadavg()[0], time.monotonic(), Stop()
    teller = Teller(progress)
    with stop.on_interrupt():
        first = Tally()
        if corpus is not None:
            first.found += play_corpus(traces_of(corpus), qemu, plan.timeout_scale, stop.event.is_set)
            teller.hear(-1, first)
        if plan.workers == 1:
            Hunt(plan, qemu, tell=lambda tally: teller.hear(0, tally), stop=stop.event.is_set).run()
        else:
            _in_processes(plan, qemu, teller, stop)
    return FuzzFigures(
        seed=plan.seed,
        jobs=plan.workers,
        flavour=plan.flavour,
        qemu_version=qemu.version,
        host_cpus=len(os.sched_getaffinity(0)),
        host_load=load,
        duration_seconds=time.monotonic() - begun,
        interrupted=stop.event.is_set(),
        tally=teller.total(),
    )


class Teller:
    """Adds up what the workers say, and tells a person of it."""

    def __init__(self, progress: Progress, now: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._now = progress, now
        self._tallies: dict[int, Tally] = {}
        self._begun = self._told = now()
        self._told_of = 0

    def hear(self, worker: int, tally: Tally) -> None:
        """Take in what a worker has done since it began."""
        self._tallies[worker] = tally
        total = self.total()
        for found in total.found[self._told_of :] if worker >= 0 or total.found else ():
            self._progress.note(f"found: {found.line}{f' -- {found.file}' if found.file else ''}")
        self._told_of = max(self._told_of, len(total.found))
        if self._now() - self._told >= LINE_SECONDS:
            self._told = self._now()
            rate = total.counts.requests / (self._now() - self._begun)
            self._progress.note(
                f"{total.counts.requests:,} requests, {rate:,.0f} a second, findings: {len(total.found)}"
            )

    def total(self) -> Tally:
        """Return the sum of all workers."""
        total = Tally()
        for tally in self._tallies.values():
            total.add(tally)
        return total


# Corpus ----------------------------------------------------------------------------------------------------


def traces_of(folder: Path) -> list[tuple[Path, Trace]]:
    """Read the traces of a folder, in the order of their names.

    Raises:
        SetupError: there is none, or one is no trace.
    """
    try:
        paths = sorted(folder.glob("*.trace"))
        traces = [(path, Trace.parse(path.read_text("utf-8"))) for path in paths]
    except (OSError, ValueError, HarnessError) as error:
        raise SetupError(f"reading the corpus {folder}", str(error)) from error
    if not traces:
        raise SetupError(f"reading the corpus {folder}", "no file ends in .trace", "name another folder")
    return traces


def play_corpus(
    traces: Sequence[tuple[Path, Trace]], qemu: QemuBuild, scale: float, stop: Callable[[], bool]
) -> list[Found]:
    """Play traces, each on a QEMU of its own; return what they found."""
    found = []
    for path, trace in traces:
        if stop():
            break
        try:
            replay(trace, qemu, timeout_scale=scale)
        except Finding as finding:
            found.append(Found(finding.line, str(path), replays=True))
    return found


# Processes -------------------------------------------------------------------------------------------------


def _in_processes(plan: Plan, qemu: QemuBuild, teller: Teller, stop: Stop) -> None:
    # Not forked: a thread of this process may be inside of a library that the child would need.
    context = multiprocessing.get_context("spawn")
    ending = context.Event()
    workers: list[tuple[Any, Connection]] = []
    for part in parts(plan):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(part, qemu, theirs, ending), daemon=True)
        process.start()
        theirs.close()
        workers.append((process, ours))
    try:
        _listen({ours: index for index, (_, ours) in enumerate(workers)}, plan, teller, stop, ending)
    finally:
        ending.set()
        for process, ours in workers:
            process.join()
            ours.close()


def parts(plan: Plan) -> list[Plan]:
    """Return the plan of each worker: its share of the requests."""
    shares: list[int | None] = [plan.requests] * plan.workers
    if plan.requests is not None:
        share, rest = divmod(plan.requests, plan.workers)
        shares = [share + (index < rest) for index in range(plan.workers)]
    return [replace(plan, worker=index, requests=share) for index, share in enumerate(shares)]


def _listen(open_: dict[Connection, int], plan: Plan, teller: Teller, stop: Stop, ending: Any) -> None:  # noqa: ANN401
    """Hear the workers until all are done."""
    failure: HarnessError | None = None
    while open_:
        if stop.event.is_set() or len(teller.total().found) >= plan.most_findings:
            ending.set()
        for connection in multiprocessing.connection.wait(list(open_), timeout=1.0):
            worker = open_[connection]  # type: ignore[index]
            try:
                message = connection.recv()  # type: ignore[union-attr]
            except EOFError:
                message = HarnessError("fuzzing", f"worker {worker} ended without a word")
            if isinstance(message, Tally):
                teller.hear(worker, message)
                continue
            del open_[connection]  # type: ignore[arg-type]
            if isinstance(message, HarnessError):
                failure = message
                ending.set()
    if failure is not None:
        raise failure


def _work(plan: Plan, qemu: QemuBuild, pipe: Connection, ending: Any) -> None:  # noqa: ANN401
    """Be a worker process."""
    # Ctrl-C goes to the whole group; the first process says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        Hunt(plan, qemu, tell=pipe.send, stop=ending.is_set).run()
        pipe.send(_DONE)
    except HarnessError as error:
        pipe.send(HarnessError(error.doing, error.seen, error.cure))
    finally:
        pipe.close()
