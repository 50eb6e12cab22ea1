# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.machine.accelerator import Accelerator
from harness.machine.command import Channels, Memory, marker, qemu_command
from harness.machine.config import MachineConfig
from harness.machine.network import forwards


def config(**changes: object) -> MachineConfig:
    parts: dict[str, object] = {
        "qemu": SimpleNamespace(binary=Path("/q/qemu"), firmware=Path("/q/fw"), identity="q"),
        "kernel": SimpleNamespace(image=Path("/k/vmlinuz"), identity="k"),
        "image": SimpleNamespace(initramfs=Path("/i/initramfs"), identity="i"),
        "ssh_key": SimpleNamespace(private=Path("/s/key"), public_line="ssh-ed25519 s"),
        "accelerator": Accelerator.TCG,
        "run_root": Path("/run/x"),
    }
    return MachineConfig(**{**parts, **changes})  # type: ignore[arg-type]  # each test knows what it changes


def options(command: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in itertools.pairwise(command) if name.startswith("-")]


CHANNELS = Channels(7, 8, 9, 10)


def build(memory: Memory = Memory(), **changes: object) -> list[str]:  # noqa: B008 -- frozen
    return qemu_command(config(**changes), CHANNELS, Path("/run/x/run-1"), memory)


def test_nothing_of_the_users_or_of_qemus_own_choice_is_in_it() -> None:
    command = build()
    assert command[0] == "/q/qemu"
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(command)
    assert ("-display", "none") in options(command)
    assert ("-L", "/q/fw") in options(command)


def test_each_channel_is_an_inherited_socket_and_the_kernel_log_is_the_first_port() -> None:
    command = build()
    chardevs = [value for name, value in options(command) if name == "-chardev"]
    names = ("kernel-log", "shell", "identityd", "qmp")
    assert chardevs == [f"socket,id={name},fd={number}" for number, name in enumerate(names, 7)]
    serials = [value for name, value in options(command) if name == "-serial"]
    assert serials == ["chardev:kernel-log", "chardev:shell"]
    assert not any("path=" in word for word in command)


def test_the_host_chooses_the_port_and_the_guest_reaches_nothing() -> None:
    (netdev,) = [value for name, value in options(build()) if name == "-netdev"]
    assert netdev == "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"


def test_devices_sit_in_slots_that_they_can_be_pulled_out_of() -> None:
    devices = ("virtio-cryptodev-pci", "virtio-cryptodev-pci,max-sessions=4")
    values = [value for name, value in options(build(devices=devices, spare_slots=1)) if name == "-device"]
    slots = [value for value in values if value.startswith("pcie-root-port")]
    assert [slot.split(",")[1] for slot in slots] == ["id=slot0", "id=slot1", "id=slot2"]
    assert len({slot.split("addr=")[1] for slot in slots}) == 3
    assert "virtio-cryptodev-pci,id=crypto0,bus=slot0" in values
    assert "virtio-cryptodev-pci,max-sessions=4,id=crypto1,bus=slot1" in values


def test_the_kernels_command_line_ends_with_the_users_words() -> None:
    command = options(build(kernel_args=("harness.noload", "a=b")))
    (line,) = [value for name, value in command if name == "-append"]
    assert "console=ttyS0" in line.split()
    assert "panic=-1" in line.split()
    assert line.endswith(" harness.noload a=b")


def test_size_and_processors() -> None:
    command = options(build(memory_mib=512, cpus=2))
    assert ("-m", "512M") in command
    assert ("-smp", "2") in command


def test_memory_of_its_own_in_a_file_or_on_top_of_a_file() -> None:
    assert ("-object", "memory-backend-ram,id=mem,size=256M") in options(build())
    saved = options(build(Memory(Path("/s/r,am"), shared=True)))
    assert ("-object", "memory-backend-file,id=mem,size=256M,share=on,mem-path=/s/r,,am") in saved
    restored = options(build(Memory(Path("/s/ram"), state=Path("/s/state"), kernel=Path("/s/kernel"))))
    assert ("-object", "memory-backend-file,id=mem,size=256M,share=off,mem-path=/s/ram") in restored
    assert ("-incoming", "defer") in restored
    assert [value for name, value in restored if name in {"-kernel", "-initrd", "-append"}] == ["/s/kernel"]


def test_a_private_network_is_a_second_card() -> None:
    assert not any("lan0" in word for word in build())
    command = qemu_command(config(lan=True), Channels(7, 8, 9, 10, 11), Path("/run"), Memory())
    assert ("-netdev", "dgram,id=lan0,local.type=fd,local.str=11") in options(command)


@pytest.mark.parametrize("accelerator", list(Accelerator))
def test_the_accelerator_is_named(accelerator: Accelerator) -> None:
    (value,) = [value for name, value in options(build(accelerator=accelerator)) if name == "-accel"]
    assert value.split(",")[0] == accelerator
    (processor,) = [value for name, value in options(build(accelerator=accelerator)) if name == "-cpu"]
    assert processor.split(",")[0] == "max"


def test_a_comma_in_the_run_directory_is_doubled() -> None:
    command = qemu_command(config(), CHANNELS, Path("/a,b"), Memory())
    assert ("-name", "harness:/a,,b") in options(command)
    assert marker(Path("/a,b")) == "harness:/a,b"


def test_forwards_are_read_from_the_monitor() -> None:
    listing = (
        "Hub -1 (net0):\r\n"
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[HOST_FORWARD]  11       127.0.0.1 37857       10.0.2.15    22     0     0\r\n"
        "  TCP[ESTABLISHED]   14       127.0.0.1 37857       10.0.2.15    22     0     0\r\n"
        "  TCP[HOST_FORWARD]  12       127.0.0.1 40001       10.0.2.15 35001     0     0\r\n"
    )
    assert forwards(listing) == {22: 37857, 35001: 40001}
    assert forwards("") == {}


def test_objects_come_before_the_devices_that_name_them() -> None:
    command = build(objects=("cryptodev-backend-builtin,id=b",), devices=("virtio-crypto-pci,cryptodev=b",))
    names = [value for name, value in options(command) if name in {"-object", "-device"}]
    place = names.index("cryptodev-backend-builtin,id=b")
    device = next(value for value in names if value.startswith("virtio-crypto-pci"))
    assert place < names.index(device)
    assert "cryptodev-backend-builtin,id=b" not in build()
