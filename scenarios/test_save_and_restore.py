# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest is saved in the middle of its work and restored, more than once, and nothing of it is lost."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets

import pytest

from harness.reference import abi, cipher

NODE = "/dev/cryptodev0"
KEY = bytes(range(16))
CALL_BYTES, GUST = 512, 8
# So many answers of a storm have to come after a restore.
AFTERWARDS = 100


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
        f"mkfifo /run/{name}.in; : >/run/{name}.out; "
        f"setsid sh -c 'exec 3<>/run/{name}.in; exec {command} <&3 >/run/{name}.out 2>&1' >/dev/null 2>&1 &"
    )


def _tell(machine, name, lines):
    machine.succeed(f"cat >/run/{name}.in", stdin="".join(f"{line}\n" for line in lines))


def _wait_for(machine, name, line):
    """Wait until a program has written a line that matches all of ``line``; return what its group matched."""
    machine.succeed(f"until grep -Eqx '{line}' /run/{name}.out; do usleep 5000; done")
    found = re.search(rf"(?m)^{line}$", machine.succeed(f"cat /run/{name}.out"))
    assert found is not None
    return found[1] if found.re.groups else ""


def _storm(machine, name):
    """Begin a storm of calls, each of which goes on from the block where the one before ended."""
    _detached(machine, name, "cryptoctl")
    _tell(machine, name, [f"open {NODE}"])
    fd = _wait_for(machine, name, "ok fd=([0-9]+)")
    _tell(machine, name, [f"session {fd} cipher={int(abi.Cipher.AES_CBC)} key={KEY.hex()}"])
    ses = _wait_for(machine, name, "ok ses=([0-9]+)")
    # In gusts: a guest that does nothing else would not let us in either.
    calls = f"crypt {fd} {ses} op=enc src=fill:7:{CALL_BYTES} out=sha256\\n" * GUST
    machine.succeed(
        f"setsid sh -c 'while printf \"{calls}\"; do usleep 5000; done >/run/{name}.in' >/dev/null 2>&1 &"
    )


def _storms_are_right(machine, *names):
    """Let storms blow on for a while, and hold every answer up to then against the reference model."""
    for name in names:
        _wait_for_answers(machine, name, AFTERWARDS)
    for name in names:
        iv = bytes(16)
        for number, answer in enumerate(_answers(machine, name)):
            text = cipher.aes_cbc(abi.Op.ENCRYPT, KEY, iv, b"\x07" * CALL_BYTES)
            iv = text[-16:]
            assert answer == f"ok dst=sha256:{hashlib.sha256(text).hexdigest()}", f"call {number}"


def _wait_for_answers(machine, name, number):
    """Wait until a storm has given so many answers more than it has now."""
    machine.succeed(
        f"count() {{ wc -l </run/{name}.out; }}; goal=$(($(count) + {number})); "
        "until [ $(count) -ge $goal ]; do usleep 5000; done"
    )


def _answers(machine, name):
    """Return the answers to a storm's calls; the last line may still be being written."""
    return machine.succeed(f"cat /run/{name}.out").rpartition("\n")[0].splitlines()[2:]


def _talk(machine, sut):
    """Begin a conversation inside the guest, with a word from each side."""
    _detached(machine, "server", sut.chat_server())
    _wait_for(machine, "server", "listening on [0-9]+")
    _detached(machine, "client", sut.chat_client())
    _tell(machine, "client", ["before"])
    _wait_for(machine, "server", "(me: )*other: before")


def _talk_goes_on(machine):
    """Let both sides say what they have not said yet, and part."""
    _tell(machine, "server", ["answer from afterwards"])
    _wait_for(machine, "client", "(me: )*other: answer from afterwards")
    _tell(machine, "client", ["καλημέρα", "bye"])
    _wait_for(machine, "server", "(me: )*other: καλημέρα")


@pytest.mark.machine(cpus=2)
def test_saved_in_the_middle_of_a_storm_and_a_conversation(vm, sut, room, saved):
    """Saved under two storms and a conversation, two clones and the original finish without a wrong byte."""
    _talk(vm, sut)
    _storm(vm, "one")
    _storm(vm, "two")
    _wait_for_answers(vm, "one", 50)
    _wait_for_answers(vm, "two", 50)
    snapshot = saved(vm)
    for _ in range(2):
        with room.restored(snapshot, cpus=2) as clone:
            _talk_goes_on(clone)
            _storms_are_right(clone, "one", "two")
    _talk_goes_on(vm)
    _storms_are_right(vm, "one", "two")


def test_saved_again_and_again(vm, room, tmp_path):
    """A clone is saved and its clone too: sessions, last IV and open files are there three generations on."""
    _detached(vm, "ctl", "cryptoctl")
    _tell(vm, "ctl", [f"open {NODE}"])
    fd = _wait_for(vm, "ctl", "ok fd=([0-9]+)")
    _tell(vm, "ctl", [f"session {fd} cipher={int(abi.Cipher.AES_CBC)} key={KEY.hex()}"])
    ses = _wait_for(vm, "ctl", "ok ses=([0-9]+)")
    iv = bytes(16)
    with contextlib.ExitStack() as stack:
        machine = vm
        for generation in range(3):
            _tell(machine, "ctl", [f"crypt {fd} {ses} op=enc src=fill:{generation}:48"])
            text = cipher.aes_cbc(abi.Op.ENCRYPT, KEY, iv, bytes([generation]) * 48)
            _wait_for(machine, "ctl", f"ok dst={text.hex()}")
            iv = text[-16:]
            folder = tmp_path / str(generation)
            folder.mkdir(mode=0o700)
            machine = stack.enter_context(room.restored(machine.save(folder)))


def _with_another(state, old, new):
    data = state.read_bytes()
    assert data.count(old) == 1
    state.chmod(0o600)
    state.write_bytes(data.replace(old, new))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ((65).to_bytes(4, "big"), "key"),
        ((15).to_bytes(4, "big"), "key"),
        (None, "end"),
    ],
    ids=["a key longer than any", "a key of no length that there is", "a stream cut short"],
)
def test_a_corrupted_stream_is_refused(vm, crypto, room, saved, field, words):
    """A stream in which a session is not one, or that ends within one, is refused with words that say so."""
    key = secrets.token_bytes(16)
    crypto.open(NODE).gsession(abi.Cipher.AES_CBC, key)
    snapshot = saved(vm)
    right = (16).to_bytes(4, "big") + key
    if field is None:
        at = snapshot.state.read_bytes().index(right)
        os.truncate(snapshot.state, at + 10)
    else:
        _with_another(snapshot.state, right, field + key)
    with (
        pytest.raises(Exception, match=rf"QEMU refused it: .*virtio-cryptodev: .*{words}"),
        room.restored(snapshot),
    ):
        pass


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
