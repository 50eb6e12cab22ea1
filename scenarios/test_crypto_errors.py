# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way to call /dev/cryptodev0 wrongly, with the errno that the reference model gives."""

from __future__ import annotations

import errno
import itertools

import pytest

from harness.reference import abi
from harness.reference.session import Pointer

pytestmark = pytest.mark.requirement("errno")

AES = abi.Cipher.AES_CBC
KEY = bytes(range(16))
BLOCKS = bytes(64)


def test_no_session_without_an_algorithm(twin):
    """CIOCGSESSION with neither cipher nor mac is EINVAL."""
    assert twin.gsession(0).errno == errno.EINVAL


@pytest.mark.parametrize("cipher", [1, 10, 12, 99, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("key", [KEY, Pointer.BAD, Pointer.NULL], ids=["key", "bad key", "null key"])
def test_an_unknown_cipher(twin, cipher, key):
    """A cipher that does not exist is EINVAL, before the key is looked at."""
    assert twin.gsession(cipher, key, keylen=16).errno == errno.EINVAL


@pytest.mark.parametrize("mac", [99, 0xFFFFFFFF])
def test_an_unknown_mac(twin, mac):
    """A mac that does not exist is EINVAL, alone and beside a good cipher."""
    assert twin.gsession(0, mac=mac).errno == errno.EINVAL
    assert twin.gsession(AES, KEY, mac=mac).errno == errno.EINVAL


@pytest.mark.parametrize("keylen", [0, 1, 15, 17, 23, 25, 31, 33, 63, 64])
def test_a_key_of_a_wrong_length(twin, keylen):
    """An AES key that is not 16, 24 or 32 bytes is EINVAL, 0 included."""
    assert twin.gsession(AES, bytes(keylen)).errno == errno.EINVAL


@pytest.mark.parametrize("keylen", [65, 4096, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("key", [KEY, Pointer.BAD, Pointer.NULL], ids=["key", "bad key", "null key"])
def test_a_key_too_long_to_read(twin, keylen, key):
    """More than 64 bytes of key is EINVAL before the key is read, however bad its pointer."""
    assert twin.gsession(AES, key, keylen=keylen).errno == errno.EINVAL


@pytest.mark.parametrize(
    ("key", "keylen"), list(itertools.product([Pointer.BAD, Pointer.NULL], [16, 24, 32, 17, 64]))
)
def test_a_bad_key_pointer(twin, key, keylen):
    """A key that cannot be read is EFAULT, before its length is held against the algorithm."""
    assert twin.gsession(AES, key, keylen=keylen).errno == errno.EFAULT


@pytest.mark.requirement("CIOCFSESSION")
def test_freeing_what_is_not_there(twin):
    """CIOCFSESSION of an unknown or an already freed session is 0."""
    ses = twin.session(AES, KEY)
    assert twin.fsession(ses).errno == 0
    assert twin.fsession(ses).errno == 0
    assert twin.fsession(0).errno == 0
    assert twin.fsession(ses ^ 0xFFFFFFFF).errno == 0


@pytest.mark.parametrize("iv", [bytes(16), Pointer.BAD], ids=["iv", "bad iv"])
@pytest.mark.parametrize("src", [BLOCKS, Pointer.BAD], ids=["src", "bad src"])
def test_crypt_in_an_unknown_session(twin, src, iv):
    """CIOCCRYPT in no session is EINVAL, checked before anything else."""
    ses = twin.session(AES, KEY)
    twin.fsession(ses)
    for wrong in (ses, 0, 0xFFFFFFFF):
        assert twin.crypt(wrong, 7, src, iv=iv, length=5).errno == errno.EINVAL


def test_a_bad_iv_pointer(twin):
    """An IV that cannot be read is EFAULT, before operation and length are looked at."""
    ses = twin.session(AES, KEY)
    assert twin.crypt(ses, abi.Op.ENCRYPT, BLOCKS, iv=Pointer.BAD).errno == errno.EFAULT
    assert twin.crypt(ses, 2, BLOCKS, iv=Pointer.BAD, length=5).errno == errno.EFAULT


@pytest.mark.parametrize("op", [2, 3, 255, 0xFFFF])
def test_an_operation_that_is_none(twin, op):
    """An operation other than encrypt and decrypt is EINVAL and leaves the destination untouched."""
    ses = twin.session(AES, KEY)
    for _ in range(2):
        assert twin.crypt(ses, op, BLOCKS, iv=bytes(16)).errno == errno.EINVAL
        assert twin.crypt(ses, op, Pointer.BAD, length=64).errno == errno.EINVAL
        # Once more in a session that has been used: what it keeps must not make it careless.
        twin.crypt(ses, abi.Op.ENCRYPT, BLOCKS, iv=bytes(16))


@pytest.mark.parametrize("length", [1, 15, 17, 63, 4095, 65537])
def test_a_length_off_the_block(twin, length):
    """A length that is no multiple of the block is EINVAL and leaves the destination untouched."""
    ses = twin.session(AES, KEY)
    for _ in range(2):
        assert twin.crypt(ses, abi.Op.ENCRYPT, bytes(length), iv=bytes(16)).errno == errno.EINVAL
        assert twin.crypt(ses, abi.Op.ENCRYPT, Pointer.BAD, length=length).errno == errno.EINVAL
        # Once more in a session that has been used.
        twin.crypt(ses, abi.Op.ENCRYPT, BLOCKS, iv=bytes(16))


def test_a_length_that_nobody_has(twin, sut):
    """A length beyond what the driver takes is refused, nothing is allocated for it, and work goes on."""
    ses = twin.session(AES, KEY)
    real = twin.real.crypt(ses, abi.Op.ENCRYPT, BLOCKS, iv=bytes(16), length=0xFFFFFFF0)
    # Others may find out when there is no memory for it; ours allocates nothing.
    assert real.errno in (errno.EINVAL, errno.EFAULT, *(() if sut.bundled else (errno.ENOMEM,)))
    twin.crypt(ses, abi.Op.ENCRYPT, BLOCKS, iv=bytes(16))


@pytest.mark.parametrize("src", [b"", Pointer.NULL, Pointer.BAD], ids=["empty", "null", "bad"])
def test_nothing_to_do(twin, src):
    """A length of 0 is 0, whatever the pointers are."""
    ses = twin.session(AES, KEY)
    assert twin.crypt(ses, abi.Op.ENCRYPT, src, iv=bytes(16), length=0).errno == 0
    assert twin.crypt(ses, abi.Op.DECRYPT, src, length=0, dst=Pointer.BAD).errno == 0


@pytest.mark.parametrize("length", [16, 4096, 65536])
@pytest.mark.parametrize("pointer", list(Pointer), ids=lambda pointer: pointer.name.lower())
def test_bad_source_and_destination(twin, sut, pointer, length):
    """A source or destination that is NULL or not mapped is EFAULT, and the session is still good."""
    if length > sut.max_bytes:
        pytest.skip(f"{sut.max_bytes} bytes at a time is all that it promises")
    ses = twin.session(AES, KEY)
    assert twin.crypt(ses, abi.Op.ENCRYPT, pointer, length=length, iv=bytes(16)).errno == errno.EFAULT
    assert twin.crypt(ses, abi.Op.DECRYPT, bytes(length), dst=pointer, iv=bytes(16)).errno == errno.EFAULT
    twin.crypt(ses, abi.Op.ENCRYPT, BLOCKS, iv=bytes(16))


def test_a_failed_call_does_not_move_the_iv_beyond_the_models(twin):
    """After each kind of failure a session with no IV given goes on from where the model goes on."""
    ses = twin.session(AES, KEY)
    failures = (
        {"op": 2, "src": BLOCKS, "iv": b"\x11" * 16},
        {"op": 0, "src": bytes(15), "iv": b"\x22" * 16},
        {"op": 0, "src": BLOCKS, "iv": Pointer.BAD},
        {"op": 0, "src": b"", "iv": b"\x44" * 16},
        {"op": 1, "src": Pointer.BAD, "iv": b"\x55" * 16, "length": 32},
        {"op": 1, "src": BLOCKS, "iv": b"\x66" * 16, "dst": Pointer.BAD},
        {"op": 0, "src": Pointer.NULL, "length": 32},
    )
    for failure in failures:
        twin.crypt(
            ses, failure["op"], failure["src"], **{k: v for k, v in failure.items() if k not in ("op", "src")}
        )
        twin.crypt(ses, abi.Op.ENCRYPT, BLOCKS)


@pytest.mark.parametrize("number", [0, 1, 0x5401, 0x63, 0x80046363, 0xC0306364, 0xFFFFFFFF])
def test_an_unknown_ioctl(crypto, number):
    """An ioctl that does not exist is EINVAL, not ENOTTY and not success."""
    assert crypto.open("/dev/cryptodev0").ioctl(number) == errno.EINVAL


def test_an_ioctl_that_is_not_built_in(crypto):
    """CIOCKEY, for operations with two keys, is EINVAL: cryptodev-linux has none either."""
    assert crypto.open("/dev/cryptodev0").ioctl(abi.Ioctl.CIOCKEY) == errno.EINVAL


@pytest.mark.parametrize(
    "number",
    [
        abi.Ioctl.CIOCGSESSION,
        abi.Ioctl.CIOCFSESSION,
        abi.Ioctl.CIOCCRYPT,
        pytest.param(abi.Ioctl.CIOCAUTHCRYPT, marks=pytest.mark.feature("aead")),
        pytest.param(abi.Ioctl.CIOCASYNCCRYPT, marks=pytest.mark.feature("async")),
        pytest.param(abi.Ioctl.CIOCGSESSINFO, marks=pytest.mark.feature("info")),
        pytest.param(abi.Ioctl.CIOCCPHASH, marks=pytest.mark.feature("hashes")),
        pytest.param(abi.Ioctl.CRIOGET, marks=pytest.mark.feature("clone")),
        pytest.param(abi.Ioctl.CIOCASYMFEAT, marks=pytest.mark.feature("asymmetric")),
    ],
    ids=lambda n: n.name,
)
@pytest.mark.parametrize("argument", ["null", "bad"])
def test_a_bad_argument_pointer(crypto, number, argument):
    """An argument that cannot be read is EFAULT for every call that takes one."""
    assert crypto.open("/dev/cryptodev0").ioctl(number, argument) == errno.EFAULT


def test_reading_is_refused(crypto):
    """read() on the device is EINVAL."""
    assert crypto.open("/dev/cryptodev0").read() == errno.EINVAL


@pytest.mark.virtio
def test_a_node_that_no_device_stands_behind(vm, sut):
    """Opening a node of a device that is not there fails with ENODEV or ENXIO and harms nothing."""
    # A driver that makes its nodes has the number that it was given, whatever a manifest says.
    major = int(vm.succeed(f"stat -L -c %t {sut.node}"), 16)
    vm.succeed(f"mknod /tmp/none c {major} 31")
    assert (
        vm.fail("true < /tmp/none").stderr.strip().endswith(("No such device", "No such device or address"))
    )
    vm.succeed("rm /tmp/none")
