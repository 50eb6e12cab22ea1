# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that the library is given and must not trust: bad, half there, read-only, or very long."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.reference import abi
from harness.reference.calls import Pointer
from harness.reference.cipher import aes_cbc
from scenarios.devcrypto_calls import BAD_ADDRESSES, FILL, NONE, PAGE, READ, WRITE, Buffer, Library, Pages

AES = abi.Cipher.AES_CBC
ENCRYPT, DECRYPT = abi.Op.ENCRYPT, abi.Op.DECRYPT
KEY, IV = bytes(range(16)), bytes(range(100, 116))
GSESSION, CRYPT = abi.Ioctl.CIOCGSESSION, abi.Ioctl.CIOCCRYPT

PROCESS_VM_READV, PROCESS_VM_WRITEV = 310, 311
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def forbid_process_vm():
    """Make process_vm_readv and _writev fail with EPERM in this thread, as some containers do."""
    load_number, equal, answer = 0x20, 0x15, 0x06
    words = [
        (load_number, 0, 0, 0),
        (equal, 2, 0, PROCESS_VM_READV),
        (equal, 1, 0, PROCESS_VM_WRITEV),
        (answer, 0, 0, 0x7FFF0000),
        (answer, 0, 0, 0x00050000 | errno.EPERM),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *word) for word in words))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(words), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0
    assert libc.syscall(PROCESS_VM_READV, os.getpid(), None, 0, None, 0, 0) == -1
    assert ctypes.get_errno() == errno.EPERM


@pytest.fixture(params=["by process_vm_readv", "by a pipe"])
def file(request, devcrypto, tmp_path):
    """An open file of the library, and one of a library that was refused process_vm_readv for good."""
    path = devcrypto.library
    if request.param == "by a pipe":
        path = shutil.copy(path, tmp_path)  # another instance of the library, with its own memory of refusals
    with Library(path).open() as opened:
        if request.param == "by a pipe":

            def be_refused():
                forbid_process_vm()  # in a thread of its own: a filter stays as long as its thread
                assert opened.fsession(0).errno == 0

            with ThreadPoolExecutor(1) as pool:
                pool.submit(be_refused).result()
        yield opened


@pytest.fixture
def aes(file):
    return file.gsession(AES, KEY).ses


def crypt_op(ses, src, dst, length, iv, *, op=ENCRYPT):
    return Buffer(abi.CryptOp(ses=ses, op=op, len=length, src=src, dst=dst, iv=iv).pack())


@pytest.mark.parametrize("address", [0, *BAD_ADDRESSES], ids=hex)
@pytest.mark.parametrize("command", ["CIOCGSESSION", "CIOCFSESSION", "CIOCCRYPT", "CIOCASYMFEAT"])
def test_bad_argument(file, command, address):
    """Each call with a bad argument pointer is EFAULT."""
    assert file.ioctl(abi.Ioctl[command], address) == errno.EFAULT


def test_asymmetric_features(file):
    """CIOCASYMFEAT stores four bytes of zero: there are no asymmetric features."""
    room = Buffer(b"\xff" * 8)
    assert file.ioctl(abi.Ioctl.CIOCASYMFEAT, room.address) == 0
    assert room.content == bytes(4) + b"\xff" * 4


@pytest.mark.parametrize(
    ("keylen", "right"),
    [(0, errno.EINVAL), (15, errno.EFAULT), (16, errno.EFAULT), (33, errno.EFAULT), (65, errno.EINVAL)],
)
def test_a_key_is_read_before_its_length_is_held_against_the_cipher(file, keylen, right):
    """A bad key pointer is EFAULT with any length of up to 64 bytes, also one that the cipher has not got."""
    assert file.gsession(AES, Pointer.BAD, keylen=keylen).errno == right
    assert file.sessions == 0


def test_the_iv_is_written_back_on_request_only(file, aes):
    """Without WRITE_IV the program's IV stays as it is; with it, it is the last block."""
    for flags in (0, abi.CopFlag.WRITE_IV):
        answer = file.crypt(aes, ENCRYPT, bytes(32), iv=IV, flags=flags)
        assert answer.errno == 0
        assert answer.iv == (answer.dst[-16:] if flags else None)


def test_a_session_whose_id_cannot_be_told(file):
    """A session_op in read-only memory is EFAULT, and no session is left that nobody knows the id of."""
    with Pages(1) as pages:
        key = Buffer(KEY)
        pages.memory[:48] = abi.SessionOp(cipher=AES, keylen=16, key=key.address).pack()
        pages.protect(0, 1, READ)
        assert file.ioctl(GSESSION, pages.address) == errno.EFAULT
    assert file.sessions == 0


@pytest.mark.parametrize("length", [16, 32, 3 * PAGE, 64 << 10, 200 << 10], ids=str)
@pytest.mark.parametrize("hole", ["first", "middle", "last"])
@pytest.mark.parametrize(("side", "protection"), [("src", NONE), ("dst", NONE), ("dst", READ)])
def test_half_a_buffer(file, aes, length, hole, side, protection):
    """A source or destination with one bad page is EFAULT, and no byte of the destination has changed."""
    count = length // PAGE + 2
    with Pages(count) as src, Pages(count) as dst:
        dst.memory[:] = bytes([FILL]) * len(dst.memory)
        offset = PAGE - 16
        touched = (offset + length - 1) // PAGE + 1
        page = {"first": 0, "middle": touched // 2, "last": touched - 1}[hole]
        {"src": src, "dst": dst}[side].protect(page, 1, protection)
        iv = Buffer(IV)
        argument = crypt_op(aes, src.address + offset, dst.address + offset, length, iv.address)
        before = argument.content
        assert file.ioctl(CRYPT, argument.address) == errno.EFAULT
        {"src": src, "dst": dst}[side].protect(page, 1, READ | WRITE)
        assert set(dst.memory[:]) == {FILL}
        assert argument.content == before
    # The IV stuck, and did not move on.
    assert file.crypt(aes, ENCRYPT, bytes(16)).dst == aes_cbc(ENCRYPT, KEY, IV, bytes(16))


def test_a_read_only_source(file, aes):
    """A source that can only be read is enough; a destination that ends with the mapping is too."""
    with Pages(2) as src, Pages(2) as dst:
        src.protect(0, 1, READ)
        dst.protect(1, 1, NONE)
        iv = Buffer(IV)
        argument = crypt_op(aes, src.address, dst.address + PAGE - 48, 48, iv.address)
        assert file.ioctl(CRYPT, argument.address) == 0
        dst.protect(1, 1, READ)
        assert dst.memory[PAGE - 48 : PAGE] == aes_cbc(ENCRYPT, KEY, IV, bytes(48))


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
@pytest.mark.parametrize("op", [ENCRYPT, DECRYPT], ids=["encrypt", "decrypt"])
def test_long_data_in_little_memory(file, aes, op, in_place):
    """Forty MiB in one request give the model's bytes, and the process grows by less than a MiB for it."""
    length = 40 << 20
    data = os.urandom(length)
    src = ctypes.create_string_buffer(data, length)
    dst = src if in_place else ctypes.create_string_buffer(b"\1" * length, length)
    iv = Buffer(IV)
    argument = crypt_op(aes, ctypes.addressof(src), ctypes.addressof(dst), length, iv.address, op=op)
    expected = aes_cbc(op, KEY, IV, data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert file.ioctl(CRYPT, argument.address) == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024
    assert dst.raw == expected
    last = (expected if op == ENCRYPT else data)[-16:]
    assert file.crypt(aes, ENCRYPT, bytes(16)).dst == aes_cbc(ENCRYPT, KEY, last, bytes(16))
