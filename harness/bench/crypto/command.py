# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness bench crypto``: refuse, prepare, measure, and only then write."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.bench import outputs
from harness.bench.chart import require_matplotlib
from harness.bench.crypto import chart, guest
from harness.bench.crypto.figures import Conditions, Figures
from harness.bench.crypto.measure import HostRunner, measure, openssl_version
from harness.errors import SetupError
from harness.room import Room, prove_accelerator

if TYPE_CHECKING:
    from pathlib import Path

    from harness.artifacts import Artifacts, Progress
    from harness.bench.crypto.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a person asked for.

    Attributes:
        plan: what is measured.
        cpus: how many processors the guest has.
        json_file, svg_file: where to write; None does not.
    """

    plan: Plan
    cpus: int
    json_file: Path | None = None
    svg_file: Path | None = None

    def check(self) -> None:
        """Refuse what would be lost after minutes of measuring.

        Raises:
            SetupError: a file cannot be written, charts cannot be drawn, or there is nothing to measure.
        """
        if not self.plan.pairs:
            raise SetupError("planning", "nothing is left to measure", "ask for other contenders or sizes")
        if self.svg_file is not None:
            require_matplotlib()
        for path in (self.json_file, self.svg_file):
            if path is not None:
                outputs.require_writable(path)


def crypto(
    artifacts: Artifacts, wishes: Wishes, progress: Progress, *, request: str, scale: float
) -> Figures:
    """Measure how fast encryption is; see :mod:`harness.bench.crypto`.

    Args:
        artifacts: what the guest is made of, with a kernel that has a driver for virtio-crypto.
        wishes: what is measured, and the files, which :meth:`Wishes.check` has accepted.
        progress: is told what goes on.
        request: the accelerator: auto, kvm or tcg.
        scale: factor on every time-out.

    Raises:
        HarnessError: a build or the guest failed.
    """
    load = os.getloadavg()[0]
    programs = artifacts.bench_programs()
    proof = prove_accelerator(artifacts, request, scale)
    negotiated: tuple[str, ...] = ()
    with contextlib.ExitStack() as stack:
        runner = None
        if inside := {contender for contender, _ in wishes.plan.pairs if contender.in_guest}:
            with progress.step("booting the guest that has the contenders"):
                room = Room(artifacts, proof, scale)
                runner, machine = stack.enter_context(guest.running(room, artifacts, inside, wishes.cpus))
                negotiated = guest.features(machine)
        with progress.step("measuring encryption", at_once=True) as step:
            samples, failures = measure(wishes.plan, runner, HostRunner(programs.host), step)
    conditions = Conditions(
        accelerator=proof.accelerator,
        accelerator_proof=proof.reason,
        qemu_version=artifacts.qemu().version,
        kernel_release=artifacts.kernel().release,
        openssl_version=openssl_version(),
        host_cpus=len(os.sched_getaffinity(0)),
        guest_cpus=wishes.cpus,
        host_load=load,
        rounds=wishes.plan.rounds,
        seconds=wishes.plan.seconds,
        apart=wishes.plan.apart,
        features=negotiated,
    )
    return Figures(conditions, samples, failures)


def write(figures: Figures, wishes: Wishes) -> None:
    """Write the files that were asked for.

    Raises:
        SetupError: one can no longer be written.
    """
    if wishes.json_file is not None:
        text = json.dumps(figures.record(), indent=2, ensure_ascii=False)
        outputs.write(wishes.json_file, f"{text}\n")
    if wishes.svg_file is not None:
        outputs.write(wishes.svg_file, chart.svg(figures))
