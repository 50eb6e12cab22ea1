# SPDX-License-Identifier: GPL-2.0-or-later
"""The system under test: what its parts are called and how each is started; ours, unless somebody says."""

from __future__ import annotations

import functools
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.artifacts.foreign import VIRTIO_ID
from harness.reference.chat import PORT
from harness.sut.cryptoctl import Cryptoctl
from harness.sut.features import Feature, Kind, Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.artifacts import Replaced
    from harness.machine import VirtualMachine


@dataclass(frozen=True)
class SystemUnderTest:
    """The names that scenarios need, in one place.

    Attributes:
        name: what a report calls it.
        kind: what of it is not ours.
        features: what of /dev/crypto it has besides AES-CBC.
        max_bytes: the most bytes of one operation that it promises.
        module: the guest driver's module, as ``rmmod`` takes it.
        module_path: the file in the guest that ``insmod`` loads.
        parameters: what ``insmod`` is given besides.
        needs: modules of the kernel's own that are loaded before, where they are in the guest.
        device: QEMU's ``-device`` string for one device; empty where there is none.
        virtio_id: by which driver and device find each other.
        node: the device node of the first device in the guest.
        nodes: how nodes come to be.
        major: of the nodes that the harness makes.
        minors: how many of them it makes.
        our_driver: whether the guest's image has the driver.
        our_device: whether the device can be saved and restored with a guest.
        type: the name of the device on a virtio bus.
    """

    name: str = "the bundled virtio-cryptodev"
    kind: Kind = Kind.BUNDLED
    features: frozenset[Feature] = frozenset(Feature)
    max_bytes: int = 1 << 20
    module: str = "virtio_cryptodev"
    module_path: str = "/lib/modules/harness/virtio_cryptodev.ko"
    parameters: str = ""
    needs: tuple[str, ...] = ()
    device: str = "virtio-cryptodev-pci"
    virtio_id: int = VIRTIO_ID
    node: str = "/dev/cryptodev0"
    nodes: Nodes = Nodes.AUTO
    major: int = 60
    minors: int = 1
    our_driver: bool = True
    our_device: bool = True
    type: str = "virtio-cryptodev-device"

    @property
    def bundled(self) -> bool:
        """Whether all of it is ours."""
        return self.kind is Kind.BUNDLED

    @property
    def makes_nodes(self) -> bool:
        """Whether the driver makes its nodes, and removes them when it goes."""
        return self.nodes is Nodes.AUTO

    def load(self) -> str:
        """Return the guest command that loads the driver and sees to its nodes."""
        commands = [f"insmod {self.module_path} {self.parameters}".rstrip()]
        if self.nodes is Nodes.MKNOD:
            stem = self.node.rstrip("0123456789")
            names = [self.node, *(f"{stem}{minor}" for minor in range(1, self.minors))]
            commands += [
                f"{{ test -e {name} || mknod -m 666 {name} c {self.major} {minor}; }}"
                for minor, name in enumerate(names)
            ]
        return " && ".join(commands)

    def unload(self) -> str:
        """Return the guest command that unloads the driver."""
        return f"rmmod {self.module}"

    def chat_client(
        self, *, plain: bool = False, device: str | None = None, port: int = PORT, host: str = "127.0.0.1"
    ) -> str:
        """Return the guest command that starts the chat's client."""
        return self._chat("chat-client", plain=plain, device=device, options=f"--host {host} --port {port}")

    def chat_server(self, *, plain: bool = False, device: str | None = None, port: int = PORT) -> str:
        """Return the guest command that starts the chat's server."""
        return self._chat("chat-server", plain=plain, device=device, options=f"--port {port}")

    def _chat(self, program: str, *, plain: bool, device: str | None, options: str) -> str:
        plainly = "--plain " if plain else ""
        return f"{program} {plainly}{options} {shlex.quote(device or self.node)}"

    def cryptoctl(self, machine: VirtualMachine) -> Cryptoctl:
        """Start a ``cryptoctl`` in the guest; it ends with the guest or when it is closed."""
        return Cryptoctl(machine.process("cryptoctl"))


@dataclass(frozen=True)
class OurGuests:
    """How guests get the bundled system under test: it is in their image, but for what differs from it.

    Attributes:
        parts: what differs from what the image has.
        system: what it is called.
    """

    parts: Replaced
    system: SystemUnderTest = SystemUnderTest()

    def machine(self, wishes: Mapping[str, Any], *, booted: bool) -> dict[str, Any]:  # noqa: ARG002
        """Return the wishes for a machine as they are: all of them suit it."""
        return {name: value for name, value in wishes.items() if name != "smap"}

    def enter(self, machine: VirtualMachine, *, booted: bool, load: bool = True) -> None:  # noqa: ARG002
        """Put other parts into a guest in the place of ours, and load another driver instead of ours.

        Args:
            machine: a guest that was just booted or restored: nothing uses our parts yet.
            booted: which of the two; it does not matter here.
            load: with False the guest has not loaded ours, and does not load the other.

        Raises:
            MachineError: a file cannot be written, or a module does not load.
        """
        if self.parts.programs is not None:
            programs = self.parts.programs
            for path in (programs.chat_client, programs.chat_server, programs.cryptoctl):
                copy_into(machine, _stripped(path, "--strip-all"), f"/usr/bin/{path.name}")
        if self.parts.driver is not None:
            module = _stripped(self.parts.driver.module, "--strip-debug")
            copy_into(machine, module, self.system.module_path)
            if load:
                machine.succeed(f"{self.system.unload()} && {self.system.load()}")


def copy_into(machine: VirtualMachine, content: bytes, place: str) -> None:
    """Write a file into a guest; one that is there keeps its permissions."""
    machine.succeed(f"cat >{place}", stdin=content)


@functools.cache
def _stripped(path: Path, option: str) -> bytes:
    """Return a program or a module without what only a debugger wants."""
    with TemporaryDirectory() as folder:
        small = Path(folder) / path.name
        subprocess.run(["strip", option, "-o", small, path], capture_output=True, check=True)
        return small.read_bytes()
