# SPDX-License-Identifier: GPL-2.0-or-later
"""Every test gets a guest that nobody used before, and no two guests are the same."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

IDENTITY = (
    "hostname; cat /sys/class/net/eth0/address; "
    "dd if=/dev/urandom bs=32 count=1 2>/dev/null | sha256sum; cat /proc/sys/kernel/random/uuid; "
    "sha256sum /etc/dropbear/dropbear_ed25519_host_key"
)


def test_two_clones_are_not_the_same(vms):
    """Two guests from one snapshot differ in name, address, random bytes and SSH host key."""
    answers = [machine.succeed(IDENTITY).splitlines() for machine in vms(2)]
    assert len(answers[0]) == 5
    for one, other in zip(*answers, strict=True):
        assert one != other


def test_a_clone_is_who_it_was_told_to_be(vm):
    """The guest has the name and the MAC address that its harness gave it, and shows its own host key."""
    assert vm.succeed("hostname").strip() == vm.identity.hostname
    assert vm.succeed("cat /sys/class/net/eth0/address").strip() == vm.identity.mac
    shown = vm.succeed("tail -c 32 /etc/dropbear/dropbear_ed25519_host_key | od -An -v -tx1")
    assert bytes.fromhex(shown) == vm.identity.public_key.asbytes()[-32:]


def test_the_clock_is_right(vm):
    """A guest that was saved long ago knows what time it is."""
    assert abs(float(vm.succeed("date +%s")) - time.time()) < 10


def test_nothing_is_carried_over(inner_run):
    """A file, a loaded key and a removed module of one test are not there in the next."""
    run = inner_run(
        """
        def test_first(vm):
            vm.succeed("echo mine > /tmp/mine; rmmod virtio_cryptodev; hostname changed")

        def test_second(vm):
            vm.fail("cat /tmp/mine")
            vm.succeed("test -c /dev/cryptodev0")
            assert vm.succeed("hostname") != "changed\\n"
        """
    )
    output = run.finish(seconds=60)
    assert run.status == 0, output


def test_restored_and_booted(inner_run):
    """With vm_any a test runs in a restored guest and in a booted one, and tells them apart."""
    run = inner_run(
        """
        def test_it(vm_any):
            assert vm_any.succeed("test -c /dev/cryptodev0 && echo there") == "there\\n"
        """
    )
    output = run.finish(seconds=90)
    assert run.status == 0
    assert "test_it[restored] PASSED" in output
    assert "test_it[booted] PASSED" in output


def test_a_guest_for_a_class_and_for_a_file(inner_run):
    """Tests of a class or a file that ask for it share a guest; each is blamed for its own reports only."""
    run = inner_run(
        """
        class TestShared:
            def test_writes(self, vm_class):
                vm_class.succeed("echo mine > /tmp/mine")

            def test_reports(self, vm_class, vm_module):
                assert vm_class.succeed("cat /tmp/mine") == "mine\\n"
                vm_module.fail("cat /tmp/mine")
                vm_module.succeed("echo all > /tmp/all")
                vm_class.run("echo '<0>BUG: a test of the oracle' > /dev/kmsg")

        def test_another(vm_module):
            assert vm_module.succeed("cat /tmp/all") == "all\\n"
        """
    )
    output = run.finish(seconds=90)
    assert "test_writes PASSED" in output
    assert "test_another PASSED" in output
    assert output.count("BUG: a test of the oracle") >= 1
    assert run.status == 1


def test_a_private_network(vms):
    """Guests of one network reach each other by address, and nothing besides."""
    first, second, third = vms(3)
    assert len({machine.address for machine in (first, second, third)}) == 3
    first.succeed(f"ping -c 1 -W 5 {second.address}")
    third.succeed(f"ping -c 1 -W 5 {first.address}")
    stranger = first.address.rpartition(".")[0] + ".99"
    first.fail(f"ping -c 1 -W 1 {stranger}")
    first.fail("ping -c 1 -W 1 192.0.2.1")


def test_two_networks_do_not_meet(room, vms):
    """The same address on another network is another guest."""
    (ours,) = vms(1)
    with room.network() as other, room.fresh(lan=other) as theirs, room.fresh(lan=other) as neighbour:
        assert theirs.address == ours.address
        ours.fail(f"ping -c 1 -W 1 {neighbour.address}")
        theirs.succeed(f"ping -c 1 -W 5 {neighbour.address}")


def test_a_conversation_anywhere(chat_any):
    """A conversation goes the same way within a guest and between two, and the wire carries ciphertext."""
    chat_any.client.say("καλημέρα")
    assert chat_any.server.heard() == "καλημέρα"
    chat_any.server.say("καλησπέρα")
    assert chat_any.client.heard() == "καλησπέρα"
    assert len(chat_any.wire.frames) == 2
    assert "καλη".encode() not in chat_any.wire.octets


def test_sixteen_at_once(vms, private_bytes):
    """Sixteen guests run at once, all answer, and each costs less than 60 MB of memory of its own."""
    machines = vms(16)
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda machine: machine.succeed("hostname").strip(), machines))
    assert names == [machine.identity.hostname for machine in machines]
    assert len(set(names)) == 16
    assert max(private_bytes(machine) for machine in machines) < 60e6


@pytest.mark.machine(cpus=2, memory_mib=512)
def test_another_machine_has_a_snapshot_of_its_own(vm):
    """A test that asks for two processors and 512 MB gets a fresh guest of that kind."""
    assert vm.succeed("nproc") == "2\n"
    assert int(vm.succeed("awk '/^MemTotal/ {print $2}' /proc/meminfo")) > 400_000
