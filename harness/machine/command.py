# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line, as pure functions of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine.config import MachineConfig

NET_ID = "net0"
GUEST_SSH_PORT = 22
# The kernel may talk as it likes: its console is a channel of its own.  A panic ends QEMU (-no-reboot) at
# once. Hung tasks are told of after 30 s instead of 120 s, as no scenario waits for two minutes.
KERNEL_ARGS = ("console=ttyS0", "panic=-1", "net.ifnames=0", "sysctl.kernel.hung_task_timeout_secs=30")


@dataclass(frozen=True)
class Channels:
    """Numbers of the open sockets that QEMU inherits: connected before it starts, so that nothing is lost."""

    kernel_log: int
    shell: int
    qmp: int


def device_id(index: int) -> str:
    """Return the id of the device under test number ``index``."""
    return f"crypto{index}"


def slot_id(index: int) -> str:
    """Return the id of the hot-pluggable slot number ``index``: a bus with room for one device."""
    return f"slot{index}"


def marker(run_directory: Path) -> str:
    """Return the name that marks a guest's QEMU in the process table; it holds the run directory's path."""
    return f"harness:{run_directory}"


def qemu_command(config: MachineConfig, channels: Channels, run_directory: Path) -> list[str]:
    """Build the whole command line, option and value side by side."""
    return [
        str(config.qemu.binary),
        *_machine(config, run_directory),
        *_kernel(config),
        *_channels(channels),
        *_network(),
        *_slots(config),
    ]


def _machine(config: MachineConfig, run_directory: Path) -> list[str]:
    # fmt: off
    return [
        "-name", _escaped(marker(run_directory)),
        "-L", str(config.qemu.firmware),
        "-no-user-config",
        "-nodefaults",
        "-no-reboot",
        "-display", "none",
        "-machine", "q35,usb=off",
        *config.accelerator.arguments,
        "-smp", str(config.cpus),
        "-m", f"{config.memory_mib}M",
    ]
    # fmt: on


def _kernel(config: MachineConfig) -> list[str]:
    # fmt: off
    return [
        "-kernel", str(config.kernel.image),
        "-initrd", str(config.image.initramfs),
        "-append", " ".join((*KERNEL_ARGS, *config.kernel_args)),
    ]
    # fmt: on


def _channels(channels: Channels) -> list[str]:
    # fmt: off
    return [
        "-chardev", f"socket,id=kernel-log,fd={channels.kernel_log}",
        "-serial", "chardev:kernel-log",
        "-chardev", f"socket,id=shell,fd={channels.shell}",
        "-serial", "chardev:shell",
        "-chardev", f"socket,id=qmp,fd={channels.qmp}",
        "-mon", "chardev=qmp,mode=control",
    ]
    # fmt: on


def _network() -> list[str]:
    # fmt: off
    # Port 0: the host's kernel chooses a free one as it binds, so there is no moment for a collision.
    forward = f"hostfwd=tcp:127.0.0.1:0-:{GUEST_SSH_PORT}"
    return [
        "-netdev", f"user,id={NET_ID},restrict=on,{forward}",
        "-device", f"virtio-net-pci,netdev={NET_ID},romfile=",
    ]
    # fmt: on


def _slots(config: MachineConfig) -> list[str]:
    """Give each device a root port of its own: on q35 only those can be unplugged."""
    arguments: list[str] = []
    for index in range(len(config.devices) + config.spare_slots):
        arguments += [
            "-device",
            f"pcie-root-port,id={slot_id(index)},chassis={index + 1},addr={0x10 + index:#x}",
        ]
    for index, device in enumerate(config.devices):
        arguments += ["-device", f"{device},id={device_id(index)},bus={slot_id(index)}"]
    return arguments


def _escaped(value: str) -> str:
    """Double the commas, as QEMU's option parser wants them."""
    return value.replace(",", ",,")
