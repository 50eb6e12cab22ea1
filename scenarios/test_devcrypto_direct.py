# SPDX-License-Identifier: GPL-2.0-or-later
"""The C library called with bytes in place of addresses, and with memory reached through functions."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os

import pytest

from harness.reference import abi, vectors
from harness.reference.cipher import aes_cbc, next_iv
from harness.reference.session import Answer, OpenFile, Pointer
from scenarios.devcrypto_calls import FILL, PAGE, Buffer, Library

AES, SHA256, HMAC = abi.Cipher.AES_CBC, abi.Mac.SHA2_256, abi.Mac.SHA2_256_HMAC
ENCRYPT, DECRYPT = abi.Op.ENCRYPT, abi.Op.DECRYPT
KEY, IV, ZERO = bytes(range(16)), bytes(range(100, 116)), bytes(16)
UNTOUCHED = bytes([FILL]) * 16


@pytest.fixture
def library(devcrypto):
    return Library(devcrypto.library)


@pytest.fixture
def file(library):
    with library.open() as opened:
        yield opened


@pytest.fixture
def aes(file):
    return file.gsession(AES, KEY).ses


# ---- direct calls ----


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
@pytest.mark.parametrize("vector", vectors.CBC, ids=lambda vector: vector.name)
def test_nist_vectors(file, vector, in_place):
    """Every CBC vector of NIST SP 800-38A F.2 comes out of a direct call, and the IV that goes on from it."""
    error, ses = file.create(AES, vector.key)
    assert error == 0
    answer = file.direct(ses, vector.op, vector.source, iv=vector.iv, in_place=in_place)
    assert answer == (0, next_iv(vector.op, vector.iv, vector.source, vector.result), vector.result)


def test_a_chain_of_direct_calls(file, aes):
    """A call without an IV goes on from the last one, by whichever way that was made."""
    data = os.urandom(96)
    whole = aes_cbc(ENCRYPT, KEY, IV, data)
    assert file.direct(aes, ENCRYPT, data[:32], iv=IV)[2] == whole[:32]
    assert file.crypt(aes, ENCRYPT, data[32:64]).dst == whole[32:64]
    assert file.direct(aes, ENCRYPT, data[64:]) == (0, whole[-16:], whole[64:])


def test_no_data(file, aes):
    """A call of no bytes only sets the IV, and gives it back; it does not look at addresses."""
    assert file.direct(aes, ENCRYPT, b"", iv=IV) == (0, IV, b"")
    assert file.c.devcrypto_crypt(file.handle, aes, ENCRYPT, 0, None, None, None, None, 0) == 0
    assert file.direct(aes, ENCRYPT, ZERO)[2] == aes_cbc(ENCRYPT, KEY, IV, ZERO)


@pytest.mark.parametrize("op", [ENCRYPT, DECRYPT], ids=["encrypt", "decrypt"])
def test_the_updated_iv_in_place_of_the_iv(file, aes, op):
    """The updated IV may be stored where the IV came from."""
    src, iv = Buffer(os.urandom(64)), Buffer(IV)
    before = src.content
    call = file.c.devcrypto_crypt
    assert call(file.handle, aes, op, 0, iv.memory, iv.address, src.address, src.address, 64) == 0
    assert src.content == aes_cbc(op, KEY, IV, before)
    assert iv.content == next_iv(op, IV, before, src.content)


def test_what_a_direct_request_refuses(library):
    """An unknown session, an op, a length, a mac are EINVAL, no buffer is EFAULT; nothing is written."""
    with library.open(max_len=64) as file:
        ses = file.create(AES, KEY)[1]
        mac = file.create(AES, KEY, mac=SHA256)[1]
        refused = {
            "unknown": file.direct(ses ^ 1, ENCRYPT, ZERO),
            "op": file.direct(ses, 2, ZERO),
            **{f"{size} bytes": file.direct(ses, ENCRYPT, bytes(size)) for size in (1, 15, 17, 63)},
            "too long": file.direct(ses, ENCRYPT, bytes(80)),
            "mac": file.direct(mac, ENCRYPT, ZERO),
        }
        for why, (error, iv_out, dst) in refused.items():
            assert error == errno.EINVAL, why
            assert set(iv_out + dst) == {FILL}, why
        room = Buffer(UNTOUCHED)
        for src, dst in ((None, room.address), (room.address, None)):
            call = file.c.devcrypto_crypt
            assert call(file.handle, ses, ENCRYPT, 0, IV, None, src, dst, 16) == -errno.EFAULT
        assert room.content == UNTOUCHED
        assert file.direct(ses, ENCRYPT, bytes(64))[0] == 0


def test_every_kind_of_session(file):
    """session_create with each mix of algorithms, lengths, and keys there or not gives the model's errno."""
    model = OpenFile()
    ciphers = [0, AES, abi.Cipher.AES_CTR]
    keys: list[bytes | Pointer] = [bytes(600), Pointer.NULL]
    keylens, mackeylens = [0, 15, 16, 24, 32, 33, 64, 65, 2**31], [0, 1, 512, 513]
    for cipher, mac in itertools.product(ciphers, [0, SHA256, HMAC, 9999]):
        for key, keylen, mackey, mackeylen in itertools.product(keys, keylens, keys, mackeylens):
            lengths = {"keylen": keylen, "mackeylen": mackeylen}
            error, ses = file.create(cipher, key, mac=mac, mackey=mackey, **lengths)
            expected = model.gsession(cipher, key, mac=mac, mackey=mackey, ses=ses, **lengths)
            assert Answer(error, ses=ses if not error else None) == expected, (cipher, mac, lengths)
    assert file.sessions == len(model.sessions)


