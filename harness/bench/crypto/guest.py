# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest that has all contenders: two devices of ours, QEMU's virtio-crypto, the kernel's own ciphers."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Any

from harness.artifacts.image import ImageRecipe
from harness.artifacts.kernel import with_needs
from harness.artifacts.settings import source_folder
from harness.bench.crypto.contenders import Contender
from harness.bench.crypto.measure import GuestRunner, process_cpu_seconds
from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.artifacts import Artifacts, Kernel, QemuBuild
    from harness.machine import VirtualMachine
    from harness.machine.remote import RemoteProcess
    from harness.room import Room

MEMORY_MIB = 512
DEVICE = "virtio-cryptodev-pci"
_OPTIONAL = "aesni_intel"  # it does not load on a processor without AES
_MODULES = {
    Contender.VIRTIO_CRYPTO: ("cbc", "algif_skcipher", "virtio_crypto"),
    Contender.AES_NI: ("cbc", "algif_skcipher", _OPTIONAL),
    Contender.AES_GENERIC: ("cbc", "algif_skcipher"),
}
_BACKEND = "bench0"
_PROGRAM = "/tmp/cryptobench"  # noqa: S108  # in a guest that nobody shares
# A socket's own lists of pages: what a request of 1 MiB takes is more than the usual 20 KiB.
_OPTIONS_BYTES = 1 << 20
_HELP_SECONDS = 20.0


def properties(qemu: QemuBuild, device: str = DEVICE) -> set[str]:
    """Return the names of a device's properties.

    Raises:
        MachineError: QEMU does not run.
    """
    command = [str(qemu.binary), "-device", f"{device},help"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_HELP_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise MachineError(f"asking QEMU about {device}", str(error)) from error
    return {line.partition("=")[0].strip() for line in done.stdout.splitlines() if "=" in line}


def devices(known: set[str]) -> tuple[str, ...]:
    """Return the devices of the guest; ``known`` are the properties of ours.

    The second one of ours offers nothing that the reference wire does not have.
    """
    old = ",".join(f"{name}={value}" for name, value in (("calls", "off"), ("queues", "1")) if name in known)
    return (DEVICE, f"{DEVICE},{old}" if old else DEVICE, f"virtio-crypto-pci,cryptodev={_BACKEND}")


def wishes(qemu: QemuBuild, cpus: int) -> dict[str, Any]:
    """Return what the guest's machine has besides the usual."""
    return {
        "cpus": cpus,
        "memory_mib": MEMORY_MIB,
        "devices": devices(properties(qemu)),
        "objects": (f"cryptodev-backend-builtin,id={_BACKEND}",),
    }


@contextlib.contextmanager
def running(
    room: Room, artifacts: Artifacts, contenders: Iterable[Contender], cpus: int
) -> Iterator[tuple[GuestRunner, VirtualMachine]]:
    """Boot the guest, bring it what the contenders need, and run cryptobench there.

    Raises:
        HarnessError: the guest failed.
    """
    with room.cold(**wishes(artifacts.qemu(), cpus)) as machine:
        _load(machine, artifacts.kernel(), modules_of(contenders))
        machine.succeed(f"echo {_OPTIONS_BYTES} >/proc/sys/net/core/optmem_max")
        program = artifacts.bench_programs().guest.read_bytes()
        machine.succeed(f"cat >{_PROGRAM} && chmod 755 {_PROGRAM}", stdin=program)
        with contextlib.ExitStack() as stack:

            def start() -> RemoteProcess:
                return stack.enter_context(machine.process(f"exec {_PROGRAM} --serve"))

            yield GuestRunner(start, lambda: process_cpu_seconds(machine.pid)), machine


def modules_of(contenders: Iterable[Contender]) -> list[str]:
    """Return the modules that some contenders need besides those of the image."""
    wanted = set(contenders)
    return list(dict.fromkeys(name for who, names in _MODULES.items() if who in wanted for name in names))


def _load(machine: VirtualMachine, kernel: Kernel, names: Iterable[str]) -> None:
    present = ImageRecipe.load(source_folder("images") / "initramfs.toml").modules
    for name, module in with_needs(kernel.modules, names, present).items():
        path = f"/tmp/{name}.ko"  # noqa: S108  # as above
        result = machine.run(
            f"cat >{path} && insmod {path}; status=$?; rm -f {path}; exit $status", stdin=module
        )
        # Who needs it is reported as not working, and the others are measured.
        if result.status != 0 and name != _OPTIONAL:
            raise MachineError(f"loading {name} in the guest", result.stderr.strip() or "it was refused")


def features(machine: VirtualMachine) -> tuple[str, ...]:
    """Return the feature bits that each of our devices has negotiated, as sysfs shows them: bit 0 first."""
    nodes = [Contender.PAIR.way[-1], Contender.REFERENCE_WIRE.way[-1]]
    names = [node.rpartition("/")[2] for node in nodes]
    return tuple(machine.succeed(f"cat /sys/class/*/{name}/device/features").strip() for name in names)
