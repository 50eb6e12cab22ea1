# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness fuzz``: so many workers, each with its QEMU, and a line every few seconds."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import HarnessError, SetupError
from harness.fuzz import arguments, workers
from harness.fuzz.figures import Found, FuzzFigures, Tally
from harness.fuzz.hunt import Hunt, Plan
from harness.machine.deadlines import timeout_scale
from harness.qtest.finding import Finding
from harness.qtest.player import replay
from harness.qtest.trace import Trace

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.artifacts import Flavour, Progress, QemuBuild

LINE_SECONDS = 5.0


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


def plan_of(options: argparse.Namespace, flavour: Flavour) -> Plan:
    """Return the plan of :mod:`harness.fuzz.arguments`, with a seed if none was given."""
    requests = options.requests
    if requests is None and options.seconds is None:
        requests = arguments.REQUESTS
    return Plan(
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        workers=options.jobs or 1,
        requests=requests,
        seconds=options.seconds,
        most_findings=options.most_findings,
        folder=options.findings,
        flavour=flavour,
        timeout_scale=options.timeout_scale or timeout_scale(),
    )


def fuzz(
    plan: Plan, qemu: QemuBuild, progress: Progress, corpus: Sequence[tuple[Path, Trace]] = ()
) -> FuzzFigures:
    """Play hostile requests until the plan is fulfilled, or until Ctrl-C.

    Args:
        plan: for all workers together.
        qemu: what is tested.
        progress: hears of the seed first, then every few seconds, and of every finding.
        corpus: traces that are played before, with their files; see :func:`traces_of`.

    Raises:
        HarnessError: QEMU does not start, or a worker ended.
    """
    progress.note(f"fuzzing with seed {plan.seed}, jobs: {plan.workers}")
    load, begun, stop = os.getloadavg()[0], time.monotonic(), Stop()
    teller = Teller(progress)
    with stop.on_interrupt():
        teller.hear(-1, Tally(found=play_corpus(corpus, qemu, plan.timeout_scale, stop.event.is_set)))
        if plan.workers == 1:
            Hunt(plan, qemu, tell=lambda tally: teller.hear(0, tally), stop=stop.event.is_set).run()
        else:
            workers.run(plan, qemu, teller.hear, stop.event.is_set)
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
        self._told_of: dict[int, int] = {}

    def hear(self, worker: int, tally: Tally) -> None:
        """Take in what a worker has done since it began."""
        self._tallies[worker] = tally
        total = self.total()
        for found in tally.found[self._told_of.get(worker, 0) :]:
            self._progress.note(f"found: {found.line}{f' -- {found.file}' if found.file else ''}")
        self._told_of[worker] = len(tally.found)
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
        raise SetupError(f"reading the corpus {folder}", str(error), "mend or remove that file") from error
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
