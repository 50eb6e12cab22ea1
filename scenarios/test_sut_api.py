# SPDX-License-Identifier: GPL-2.0-or-later
"""What every /dev/crypto has to do, one call after the other: anybody's, ours too."""

from __future__ import annotations

import errno
import time

import pytest

from harness.reference import abi, cipher
from scenarios.kernel_memory import OBJECTS, kept_since, numbers

AES = abi.Cipher.AES_CBC
TEXT = bytes(range(64))


@pytest.mark.requirement("nodes and loading")
def test_the_driver_loads_and_there_is_a_node(vm, sut):
    """The driver loads into a running guest, and its node is a character device."""
    assert vm.succeed(f"stat -L -c %F {sut.node}").strip() == "character special file"
    assert sut.module in vm.succeed("cut -d' ' -f1 /proc/modules").split()


@pytest.mark.requirement("nodes and loading")
@pytest.mark.virtio
def test_the_driver_takes_its_device(vm, sut):
    """The driver is bound to the virtio device of its id."""
    bound = vm.succeed("cat /sys/bus/virtio/drivers/*/virtio*/device").split()
    assert f"{sut.virtio_id:#06x}" in bound


@pytest.mark.requirement("open and close")
def test_open_and_close_again_and_again(crypto, sut):
    """Five hundred files, opened and closed one after the other, leave room for the next one."""
    for _ in range(500):
        crypto.open(sut.node).close()
    files = [crypto.open(sut.node) for _ in range(16)]
    assert len({file.fd for file in files}) == len(files)


@pytest.mark.requirement("open and close")
def test_a_closed_file_takes_its_sessions_with_it(crypto, sut):
    """A thousand sessions in files that are closed with them are no burden for the ones to come."""
    for _ in range(20):
        file = crypto.open(sut.node)
        for _ in range(50):
            assert file.gsession(AES, bytes(16)).errno == 0
        file.close()
    assert crypto.open(sut.node).gsession(AES, bytes(16)).errno == 0


@pytest.mark.requirement("CIOCGSESSION")
@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_a_session_for_each_size_of_key(twin, key_bytes):
    """AES-CBC takes keys of 16, 24 and 32 bytes, and each makes other ciphertext."""
    ses = twin.session(AES, bytes(range(key_bytes)))
    twin.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16))


@pytest.mark.requirement("CIOCGSESSION")
def test_sessions_have_numbers_of_their_own(twin):
    """Sessions that live at the same time have different ids, and keep their keys apart."""
    ids = [twin.session(AES, bytes([number]) * 16) for number in range(24)]
    assert len(set(ids)) == len(ids)
    for ses in ids:
        twin.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16))


@pytest.mark.requirement("CIOCFSESSION")
def test_a_freed_session_is_gone(twin):
    """A session that was freed is EINVAL for CIOCCRYPT; the others go on."""
    first, second = twin.session(AES, bytes(16)), twin.session(AES, bytes(32))
    assert twin.fsession(first).errno == 0
    twin.crypt(first, abi.Op.ENCRYPT, TEXT, iv=bytes(16))
    twin.crypt(second, abi.Op.ENCRYPT, TEXT, iv=bytes(16))


@pytest.mark.requirement("CIOCCRYPT")
def test_what_is_encrypted_is_not_what_was_given(crypto, sut):
    """The ciphertext is the standard's, not the text: a device that changes nothing passes round trips."""
    file, key, iv = crypto.open(sut.node), b"hellhellhellhell", b"llehllehllehlleh"
    ses = file.gsession(AES, key).ses
    found = file.crypt(ses, abi.Op.ENCRYPT, b"\x07" * 16, iv=iv).dst
    assert found != b"\x07" * 16
    assert found == cipher.aes_cbc(abi.Op.ENCRYPT, key, iv, b"\x07" * 16)


@pytest.mark.requirement("CIOCCRYPT")
@pytest.mark.parametrize("op", list(abi.Op), ids=lambda op: op.name.lower())
def test_the_destination_is_all_that_is_written(twin, sut, op):
    """Source and IV are as they were after a call, and not a byte beside the destination is written."""
    ses = twin.session(AES, bytes(range(16)))
    for size in (16, 4080, 4096, min(16384, sut.max_bytes)):
        twin.crypt(ses, op, bytes(size), iv=bytes(range(16)))


@pytest.mark.requirement("CRIOGET")
@pytest.mark.feature("clone")
def test_a_clone_is_the_same_open_file(crypto, sut):
    """CRIOGET gives another descriptor of the same open file: it shares the sessions."""
    file = crypto.open(sut.node)
    ses = file.gsession(AES, bytes(16)).ses
    clone = file.clone()
    assert clone.fd != file.fd
    expected = cipher.aes_cbc(abi.Op.ENCRYPT, bytes(16), bytes(16), TEXT)
    assert clone.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == expected
    file.close()
    assert clone.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == expected


