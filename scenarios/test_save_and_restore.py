# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest is saved in the middle of its work and restored, more than once, and nothing of it is lost."""

from __future__ import annotations

import contextlib
import hashlib

import pytest

from harness.reference import abi, cipher

NODE = "/dev/cryptodev0"
KEY = bytes(range(16))
CALLS, CALL_BYTES = 1000, 512


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves a guest: ``saved(vm)``."""

    def save(machine):
        folder = tmp_path / "saved"
        folder.mkdir(mode=0o700)
        return machine.save(folder)

    return save


def _detached(machine, name, command):
    """Start a program that outlives every connection: it reads from a pipe and writes to a file."""
    machine.succeed(
        f"mkfifo /run/{name}.in && : >/run/{name}.out && "
        f"setsid sh -c 'exec 3<>/run/{name}.in; exec {command} <&3 >/run/{name}.out 2>&1' >/dev/null 2>&1 &"
    )


def _tell(machine, name, lines):
    machine.succeed(f"cat >/run/{name}.in", stdin="".join(f"{line}\n" for line in lines))


def _wait_for(machine, name, pattern):
    with machine.process(f"tail -n +1 -f /run/{name}.out") as reader:
        return reader.wait_for(pattern)


def _storm(machine, name):
    """Begin thousands of calls, each of which goes on from the block where the one before ended."""
    _detached(machine, name, "cryptoctl")
    _tell(machine, name, [f"open {NODE}"])
    fd = _wait_for(machine, name, r"ok fd=(\d+)\n")[1].decode()
    _tell(machine, name, [f"session {fd} cipher={int(abi.Cipher.AES_CBC)} key={KEY.hex()}"])
    ses = _wait_for(machine, name, r"ok ses=(\d+)\n")[1].decode()
    machine.succeed(
        f"(i=0; while [ $i -lt {CALLS} ]; do i=$((i+1)); "
        f"echo 'crypt {fd} {ses} op=enc src=fill:7:{CALL_BYTES} out=sha256'; done; echo help) "
        f">/run/{name}.lines; setsid sh -c 'cat /run/{name}.lines >/run/{name}.in' >/dev/null 2>&1 &"
    )


def _storm_is_right(machine, name):
    """Hold every answer of a storm against the reference model."""
    _wait_for(machine, name, r"help")
    answers = [line for line in machine.succeed(f"cat /run/{name}.out").splitlines() if "dst=" in line]
    assert len(answers) == CALLS
    iv = bytes(16)
    for number, answer in enumerate(answers):
        text = cipher.aes_cbc(abi.Op.ENCRYPT, KEY, iv, b"\x07" * CALL_BYTES)
        iv = text[-16:]
        assert f"dst=sha256:{hashlib.sha256(text).hexdigest()}" in answer, f"call {number}"


def _talk(machine, sut):
    """Begin a conversation inside the guest, with a word from each side."""
    _detached(machine, "server", sut.chat_server())
    _wait_for(machine, "server", r"listening on \d+")
    _detached(machine, "client", sut.chat_client())
    _tell(machine, "client", ["before"])
    _wait_for(machine, "server", r"other: before\n")


def _talk_goes_on(machine):
    """Let both sides say what they have not said yet, and part."""
    _tell(machine, "server", ["answer from afterwards"])
    _wait_for(machine, "client", r"other: answer from afterwards\n")
    _tell(machine, "client", ["καλημέρα", "bye"])
    _wait_for(machine, "server", r"other: καλημέρα\n")


@pytest.mark.machine(cpus=2)
def test_saved_in_the_middle_of_a_storm_and_a_conversation(vm, sut, room, saved):
    """Saved under two storms and a conversation, two clones and the original finish without a wrong byte."""
    _talk(vm, sut)
    _storm(vm, "one")
    _storm(vm, "two")
    _wait_for(vm, "two", r"(?:ok dst=.*\n){100}")
    snapshot = saved(vm)
    done = vm.succeed("cat /run/one.out /run/two.out").count("dst=")
    assert done < 2 * CALLS, "the storms were over before the guest was saved"
    for _ in range(2):
        with room.restored(snapshot, cpus=2) as clone:
            _talk_goes_on(clone)
            _storm_is_right(clone, "one")
            _storm_is_right(clone, "two")
    _talk_goes_on(vm)
    _storm_is_right(vm, "one")
    _storm_is_right(vm, "two")


def test_saved_again_and_again(vm, room, tmp_path):
    """A clone is saved and its clone too: sessions, last IV and open files are there three generations on."""
    _detached(vm, "ctl", "cryptoctl")
    _tell(vm, "ctl", [f"open {NODE}"])
    fd = _wait_for(vm, "ctl", r"ok fd=(\d+)\n")[1].decode()
    _tell(vm, "ctl", [f"session {fd} cipher={int(abi.Cipher.AES_CBC)} key={KEY.hex()}"])
    ses = _wait_for(vm, "ctl", r"ok ses=(\d+)\n")[1].decode()
    iv = bytes(16)
    with contextlib.ExitStack() as stack:
        machine = vm
        for generation in range(3):
            _tell(machine, "ctl", [f"crypt {fd} {ses} op=enc src=fill:{generation}:48"])
            text = cipher.aes_cbc(abi.Op.ENCRYPT, KEY, iv, bytes([generation]) * 48)
            _wait_for(machine, "ctl", f"ok dst={text.hex()}\n")
            iv = text[-16:]
            folder = tmp_path / str(generation)
            folder.mkdir(mode=0o700)
            machine = stack.enter_context(room.restored(machine.save(folder)))


def test_a_device_that_was_plugged_in_is_there_again(vm, room, saved, sut):
    """A device plugged in before the save works after the restore, and can be pulled out."""
    name = vm.plug()
    vm.succeed("echo 1 > /sys/bus/pci/rescan; test -c /dev/cryptodev1")
    snapshot = saved(vm)
    with room.restored(snapshot) as clone:
        file = sut.cryptoctl(clone).open("/dev/cryptodev1")
        assert file.gsession(abi.Cipher.AES_CBC, KEY).errno == 0
        file.close()
        clone.unplug(name)
        assert clone.run("test -e /dev/cryptodev1").status == 1
