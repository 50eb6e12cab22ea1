# SPDX-License-Identifier: GPL-2.0-or-later
"""The bundled system under test: what its parts are called and how each is started."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reference.chat import PORT
from harness.sut.cryptoctl import Cryptoctl

if TYPE_CHECKING:
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
