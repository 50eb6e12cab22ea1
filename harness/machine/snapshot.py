# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest at rest, and how it comes to be: booted once, saved, restored as often as one wants.

A *ready* snapshot has the guest's memory in a file that every restored guest maps privately: they share what
none of them changes, and nothing is copied at the start.  A snapshot of a guest in the middle of its work has
its memory in the migration stream.  Either holds all that the guest knew, keys included.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.machine import migration
from harness.machine.command import Channels, Memory, Plugged, qemu_command
from harness.machine.entrances import NO_ENTRANCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.machine.config import MachineConfig
    from harness.machine.qmp import Qmp

FORMAT = 3
# Two parts, as the store counts the first and reads the second.
MEMORY = Path("memory", "ram")
STATE = "state"
_KERNEL = "kernel"
_FACTS = "snapshot.json"
# The head of a kernel is all that QEMU looks at before the guest starts; reading the rest takes longer than
# starting QEMU.  What it loads has to be called the same in the stream and in the QEMU that reads it.
_KERNEL_HEAD_BYTES = 65536
_CPUINFO = Path("/proc/cpuinfo")
_CPU_FIELDS = ("vendor_id", "model name", "stepping", "microcode", "flags")


@dataclass(frozen=True)
class Snapshot:
    """A saved guest.

    Attributes:
        folder: where its files lie.
    """

    folder: Path

    @property
    def memory(self) -> Path | None:
        """The file of its memory; None when that is in the stream."""
        path = self.folder / MEMORY
        return path if path.exists() else None

    @property
    def state(self) -> Path:
        """QEMU's migration stream."""
        return self.folder / STATE

    def contents(self) -> Memory:
        """Return what a QEMU that goes on from here has to be started with."""
        return Memory(self.memory, state=self.state, kernel=self.folder / _KERNEL)

    def plugged(self, config: MachineConfig) -> dict[str, Plugged]:
        """Return the devices that the guest had (id → device), for a machine that this is a snapshot of.

        Raises:
            MachineError: it is of another machine, or unreadable.
        """
        doing = f"restoring the guest from {self.folder}"
        try:
            facts = json.loads((self.folder / _FACTS).read_text("utf-8"))
            fits = facts["machine"] == machine_key(config)
            plugged = {
                str(name): Plugged(str(place["device"]), int(place["slot"]))
                for name, place in facts["plugged"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise MachineError(doing, f"no readable snapshot ({error})", "save it again") from error
        if not fits:
            seen = "it was saved from another machine (QEMU, kernel, image, accelerator, options or host)"
            raise MachineError(doing, seen, "restore it with the configuration that it was saved with")
        return plugged


def machine_key(config: MachineConfig) -> str:
    """Return the digest of all that a snapshot of ``config`` depends on.

    QEMU's build, kernel, image and key by what they were made from; the accelerator and the processor that it
    hands to the guest (an emulated one, too, counts time as the host's does); every option of QEMU's.
    """
    parts = config.qemu, config.kernel, config.image
    # Where the artifacts lie does not matter: what they are is in their identities.
    places = {config.qemu.binary, config.qemu.firmware, config.kernel.image, config.image.initramfs}
    # A person's ways in are nothing that the guest can see.
    closed = dataclasses.replace(config, entrances=NO_ENTRANCES)
    command = qemu_command(closed, Channels.none(), Path("run"), Memory())
    facts = [
        f"snapshot {FORMAT}",
        *(part.identity for part in parts),
        config.ssh_key.public_line,
        *(word for word in command if Path(word) not in places),
        *_processor(),
    ]
    if config.accelerator.uses_host_kernel:
        facts.append(platform.release())
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


def _processor(cpuinfo: Path = _CPUINFO) -> list[str]:
    """Return what the kernel says of the host's first processor, without what changes as it runs."""
    try:
        first = cpuinfo.read_text("ascii", errors="replace").partition("\n\n")[0]
    except OSError:
        return [platform.processor()]
    return [line for line in first.splitlines() if line.partition(":")[0].strip() in _CPU_FIELDS]


def write(
    qmp: Qmp, folder: Path, config: MachineConfig, *, plugged: Mapping[str, Plugged], memory_in_file: bool
) -> Snapshot:
    """Save the guest behind ``qmp`` into ``folder``.

    It stands still meanwhile and goes on afterwards, except where its memory is the snapshot's own file.

    Raises:
        MachineError: QEMU could not; its reason is in it.
        WaitTimeoutError: it did not finish.
    """
    snapshot = Snapshot(folder)
    # The stream holds keys.  QEMU would make the file readable for a group.
    os.close(os.open(snapshot.state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    qmp.execute("stop")
    try:
        migration.send(
            qmp, snapshot.state, f"saving the guest to {folder}", memory_in_file=memory_in_file
        )  # fmt: skip
    finally:
        # What it did from here on would go to its file, which has to stay as it was at this moment.
        if not memory_in_file:
            migration.go_on(qmp)
    with config.kernel.image.open("rb") as kernel:
        (folder / _KERNEL).write_bytes(kernel.read(_KERNEL_HEAD_BYTES))
    facts = {
        "machine": machine_key(config),
        "plugged": {name: dataclasses.asdict(place) for name, place in plugged.items()},
    }
    (folder / _FACTS).write_text(json.dumps(facts), "utf-8")
    return snapshot


def read(qmp: Qmp, snapshot: Snapshot) -> None:
    """Have a QEMU that waits for it go on from ``snapshot``; returns when the guest runs.

    Raises:
        MachineError: QEMU refused the stream.
        WaitTimeoutError: it did not finish.
    """
    doing = f"restoring the guest from {snapshot.folder}"
    migration.receive(qmp, snapshot.state, doing, memory_in_file=snapshot.memory is not None)
