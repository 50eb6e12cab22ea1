# SPDX-License-Identifier: GPL-2.0-or-later
"""The bundled system under test: what its parts are called and how each is started."""

from __future__ import annotations

import functools
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.reference.chat import PORT
from harness.sut.cryptoctl import Cryptoctl

if TYPE_CHECKING:
    from harness.artifacts import Replaced
    from harness.machine import VirtualMachine


@dataclass(frozen=True)
class SystemUnderTest:
    """The names that scenarios need, in one place.

    Attributes:
        name: what a report calls it.
        module: the guest driver's module, as ``rmmod`` takes it.
        module_path: the file in the guest that ``insmod`` loads.
        device: QEMU's ``-device`` string for one device.
        node: the device node of the first device in the guest.
    """

    name: str = "the bundled virtio-cryptodev"
    module: str = "virtio_cryptodev"
    module_path: str = "/lib/modules/harness/virtio_cryptodev.ko"
    device: str = "virtio-cryptodev-pci"
    node: str = "/dev/cryptodev0"

    def load(self) -> str:
        """Return the guest command that loads the driver."""
        return f"insmod {self.module_path}"

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


def replace(machine: VirtualMachine, parts: Replaced, *, noload: bool = False) -> None:
    """Put other parts into a guest in the place of ours, and load another driver instead of ours.

    Args:
        machine: a guest that was just booted or restored: nothing uses our parts yet.
        parts: what differs.
        noload: the guest has not loaded ours, and does not load the other.

    Raises:
        MachineError: a file cannot be written, or a module does not load.
    """
    sut = SystemUnderTest()
    if parts.programs is not None:
        for path in (parts.programs.chat_client, parts.programs.chat_server, parts.programs.cryptoctl):
            _copy(machine, path, f"/usr/bin/{path.name}", "--strip-all")
    if parts.driver is not None:
        _copy(machine, parts.driver.module, sut.module_path, "--strip-debug")
        if not noload:
            machine.succeed(f"{sut.unload()} && {sut.load()}")


def _copy(machine: VirtualMachine, path: Path, place: str, strip: str) -> None:
    """Copy a program or a module into a guest, without what only a debugger wants."""
    machine.succeed(f"cat >{place}", stdin=_stripped(path, strip))


@functools.cache
def _stripped(path: Path, option: str) -> bytes:
    with TemporaryDirectory() as folder:
        small = Path(folder) / path.name
        subprocess.run(["strip", option, "-o", small, path], capture_output=True, check=True)
        return small.read_bytes()
