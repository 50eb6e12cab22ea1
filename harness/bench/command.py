# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness bench start``: refuse, prepare, measure, and only then write."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.bench import chart, outputs, virtme
from harness.bench.figures import Conditions, Figures
from harness.bench.start import measure
from harness.errors import SetupError
from harness.machine import Accelerator
from harness.room import Room, prove_accelerator

if TYPE_CHECKING:
    from pathlib import Path

    from harness.artifacts import Artifacts, Progress
    from harness.machine import Proof


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a person asked for.

    Attributes:
        rounds: how often everything is measured.
        clones: how many restored guests live at once when their memory is read.
        json_file, svg_file: where to write; None does not.
        virtme_kernel: the kernel that virtme-ng runs; None tries what is there.
    """

    rounds: int
    clones: int
    json_file: Path | None = None
    svg_file: Path | None = None
    virtme_kernel: Path | None = None

    def check(self) -> None:
        """Refuse what would be lost after minutes of measuring.

        Raises:
            SetupError: a file cannot be written or read, or charts cannot be drawn.
        """
        if self.svg_file is not None:
            chart.require_matplotlib()
        for path in (self.json_file, self.svg_file):
            if path is not None:
                outputs.require_writable(path)
        if self.virtme_kernel is not None and not os.access(self.virtme_kernel, os.R_OK):
            seen = f"{self.virtme_kernel} cannot be read"
            raise SetupError("looking for virtme-ng's kernel", seen, "name a readable kernel image")


def start(artifacts: Artifacts, wishes: Wishes, progress: Progress, *, request: str, scale: float) -> Figures:
    """Measure how soon a guest is there; see :mod:`harness.bench.start`.

    Args:
        artifacts: what the guests are made of; what is missing is built.
        wishes: how much is measured, and the files, which :meth:`Wishes.check` has accepted.
        progress: is told what goes on.
        request: the accelerator: auto, kvm or tcg.
        scale: factor on every time-out.

    Raises:
        HarnessError: a build or a guest failed.
    """
    load = os.getloadavg()[0]
    proof = prove_accelerator(artifacts, request, scale)
    kernel = artifacts.kernel()
    room = Room(artifacts, proof, scale)
    with virtme.lent(kernel) as lent:
        # Made here, so that the first round does not differ from the others.
        room.ready()
        with progress.step("trying virtme-ng"):
            finding = virtme.look(
                virtme.program(),
                virtme.kernels(lent, wishes.virtme_kernel),
                virtme.qemus(artifacts.qemu()),
                kvm=proof.accelerator is Accelerator.KVM,
                timeout=virtme.SECONDS * scale,
            )
        with progress.step("measuring the start of guests", at_once=True) as step:
            series, told = measure(
                room,
                rounds=wishes.rounds,
                clones=wishes.clones,
                release=kernel.release,
                peer=finding,
                step=step,
            )
    return Figures(_conditions(artifacts, proof, wishes, load), series, told)


def _conditions(artifacts: Artifacts, proof: Proof, wishes: Wishes, load: float) -> Conditions:
    return Conditions(
        accelerator=proof.accelerator,
        accelerator_proof=proof.reason,
        qemu_version=artifacts.qemu().version,
        kernel_release=artifacts.kernel().release,
        host_cpus=len(os.sched_getaffinity(0)),
        host_load=load,
        rounds=wishes.rounds,
        clones=wishes.clones,
    )


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