def test_the_limit_of_sessions(library):
    """At the limit session_create is ENOMEM until one is freed; freeing an unknown id is nothing."""
    with library.open(max_sessions=1) as file:
        error, ses = file.create(AES, KEY)
        assert error == 0
        assert file.create(AES, KEY)[0] == errno.ENOMEM
        assert [file.c.devcrypto_session_free(file.handle, each) for each in (ses ^ 1, ses, ses)] == [0, 0, 0]
        assert file.create(AES, KEY)[0] == 0


def test_references(library):
    """An open file lives until the last reference is given back; giving nothing back is nothing."""
    file = library.open()
    ses = file.create(AES, KEY)[1]
    file.c.devcrypto_ref(file.handle)
    file.close()
    assert file.direct(ses, ENCRYPT, ZERO, iv=IV)[2] == aes_cbc(ENCRYPT, KEY, IV, ZERO)
    file.close()
    file.c.devcrypto_unref(None)


def test_without_limits(library):
    """An open file without limits takes any length and any number of sessions."""
    handle = ctypes.c_void_p()
    assert library.c.devcrypto_open(None, ctypes.byref(handle)) == 0
    for _ in range(50):
        assert (
            library.c.devcrypto_session_create(
                handle, AES, KEY, 16, 0, None, 0, ctypes.byref(ctypes.c_uint32())
            )
            == 0
        )
    assert library.c.devcrypto_session_count(handle) == 50
    library.c.devcrypto_unref(handle)


# ---- memory that is reached through functions ----

COPY_IN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t)
COPY_OUT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t)


class Mem(ctypes.Structure):
    """struct devcrypto_mem."""

    _fields_ = (("opaque", ctypes.c_void_p), ("copy_in", COPY_IN), ("copy_out", COPY_OUT))