@pytest.mark.requirement("CIOCGSESSINFO")
@pytest.mark.feature("info")
def test_a_session_tells_of_its_algorithm(crypto, sut):
    """CIOCGSESSINFO names the cipher of a session, and is EINVAL for none."""
    file = crypto.open(sut.node)
    ses = file.gsession(AES, bytes(16)).ses
    info = file.sessinfo(ses).info
    assert info is not None
    assert "aes" in (info.cipher or "")
    assert file.sessinfo(ses ^ 1).errno == errno.EINVAL


@pytest.mark.requirement("CIOCASYMFEAT")
@pytest.mark.feature("asymmetric")
def test_nothing_asymmetric_is_offered(crypto, sut):
    """CIOCASYMFEAT stores 0: there are no operations with two keys."""
    assert crypto.open(sut.node).asymmetric_features() == 0


@pytest.mark.requirement("speed")
def test_how_fast_it_is(crypto, sut, host_crypto, record_property):
    """How much of the host's own speed is left in the guest is told; each result is the model's."""
    iv, spent = bytes(16), {}
    for size, times in ((4096, 2000), (min(65536, sut.max_bytes), 200)):
        text = bytes(size)
        right = cipher.aes_cbc(abi.Op.ENCRYPT, bytes(16), iv, text)
        for name, file in (("guest", crypto.open(sut.node)), ("host", host_crypto)):
            ses = file.gsession(AES, bytes(16)).ses
            file.crypt(ses, abi.Op.ENCRYPT, text, iv=iv)
            begun = time.monotonic()
            answer = file.crypt(ses, abi.Op.ENCRYPT, text, iv=iv, in_place=True, repeat=times)
            spent[name] = time.monotonic() - begun
            assert (answer.errno, answer.dst) == (0, right)
        share, speed = spent["host"] / spent["guest"], size * times / spent["guest"] / 1e6
        record_property("figure", f"{size} bytes: {speed:.0f} MB/s, {share:.2f} of the host's own")


@pytest.mark.requirement("SMAP")
@pytest.mark.machine(smap=True)
def test_no_user_memory_is_touched_behind_the_processors_back(twin, vm):
    """With SMAP on, as processors have it today, the driver works: it copies, it does not dereference."""
    if "smap" not in vm.succeed("grep -m1 ^flags /proc/cpuinfo").split():
        pytest.skip("the guest's processor has no SMAP")
    ses = twin.session(AES, bytes(16))
    twin.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16))
    twin.fsession(ses)


@pytest.mark.requirement("leaks")
@pytest.mark.machine(memory_mib=128)
def test_a_small_guest_lives_through_many_operations(crypto, sut):
    """A guest of 128 MB is alive after 20,000 operations of 4 KiB: keeping them would take 160 MB."""
    file = crypto.open(sut.node)
    ses, text = file.gsession(AES, bytes(16)).ses, bytes(4096)
    right = cipher.aes_cbc(abi.Op.ENCRYPT, bytes(16), bytes(16), text)
    for _ in range(4):
        answer = file.crypt(ses, abi.Op.ENCRYPT, text, iv=bytes(16), repeat=5000)
        assert (answer.errno, answer.dst) == (0, right)


def _kept(vm, work) -> dict[str, int]:
    """Return of which sizes of memory the kernel has many objects more after ``work()`` than before.

    Some memory is given back a moment later; a processor's own slabs count as full, whatever is in them: a
    few hundred objects more or less say nothing, one for each of 1200 calls does.
    """
    numbers(vm, OBJECTS)  # gives caches back that some kernels do not fill at once again
    before = numbers(vm, OBJECTS)
    work()
    return kept_since(vm, before, 599)


@pytest.mark.requirement("leaks")
def test_sessions_keep_no_memory(vm, sut):
    """1200 sessions, in files that are closed, leave nothing behind of what kmalloc() has given."""
    session = f"session 3 cipher={int(AES)} key={bytes(16).hex()}\n"
    script = f"open {sut.node}\n{session * 600}close 3\n"

    def work() -> None:
        for _ in range(2):
            assert vm.succeed("cryptoctl", stdin=script).count("ok ses=") == 600

    kept = _kept(vm, work)
    assert not kept, f"the kernel keeps memory: {kept} objects more after 1200 sessions"


@pytest.mark.requirement("leaks")
@pytest.mark.parametrize("size", [256, 4096])
def test_operations_keep_no_memory(vm, crypto, sut, size):
    """1200 operations leave nothing behind of what kmalloc() has given."""
    file = crypto.open(sut.node)
    ses = file.gsession(AES, bytes(16)).ses

    def work() -> None:
        assert file.crypt(ses, abi.Op.ENCRYPT, bytes(size), iv=bytes(16), repeat=1200).errno == 0

    kept = _kept(vm, work)
    assert not kept, f"the kernel keeps memory: {kept} objects more after 1200 operations"
