# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line, as pure functions of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.machine.config import MachineConfig

_MARK = "harness:"
NET_ID = "net0"
LAN_ID = "lan0"
MEMORY_ID = "mem"
GUEST_SSH_PORT = 22
# The kernel may talk as it likes: its console is a channel of its own.  A panic ends QEMU (-no-reboot) at
# once. Hung tasks are told of after 30 s instead of 120 s, as no scenario waits for two minutes.
KERNEL_ARGS = ("console=ttyS0", "panic=-1", "net.ifnames=0", "sysctl.kernel.hung_task_timeout_secs=30")
# Nothing to boot from; and no announcement after a restore of who the guest was: it will be somebody else.
_CARD = "romfile=,guest_announce=off"


@dataclass(frozen=True)
class Channels:
    """Numbers of the open sockets that QEMU inherits: connected before it starts, so that nothing is lost."""

    kernel_log: int
    shell: int
    identityd: int
    qmp: int
    lan: int | None = None

    @classmethod
    def none(cls) -> Channels:
        """Return the channels of a command line that is not going to be run."""
        return cls(-1, -1, -1, -1, -1)


@dataclass(frozen=True)
class Memory:
    """Where a guest's memory lies and what it begins with.

    Attributes:
        file: a file that holds it; None: nobody else's memory.
        shared: what the guest writes goes to the file; otherwise it is the guest's alone.
        state: a migration stream to go on from instead of booting.
        kernel: what QEMU takes for the guest's kernel then, which nobody will start.
    """

    file: Path | None = None
    shared: bool = False
    state: Path | None = None
    kernel: Path | None = None


@dataclass(frozen=True)
class Plugged:
    """A device in a slot; ``device`` is what follows QEMU's ``-device``, without id and bus."""

    device: str
    slot: int


def first_devices(config: MachineConfig) -> dict[str, Plugged]:
    """Return the devices that a guest of ``config`` boots with: id → device."""
    return {device_id(index): Plugged(device, index) for index, device in enumerate(config.devices)}


def device_id(index: int) -> str:
    """Return the id of the device under test number ``index``."""
    return f"crypto{index}"


def slot_id(index: int) -> str:
    """Return the id of the hot-pluggable slot number ``index``: a bus with room for one device."""
    return f"slot{index}"


def marker(run_directory: Path) -> str:
    """Return the name that marks a guest's QEMU in the process table; it holds the run directory's path."""
    return f"{_MARK}{run_directory}"


def marked(command: Sequence[str]) -> Path | None:
    """Return the run directory that a command line is marked with, or None: it is no guest of ours."""
    for option, value in pairwise(command):
        if option == "-name" and value.startswith(f"{_MARK}/"):
            return Path(value.removeprefix(_MARK).replace(",,", ","))
    return None


def qemu_command(
    config: MachineConfig,
    channels: Channels,
    run_directory: Path,
    memory: Memory,
    plugged: Mapping[str, Plugged] | None = None,
) -> list[str]:
    """Build the whole command line, option and value side by side.

    ``plugged`` are the devices under test, where they are not the ones that the guest boots with.
    """
    return [
        str(config.qemu.binary),
        *_machine(config, run_directory),
        *_memory(config, memory),
        *_kernel(config, memory),
        *_channels(channels),
        *_network(),
        *_lan(config, channels),
        *_slots(config, first_devices(config) if plugged is None else plugged),
        *config.entrances.arguments(run_directory),
    ]


def _machine(config: MachineConfig, run_directory: Path) -> list[str]:
    # fmt: off
    return [
        "-name", escaped(marker(run_directory)),
        "-L", str(config.qemu.firmware),
        "-no-user-config",
        "-nodefaults",
        "-no-reboot",
        "-display", "none",
        "-machine", f"q35,usb=off,memory-backend={MEMORY_ID}",
        *config.accelerator.arguments,
        "-smp", str(config.cpus),
        "-m", f"{config.memory_mib}M",
    ]
    # fmt: on


def _memory(config: MachineConfig, memory: Memory) -> list[str]:
    """Return the memory, and whether the guest waits for a stream to go on from."""
    backend = f"id={MEMORY_ID},size={config.memory_mib}M"
    if memory.file is None:
        arguments = ["-object", f"memory-backend-ram,{backend}"]
    else:
        shared = "on" if memory.shared else "off"
        path = escaped(str(memory.file))
        arguments = ["-object", f"memory-backend-file,{backend},share={shared},mem-path={path}"]
    # The stream is named over QMP: what it leaves out can be told only there.
    return [*arguments, "-incoming", "defer"] if memory.state else arguments


def _kernel(config: MachineConfig, memory: Memory) -> list[str]:
    # fmt: off
    if memory.kernel is not None:
        return ["-kernel", str(memory.kernel)]
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
        # The third port would share the first one's interrupt.
        "-chardev", f"socket,id=identityd,fd={channels.identityd}",
        "-device", "isa-serial,chardev=identityd,index=2,irq=10",
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
        "-device", f"virtio-net-pci,netdev={NET_ID},{_CARD}",
    ]
    # fmt: on


def _lan(config: MachineConfig, channels: Channels) -> list[str]:
    """Return a second card for a private network, each frame of which is one datagram on a socket."""
    if not config.lan:
        return []
    # fmt: off
    return [
        "-netdev", f"dgram,id={LAN_ID},local.type=fd,local.str={channels.lan}",
        "-device", f"virtio-net-pci,netdev={LAN_ID},{_CARD}",
    ]
    # fmt: on


def _slots(config: MachineConfig, plugged: Mapping[str, Plugged]) -> list[str]:
    """Give each device a root port of its own: on q35 only those can be unplugged."""
    arguments = [word for value in config.objects for word in ("-object", value)]
    for index in range(len(config.devices) + config.spare_slots):
        arguments += [
            "-device",
            f"pcie-root-port,id={slot_id(index)},chassis={index + 1},addr={0x10 + index:#x}",
        ]
    for identity, place in plugged.items():
        arguments += ["-device", f"{place.device},id={identity},bus={slot_id(place.slot)}"]
    return arguments


def escaped(value: str) -> str:
    """Double the commas, as QEMU's option parser wants them."""
    return value.replace(",", ",,")
