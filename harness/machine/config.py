# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.machine import rundir
from harness.machine.entrances import NO_ENTRANCES

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine.accelerator import Accelerator
    from harness.machine.entrances import Entrances

MEMORY_MIB = 256


class QemuParts(Protocol):
    """A QEMU to run: its program, the folder of its firmware, and what it was built from."""

    @property
    def binary(self) -> Path:
        """The program."""

    @property
    def firmware(self) -> Path:
        """The folder of its firmware."""

    @property
    def identity(self) -> str:
        """What it was built from, as a digest."""

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """Names and values that it has to be started with."""

    @property
    def last_words(self) -> bool:
        """Whether it has something to say or to write when it ends in good order."""


class KernelParts(Protocol):
    """A guest kernel that QEMU can load."""

    @property
    def image(self) -> Path:
        """The file that QEMU loads."""

    @property
    def identity(self) -> str:
        """What it was built from, as a digest."""


class ImageParts(Protocol):
    """The guest's root file system."""

    @property
    def initramfs(self) -> Path:
        """The file that becomes the root file system."""

    @property
    def identity(self) -> str:
        """What it was built from, as a digest; without the key that lets the harness in."""


class KeyParts(Protocol):
    """The key that the guest's root account accepts."""

    @property
    def private(self) -> Path:
        """The file of the private key."""

    @property
    def public_line(self) -> str:
        """The line for ``authorized_keys``."""


@dataclass(frozen=True, kw_only=True)
class MachineConfig:
    """Everything that decides how a guest is started.

    Attributes:
        qemu, kernel, image, ssh_key: the artifacts that it is made of.
        accelerator: how QEMU runs the guest's code; see :func:`harness.machine.accelerator.prove`.
        run_root: folder in which the guest's private run directory is made.
        devices: ``-device`` values; each gets the id ``crypto0``, ``crypto1``... and a slot of its own.
        objects: ``-object`` values that devices refer to.
        spare_slots: further slots, for devices that are plugged in later.
        memory_mib: its memory, in MiB.
        cpus: its processors.
        lan: whether it has a second network card, on a private network of guests.
        kernel_args: appended to the kernel's command line.
        timeout_scale: the user's factor on every time-out.
        keep: leave the run directory behind for a person to look at.
        entrances: what it has for a person to come in.
    """

    qemu: QemuParts
    kernel: KernelParts
    image: ImageParts
    ssh_key: KeyParts
    accelerator: Accelerator
    run_root: Path = field(default_factory=rundir.runtime_root)
    memory_mib: int = MEMORY_MIB
    cpus: int = 1
    devices: tuple[str, ...] = ("virtio-cryptodev-pci",)
    objects: tuple[str, ...] = ()
    spare_slots: int = 2
    lan: bool = False
    kernel_args: tuple[str, ...] = ()
    timeout_scale: float = 1.0
    keep: bool = False
    entrances: Entrances = NO_ENTRANCES