class Memory:
    """A few pages at an address where this process has nothing, some of them bad."""

    BASE = 1 << 20

    def __init__(
        self, pages: int, *, absent: frozenset[int] = frozenset(), fixed: frozenset[int] = frozenset()
    ) -> None:
        self.content = bytearray(bytes([FILL]) * (pages * PAGE))
        self.absent, self.fixed = absent, absent | fixed
        self.mem = Mem(None, COPY_IN(self._copy_in), COPY_OUT(self._copy_out))

    def _at(self, address: int, length: int, bad: frozenset[int]) -> int | None:
        at = address - self.BASE
        pages = range(at // PAGE, (at + length - 1) // PAGE + 1)
        return at if 0 <= at <= len(self.content) - length and bad.isdisjoint(pages) else None

    def _copy_in(self, opaque, to, address, length):
        at = self._at(address, length, self.absent)
        if at is None:
            return -errno.EFAULT
        ctypes.memmove(to, bytes(self.content[at : at + length]), length)
        return 0

    def _copy_out(self, opaque, address, source, length):
        at = self._at(address, length, self.fixed)
        if at is None:
            return -errno.EFAULT
        self.content[at : at + length] = ctypes.string_at(source, length)
        return 0

    def put(self, offset: int, data: bytes) -> int:
        """Put bytes at that offset and return their address."""
        self.content[offset : offset + len(data)] = data
        return self.BASE + offset

    def ioctl(self, file, command: int, address: int) -> int:
        """Call with this memory; return the errno."""
        return -int(file.c.devcrypto_ioctl(file.handle, command, address, ctypes.byref(self.mem)))


@pytest.mark.parametrize("length", [16, PAGE, 3 * PAGE, 40 * PAGE])
def test_a_request_in_memory_of_the_caller_s_own(file, length):
    """Session and request work in it; on the way to the data no byte beside it is written."""
    memory = Memory(100)
    sop = abi.SessionOp(cipher=AES, keylen=16, key=memory.put(64, KEY)).pack()
    assert memory.ioctl(file, abi.Ioctl.CIOCGSESSION, memory.put(0, sop)) == 0
    ses = abi.SessionOp.unpack(bytes(memory.content[:48])).ses
    data, dst = os.urandom(length), 50 * PAGE + 8
    cop = abi.CryptOp(
        ses=ses, len=length, src=memory.put(PAGE + 8, data), dst=memory.BASE + dst, iv=memory.put(96, IV)
    )
    address = memory.put(0, cop.pack())
    before = bytes(memory.content)
    assert memory.ioctl(file, abi.Ioctl.CIOCCRYPT, address) == 0
    right = aes_cbc(ENCRYPT, KEY, IV, data)
    assert bytes(memory.content) == before[:dst] + right + before[dst + length :]


@pytest.mark.parametrize("length", [16, PAGE, 3 * PAGE, 40 * PAGE])
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("bad", ["no source", "no destination", "a destination that is fixed"])
def test_half_a_buffer(file, aes, length, where, bad):
    """A source or destination with one bad page is EFAULT, and not a byte of the destination has changed."""
    src, dst = PAGE + 4088, 50 * PAGE + 4088
    at = src if bad == "no source" else dst
    page = frozenset({at // PAGE if where == "first" else (at + length - 1) // PAGE})
    memory = Memory(100, **{"fixed" if "fixed" in bad else "absent": page})
    cop = abi.CryptOp(ses=aes, len=length, src=memory.BASE + src, dst=memory.BASE + dst)
    address = memory.put(0, cop.pack())
    before = bytes(memory.content)
    assert memory.ioctl(file, abi.Ioctl.CIOCCRYPT, address) == errno.EFAULT
    assert bytes(memory.content) == before


@pytest.mark.parametrize("address", [0, 2**64 - 16, 2**64 - 4096, 2**64 - 1])
def test_addresses_that_nobody_is_asked_for(file, aes, address):
    """Address 0 and what reaches the end of all addresses are EFAULT without a call of the functions."""
    memory = Memory(4)
    asked: list[tuple[object, ...]] = []

    def note(*call):
        asked.append(call)
        return 0

    memory.mem.copy_out = COPY_OUT(note)
    for side in ("src", "dst"):
        addresses = {"src": memory.BASE + PAGE, "dst": memory.BASE + PAGE, side: address}
        where = memory.put(0, abi.CryptOp(ses=aes, len=32, **addresses).pack())
        assert memory.ioctl(file, abi.Ioctl.CIOCCRYPT, where) == errno.EFAULT
    for command in ("CIOCGSESSION", "CIOCFSESSION", "CIOCCRYPT", "CIOCASYMFEAT"):
        assert memory.ioctl(file, abi.Ioctl[command], address) == errno.EFAULT
    assert not asked
