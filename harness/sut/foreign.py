# SPDX-License-Identifier: GPL-2.0-or-later
"""A system under test that is not ours: from its manifest to a guest that has it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.artifacts.foreign import VIRTIO_ID
from harness.artifacts.kernel import with_needs
from harness.errors import MachineError
from harness.machine.result import CommandFailedError
from harness.sut.bundled import SystemUnderTest, copy_into
from harness.sut.features import Kind, Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.artifacts import Artifacts
    from harness.machine import VirtualMachine
    from harness.sut.manifest import SutFile

FOLDER = "/run/sut"
# Our device as every driver of this kind knows it: the reference wire, one queue.
REFERENCE_DEVICE = "virtio-cryptodev-pci,calls=off,queues=1"
NOLOAD = "harness.noload"
# A driver that reads a user's memory without asking would fail every scenario.  It fails the one about that.
NO_SMAP = "nosmap"
_APPEAR_SECONDS = 20.0


def system_of(file: SutFile, module: str = "") -> SystemUnderTest:
    """Return a system under test as its manifest tells of it.

    Args:
        file: the manifest.
        module: the name of the module that its sources make; not asked for where that is ours.
    """
    content, ours = file.content, SystemUnderTest()
    system = SystemUnderTest(
        name=file.name,
        kind=file.kind,
        features=file.features,
        max_bytes=content.max_bytes,
        virtio_id=content.virtio_id,
        node=file.node,
        our_driver=file.driver is None,
        our_device=file.device is None,
    )
    if file.driver is not None and content.driver is not None:
        driver = content.driver
        system = dataclasses.replace(
            system,
            module=module.replace("-", "_"),
            module_path=f"{FOLDER}/{module}.ko",
            parameters=driver.parameters,
            nodes=driver.nodes,
            major=driver.major,
            minors=driver.minors,
            needs=tuple(f"{FOLDER}/{name}.ko" for name in driver.needs),
        )
    elif content.virtio_id != VIRTIO_ID:
        system = dataclasses.replace(system, parameters=f"virtio_id={content.virtio_id}")
    if file.kind is Kind.NATIVE:
        return dataclasses.replace(system, device="", type="")
    if file.device is not None and content.device is not None:
        return dataclasses.replace(system, device=content.device.device, type=content.device.type)
    number = "" if content.virtio_id == VIRTIO_ID else f",virtio-id={content.virtio_id}"
    return dataclasses.replace(system, device=f"{REFERENCE_DEVICE}{number}", type=ours.type)


@dataclass(frozen=True)
class Guests:
    """How guests get a system under test that is not ours.

    Attributes:
        system: what it is called.
        module: the driver's module; None where it is ours.
        needs: modules of the kernel's own that are loaded before: name → content, in their order.
    """

    system: SystemUnderTest
    module: bytes | None
    needs: Mapping[str, bytes]

    @classmethod
    def of(cls, file: SutFile, artifacts: Artifacts) -> Guests:
        """Build the driver, and see what it needs.

        Raises:
            DoesNotBuildError: the sources under test do not build.
            HarnessError: something of ours does not.
        """
        if file.driver is None:
            return cls(system_of(file), None, {})
        driver = artifacts.foreign_driver()
        wanted = file.content.driver.needs if file.content.driver else ()
        needs = with_needs(artifacts.kernel().modules, wanted)
        return cls(system_of(file, driver.module.stem), driver.module.read_bytes(), needs)

    def machine(self, wishes: Mapping[str, Any], *, booted: bool) -> dict[str, Any]:
        """Return the wishes for a machine, as this system needs it.

        A device that is not ours cannot be saved with a guest: it is plugged in when the guest is there.

        Args:
            wishes: a test's; ``smap`` says that reading a user's memory without asking is to be an error.
            booted: whether the guest is booted for its user; it has the device from the beginning then.
        """
        told = dict(wishes)
        smap = told.pop("smap", False)
        told["kernel_args"] = (NOLOAD, *([] if smap else [NO_SMAP]), *told.get("kernel_args", ()))
        there = bool(self.system.device) and (self.system.our_device or booted)
        told["devices"] = (self.system.device,) if there else ()
        return told

    def enter(self, machine: VirtualMachine, *, booted: bool, load: bool = True) -> None:
        """Give a guest the system under test.

        Args:
            machine: a guest that was just booted or restored.
            booted: which of the two.
            load: whether the driver is loaded, or only put there.

        Raises:
            MachineError: the device does not appear, or the driver does not load; its words are in it.
        """
        system = self.system
        machine.succeed(f"mkdir -p -m 700 {FOLDER} && rm -f /dev/crypto")
        for name, content in self.needs.items():
            place = f"{FOLDER}/{name}.ko"
            copy_into(machine, content, place)
            machine.succeed(f"insmod {place}")
        if self.module is not None:
            copy_into(machine, self.module, system.module_path)
        if system.device and not system.our_device and not booted:
            machine.plug(system.device)
        if system.device:
            self._wait_for_device(machine)
        if load:
            self.load(machine)

    def load(self, machine: VirtualMachine) -> None:
        """Load the driver; programs find the node where they look for it.

        Raises:
            MachineError: it does not load, or makes no node.
        """
        system = self.system
        try:
            machine.succeed(system.load())
        except CommandFailedError as error:
            said = [line for line in machine.succeed("dmesg").splitlines() if system.module in line]
            raise MachineError(
                f"loading the driver {system.module}",
                f"insmod and mknod ended with status {error.result.status}",
                evidence=(*error.result.stderr.splitlines()[-8:], *said[-8:]),
            ) from error
        for name in ("/dev/crypto", "/dev/cryptodev0"):
            if name != system.node:
                machine.succeed(f"test -e {name} || ln -s {system.node} {name}")
        if machine.run(f"test -c {system.node}").status:
            cure = 'if it makes none, say nodes = "mknod" in sut.toml' if system.nodes is Nodes.AUTO else ""
            raise MachineError(f"loading the driver {system.module}", f"there is no node {system.node}", cure)

    def _wait_for_device(self, machine: VirtualMachine) -> None:
        """Wait until the guest has found the device: a driver that is loaded earlier has none to open."""
        wanted = f"{self.system.virtio_id:#06x}"
        machine.succeed(
            f"until grep -qsx {wanted} /sys/bus/virtio/devices/*/device; do sleep 0.02; done",
            timeout=_APPEAR_SECONDS,
        )
