# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's driver: its nodes, loading and unloading, devices that leave, memory that stays."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.reference import abi, cipher

AES = abi.Cipher.AES_CBC
KEY = b"hellhellhellhell"
TEXT = b"\x07" * 16


def _works(crypto, node: str) -> None:
    file = crypto.open(node)
    ses = file.gsession(AES, KEY).ses
    expected = cipher.aes_cbc(abi.Op.ENCRYPT, KEY, bytes(16), TEXT)
    assert file.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == expected
    file.close()


def test_the_node_appears_by_itself(vm):
    """/dev/cryptodev0 is a character device, major 60 and minor 0, open to every user."""
    assert vm.succeed("stat -c '%F %t:%T %a' /dev/cryptodev0").strip() == "character special file 3c:0 666"
    assert "60 crypto_devs" in vm.succeed("cat /proc/devices")


@pytest.mark.requirement("unload")
def test_load_and_unload_twenty_times(vm, sut):
    """Twenty times over the module is unloaded and loaded, and the device works after the last."""
    for _ in range(20):
        vm.succeed(sut.unload())
        assert not sut.makes_nodes or vm.run("test -e /dev/cryptodev0").status == 1
        vm.succeed(sut.load())
        vm.succeed("test -c /dev/cryptodev0")
    _works(sut.cryptoctl(vm), "/dev/cryptodev0")


@pytest.mark.machine(devices=("virtio-cryptodev-pci,queues=2,vectors=2",), cpus=2)
def test_queues_that_share_an_interrupt(vm, sut):
    """A device with fewer interrupts than queues works, and is unloaded without a warning of the kernel."""
    vm.succeed(sut.unload())
    vm.succeed(sut.load())
    _works(sut.cryptoctl(vm), "/dev/cryptodev0")


@pytest.mark.requirement("unload")
def test_no_unload_while_open(vm, sut):
    """A module whose node is open cannot be unloaded; after the close it can."""
    ctl = sut.cryptoctl(vm)
    file = ctl.open("/dev/cryptodev0")
    refused = vm.fail(sut.unload())
    assert "busy" in refused.stderr.lower() or "temporarily unavailable" in refused.stderr.lower()
    file.close()
    vm.succeed(sut.unload())


def test_unplug_while_open(vm, sut):
    """A device unplugged under an open file answers ENODEV from then on; closing is safe; a new one works."""
    ctl = sut.cryptoctl(vm)
    file = ctl.open("/dev/cryptodev0")
    ses = file.gsession(AES, KEY).ses
    vm.unplug("crypto0")
    assert file.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).errno == errno.ENODEV
    assert file.gsession(AES, KEY).errno == errno.ENODEV
    assert vm.run("test -e /dev/cryptodev0").status == 1
    file.close()
    vm.plug()
    vm.succeed("echo 1 > /sys/bus/pci/rescan")  # returns when what was plugged in has its driver
    _works(ctl, "/dev/cryptodev0")


@pytest.mark.machine(cpus=2)
def test_unbind_while_processes_work(vm, sut):
    """A device unbound under four busy processes ends every call of theirs with ENODEV: nobody hangs."""
    files = [sut.cryptoctl(vm).open("/dev/cryptodev0") for _ in range(4)]
    sessions = [file.gsession(AES, KEY).ses for file in files]
    with ThreadPoolExecutor(len(files)) as pool:
        # What it had written of the last answer when it left stays written: only the errno is asked for.
        call = f"op=enc src={bytes(4096).hex()} iv={bytes(16).hex()} repeat=1000000000"
        storms = [
            pool.submit(file.ctl.ask, f"crypt {file.fd} {ses:#x} {call}")
            for file, ses in zip(files, sessions, strict=True)
        ]
        vm.succeed("cd /sys/bus/virtio/drivers/virtio_cryptodev && echo virtio* > unbind")
        assert [storm.result().errno for storm in storms] == [errno.ENODEV] * len(files)
    for file, ses in zip(files, sessions, strict=True):
        assert file.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).errno == errno.ENODEV


def test_the_longest_operation_is_a_parameter(vm, sut):
    """A driver that was told to take no more than 8 KiB refuses more, whatever the device would do."""
    vm.succeed(f"{sut.unload()} && {sut.load()} max_len=8192")
    file = sut.cryptoctl(vm).open(sut.node)
    ses = file.gsession(AES, KEY).ses
    assert file.crypt(ses, abi.Op.ENCRYPT, bytes(8192), iv=bytes(16)).errno == 0
    assert file.crypt(ses, abi.Op.ENCRYPT, bytes(8208), iv=bytes(16)).errno == errno.EINVAL


@pytest.mark.machine(devices=("virtio-cryptodev-pci",) * 3)
def test_three_devices(vm, crypto):
    """Three devices are three nodes, each with its own sessions."""
    nodes = [f"/dev/cryptodev{number}" for number in range(3)]
    files = [crypto.open(node) for node in nodes]
    keys = [bytes([number]) * 16 for number in range(3)]
    sessions = [file.gsession(AES, key).ses for file, key in zip(files, keys, strict=True)]
    for file, ses, key in zip(files, sessions, keys, strict=True):
        expected = cipher.aes_cbc(abi.Op.ENCRYPT, key, bytes(16), TEXT)
        assert file.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == expected
    for number, file in enumerate(files):
        assert (
            file.crypt(sessions[(number + 1) % 3], abi.Op.ENCRYPT, TEXT, iv=bytes(16)).errno == errno.EINVAL
        )


@pytest.mark.requirement("sessions shared and kept apart")
def test_a_killed_process_leaves_nothing(vm, sut):
    """Processes killed with files and sessions open give them back: more of them than the device's limit."""
    for _ in range(3):
        ctl = sut.cryptoctl(vm)
        for _ in range(100):
            ctl.open("/dev/cryptodev0").gsession(AES, KEY)
        vm.succeed("killall -9 cryptoctl")
    _works(sut.cryptoctl(vm), "/dev/cryptodev0")
