# SPDX-License-Identifier: GPL-2.0-or-later
"""One worker: case after case on one QEMU after another, and a file for whatever is found."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts import Flavour
from harness.errors import HarnessError
from harness.fuzz import cases
from harness.fuzz.discovery import Discovery
from harness.fuzz.figures import Found, Tally
from harness.fuzz.runner import Runner
from harness.qtest.finding import Finding
from harness.qtest.player import replay
from harness.qtest.shrink import shrink
from harness.qtest.trace import FIRST_LINE, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.artifacts import QemuBuild
    from harness.qtest.trace import Setup
    from harness.reference.device import Device

WARM_CASES = 200
"""After so many cases a QEMU has touched what it needs; its memory is looked at from there."""
TELL_SECONDS = 1.0
SHRINK_SECONDS = 10.0
"""So long a finding's trace is made shorter before the run goes on."""
# All of the guest's 16 MiB of memory may come to be touched, and the allocator keeps some.
MOST_GROWTH_KIB = 32 << 10
# Freed memory waits in AddressSanitizer's quarantine, 256 MiB of it.
MOST_GROWTH_ASAN_KIB = 512 << 10
_LINE_BYTES = 300


@dataclass(frozen=True)
class Plan:
    """What a worker does.

    Attributes:
        seed, worker: what its cases follow from.
        workers: how many there are.
        requests: so many in all, by this worker; None for no limit.
        seconds: how long; None for no limit.
        most_findings: it ends after so many.
        folder: where traces of findings are written.
        flavour: how QEMU was built.
        timeout_scale: multiplies every deadline.
    """

    seed: int
    worker: int = 0
    workers: int = 1
    requests: int | None = None
    seconds: float | None = None
    most_findings: int = 10
    folder: Path = Path()
    flavour: Flavour = Flavour.PLAIN
    timeout_scale: float = 1.0


class Hunt:
    """A worker.

    Attributes:
        tally: what it has done.
    """

    def __init__(
        self,
        plan: Plan,
        qemu: QemuBuild,
        model: Callable[[Setup], Device] | None = None,
        tell: Callable[[Tally], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare.

        Args:
            plan: what to do.
            qemu: what is tested.
            model: makes what it is held against.
            tell: is called about once a second, and at every finding, with what was done so far.
            stop: whether to end early.
        """
        self._plan, self._qemu, self._model = plan, qemu, model
        self._tell, self._stop = tell, stop
        self.tally = Tally()
        self._runner: Runner | None = None
        self._warm_kib: int | None = None
        self._done = 0

    def run(self) -> Tally:
        """Play cases until the plan is fulfilled.

        Raises:
            HarnessError: QEMU does not even start.
        """
        begun = told = time.monotonic()
        number = 0
        try:
            while self._goes_on(time.monotonic() - begun):
                case = cases.make(self._plan.seed, self._plan.worker, number)
                self._play(case)
                number += 1
                if time.monotonic() - told >= TELL_SECONDS:
                    told = time.monotonic()
                    self._tell(self._so_far())
            self._end_qemu(number)
        finally:
            if self._runner is not None:
                self._runner.machine.kill()
        self.tally = self._so_far()
        self._tell(self.tally)
        return self.tally

    def _goes_on(self, seconds: float) -> bool:
        plan = self._plan
        return not (
            self._stop()
            or (plan.requests is not None and self._done >= plan.requests)
            or (plan.seconds is not None and seconds >= plan.seconds)
            or len(self.tally.found) >= plan.most_findings
        )

    def _so_far(self) -> Tally:
        """Return a tally with the processor time, and with the cases of the QEMU that runs."""
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        now = Tally(
            harness_cpu_seconds=own.ru_utime + own.ru_stime,
            qemu_cpu_seconds=children.ru_utime + children.ru_stime,
        )
        now.add(self.tally)
        if self._runner is not None:
            now.counts.add(self._runner.counts)
        return now

    # QEMUs -------------------------------------------------------------------------------------------------

    def _play(self, case: cases.Case) -> None:
        if self._runner is not None and self._runner.setup != case.setup:
            self._end_qemu(case.number)
        self._done += case.requests
        try:
            runner = self._runner_of(case.setup)
            runner.play(case)
            if case.number % cases.SETUP_CASES == WARM_CASES:
                self._warm_kib = runner.resident_kib
        except Discovery as discovery:
            self._found(discovery, case.number)
            self._put_away()

    def _runner_of(self, setup: Setup) -> Runner:
        if self._runner is None:
            self._runner = Runner(self._qemu, setup, self._model, timeout_scale=self._plan.timeout_scale)
            self._warm_kib = None
            self.tally.qemus += 1
        return self._runner

    def _end_qemu(self, number: int) -> None:
        """Hear what a QEMU has to say at its end: its status, a sanitizer's report, how large it is."""
        runner = self._runner
        if runner is None:
            return
        try:
            runner.play(None)
            self._weigh(runner)
            runner.end()
        except Discovery as discovery:
            self._found(discovery, number)
        self._put_away()

    def _weigh(self, runner: Runner) -> None:
        resident = runner.resident_kib
        self.tally.resident_kib = max(self.tally.resident_kib, resident)
        if self._warm_kib is None:
            return
        growth = resident - self._warm_kib
        self.tally.growth_kib = max(self.tally.growth_kib, growth)
        most = MOST_GROWTH_ASAN_KIB if self._plan.flavour is Flavour.ASAN else MOST_GROWTH_KIB
        if growth > most:
            raise Discovery(
                f"QEMU grew by {growth} KiB, more than {most}, in {runner.counts.cases} cases", []
            )

    def _put_away(self) -> None:
        if self._runner is not None:
            self._runner.machine.kill()
            self.tally.counts.add(self._runner.counts)
            self._runner = None

    # Findings ----------------------------------------------------------------------------------------------

    def _found(self, discovery: Discovery, number: int) -> None:
        plan = self._plan
        line = discovery.line.splitlines()[0][:_LINE_BYTES]
        file, replays = "", False
        if discovery.traces:
            trace, replays = self._smallest(discovery.traces)
            path = plan.folder / f"finding-{plan.seed}-{number * plan.workers + plan.worker}.trace"
            told = "this shows it again" if replays else "a replay alone does not show it"
            save(path, trace, [line, told, *discovery.line.splitlines()[1:]])
            file = str(path)
        self.tally.found.append(Found(line, file, replays))
        self._tell(self._so_far())

    def _smallest(self, traces: tuple[Trace, ...]) -> tuple[Trace, bool]:
        """Return the shortest trace that shows it again, or the longest that was thought of."""
        for trace in traces:
            if shown := self._attempt(trace):
                return shrink(shown, self._attempt, seconds=SHRINK_SECONDS).trace, True
        return traces[-1], False

    def _attempt(self, trace: Trace) -> Finding | None:
        try:
            replay(trace, self._qemu, timeout_scale=self._plan.timeout_scale)
        except Finding as finding:
            return finding
        except HarnessError:
            return None
        return None


def save(path: Path, trace: Trace, remarks: list[str]) -> None:
    """Write a trace with remarks, all of it or nothing."""
    first, _, rest = str(trace).partition("\n")
    assert first == FIRST_LINE  # noqa: S101 -- as every trace prints
    text = "\n".join([first, *(f"# {remark}" for remark in remarks), rest])
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
