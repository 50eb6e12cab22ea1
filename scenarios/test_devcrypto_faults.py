# SPDX-License-Identifier: GPL-2.0-or-later
"""The C library when memory, random numbers, descriptors or libcrypto fail, one call after the other."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from harness.reference import abi
from harness.reference.cipher import aes_cbc
from harness.reference.session import Pointer
from scenarios.devcrypto_calls import FILL, Buffer, Library, SessionState

SOURCE = Path(__file__).with_name("devcrypto_faults.c")

AES, SHA256, HMAC = abi.Cipher.AES_CBC, abi.Mac.SHA2_256, abi.Mac.SHA2_256_HMAC
ENCRYPT = abi.Op.ENCRYPT
UPDATE, FINAL = abi.CopFlag.UPDATE, abi.CopFlag.FINAL
KEY, IV, DATA = bytes(range(16)), bytes(range(100, 116)), os.urandom(200 << 10)
SHORT = DATA[:6000]

SYSTEM = {"process_vm_readv", "process_vm_writev", "getrandom"}
MEMORY = {"malloc", "calloc", "pthread_mutex_init", "EVP_CIPHER_CTX_new"}
HASHING = {"EVP_MD_CTX_new", "EVP_DigestInit_ex2", "EVP_DigestUpdate", "EVP_MD_CTX_copy_ex", "EVP_Digest"}

ALGORITHMS: dict[str, dict[str, Any]] = {
    "cipher": {"cipher": AES, "key": KEY},
    "hash": {"mac": SHA256},
    "keyed hash": {"mac": HMAC, "mackey": KEY},
    "keyed hash with a long key": {"mac": HMAC, "mackey": KEY * 5},
    "cipher and hash": {"cipher": AES, "key": KEY, "mac": SHA256},
    "cipher and keyed hash": {"cipher": AES, "key": KEY, "mac": HMAC, "mackey": KEY},
    "cipher with a tweak": {"cipher": abi.Cipher.AES_XTS, "key": KEY * 2},
    "AEAD": {"cipher": abi.Cipher.AES_GCM, "key": KEY},
}

HASHES = {name: each for name, each in ALGORITHMS.items() if "mac" in each}


class Faults:
    """The calls of one loaded library, each of which can be made to fail."""

    def __init__(self, faults: Path, library: Path) -> None:
        self.c = ctypes.CDLL(str(faults))
        self.c.fault_fired.restype = ctypes.c_char_p
        self.c.fault_live.restype = ctypes.c_long
        self.c.fault_arm.argtypes = (ctypes.c_long, ctypes.c_int)
        assert self.c.fault_watch(str(library).encode()) > 20

    @property
    def live(self) -> int:
        """How many things the library holds."""
        return int(self.c.fault_live())

    def each(self, call, number=errno.ENOMEM):
        """Yield what failed and what came of it: with the first call failing, the second, ..., and none."""
        for nth in count(1):
            self.c.fault_arm(nth, number)
            result = call()
            self.c.fault_arm(0, 0)
            failed = (self.c.fault_fired() or b"").decode()
            yield failed, result
            if not failed:
                assert nth > 1, "there was nothing that could fail"
                return


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    made = tmp_path_factory.mktemp("faults") / "faults.so"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", made, SOURCE, "-lcrypto"]
    subprocess.run(command, check=True, timeout=60)
    return made


@pytest.fixture
def library(devcrypto, tmp_path):
    """Another instance of the library, for this test alone."""
    return Library(shutil.copy(devcrypto.library, tmp_path / "libdevcrypto-faults.so"))


@pytest.fixture
def faults(compiled, library, tmp_path):
    watched = Faults(compiled, tmp_path / "libdevcrypto-faults.so")
    yield watched
    assert watched.live == 0


@pytest.fixture
def file(faults, library):
    with library.open() as opened:
        yield opened


def encrypts(file, ses):
    return file.crypt(ses, ENCRYPT, bytes(16), iv=IV).dst == aes_cbc(ENCRYPT, KEY, IV, bytes(16))


def expected(failed, number=errno.ENOMEM, libcrypto=errno.EIO, hashing=None):
    """Return the errno of a call in which that function failed with that errno."""
    if failed in SYSTEM:
        return number
    if failed in HASHING and hashing is not None:
        return hashing
    return errno.ENOMEM if failed in MEMORY else libcrypto if failed else 0


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_open_without_memory(faults, library):
    """An open file that cannot be made is ENOMEM, whichever part of it there is no memory for."""
    limits, handle = Buffer(bytes(16)), ctypes.c_void_p()
    seen = []
    for failed, result in faults.each(lambda: library.c.devcrypto_open(limits.address, ctypes.byref(handle))):
        seen.append(failed)
        assert result == (-errno.ENOMEM if failed else 0), failed
        if not failed:
            library.c.devcrypto_unref(handle)
        assert faults.live == 0, failed
    assert seen == ["calloc", "calloc", "pthread_mutex_init", ""]


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("algorithms", ALGORITHMS.values(), ids=ALGORITHMS.keys())
def test_a_session_that_cannot_be_made(faults, file, algorithms, number):
    """It is ENOMEM, or EINVAL when libcrypto has not got the algorithm; nothing is left behind."""
    held, seen = faults.live, set()
    for failed, made in faults.each(lambda: file.gsession(**algorithms), number):
        seen.add(failed)
        assert made.errno == expected(failed, number, libcrypto=errno.EINVAL, hashing=errno.ENOMEM), failed
        assert file.sessions == (made.errno == 0), failed
        assert faults.live == held or not failed, failed
    assert {"calloc", "pthread_mutex_init", *SYSTEM} < seen


def test_refused_requests_hold_nothing(faults, library):
    """Requests that are refused, each for another reason, keep nothing of a session that is freed later."""
    with library.open(max_len=64) as file:
        held = faults.live
        for length, op in ((15, ENCRYPT), (80, ENCRYPT), (16, 2)):
            ses = file.gsession(AES, KEY).ses
            assert file.crypt(ses, op, DATA[:length]).errno == errno.EINVAL
            assert file.direct(ses, op, DATA[:length])[0] == errno.EINVAL
            assert file.crypt(ses, ENCRYPT, Pointer.NULL).errno == errno.EFAULT
            assert file.crypt(ses, ENCRYPT, SHORT[:16], iv=Pointer.BAD).errno == errno.EFAULT
            assert file.fsession(ses).errno == 0
            assert faults.live == held


def test_a_carried_session_that_cannot_be_made(faults, file):
    """An imported session needs memory and libcrypto too: ENOMEM or EINVAL, and nothing is left."""
    state, held = SessionState.of(77, AES, KEY, IV), faults.live
    for failed, result in faults.each(lambda: file.load(state)):
        assert result == expected(failed, libcrypto=errno.EINVAL), failed
        assert faults.live == held or not failed, failed
    assert file.export()[0].fields() == (77, AES, KEY, IV)


def test_a_signal_while_an_id_is_drawn(faults, file):
    """Random numbers that a signal interrupted are asked for again."""
    results = dict(faults.each(lambda: file.gsession(AES, KEY), errno.EINTR))
    assert results["getrandom"].errno == 0
    assert encrypts(file, results["getrandom"].ses)


def test_an_id_that_is_drawn_twice(faults, file):
    """The same random number again is no id for a second session: another is drawn."""
    first = file.gsession(AES, KEY).ses
    results = dict(faults.each(lambda: file.gsession(AES, KEY), errno.EEXIST))
    second = results["getrandom"]
    assert second.errno == 0
    assert second.ses != first
    assert encrypts(file, first)
    assert encrypts(file, second.ses)


def test_a_table_that_cannot_grow(faults, file):
    """Without memory for a wider table of sessions there are still as many sessions as are asked for."""
    ids = [file.gsession(AES, KEY).ses for _ in range(16)]
    results = list(faults.each(lambda: file.gsession(AES, KEY)))
    assert [made.errno for failed, made in results if failed == "calloc"] == [errno.ENOMEM, 0]
    ids += [made.ses for _, made in results if not made.errno]
    ids += [file.gsession(AES, KEY).ses for _ in range(100)]
    assert len(ids) == file.sessions == 118
    assert all(encrypts(file, ses) for ses in ids)


@pytest.mark.parametrize("length", [32, 6000, 200 << 10])
def test_a_request_that_fails_inside(faults, file, length):
    """It is ENOMEM, or EIO from libcrypto; what was written begins the answer; the session works on."""
    data = DATA[: length // 16 * 16]
    right = aes_cbc(ENCRYPT, KEY, IV, data)
    ses = file.gsession(AES, KEY).ses
    held, seen = faults.live, set()
    for failed, answer in faults.each(lambda: file.crypt(ses, ENCRYPT, data, iv=IV)):
        seen.add(failed)
        assert answer.errno == expected(failed), failed
        if answer.dst is not None:
            written = (len(answer.dst.rstrip(bytes([FILL]))) + 15) // 16 * 16
            assert written <= len(data), failed
            assert answer.dst[:written] == right[:written], failed
        if answer.errno == errno.EIO:
            assert file.crypt(ses, ENCRYPT, bytes(16)).dst == aes_cbc(ENCRYPT, KEY, IV, bytes(16)), failed
        assert faults.live == held, failed
        assert encrypts(file, ses), failed
    assert "EVP_CipherUpdate" in seen
    assert ("malloc" in seen) == (length > 4096)


@pytest.mark.parametrize("length", [16, 4096])
def test_a_direct_request_that_fails_inside(faults, file, length):
    """It is EIO, what was written begins the answer, the IV is untouched, the session works on."""
    ses = file.gsession(AES, KEY).ses
    fill, right = bytes([FILL]), aes_cbc(ENCRYPT, KEY, IV, DATA[:length])
    written = []
    for failed, (result, iv_out, dst) in faults.each(lambda: file.direct(ses, ENCRYPT, DATA[:length], iv=IV)):
        assert result == expected(failed), failed
        assert iv_out == fill * 16 or not failed, failed
        written.append(
            next(n for n in (0, 16, length - 16, length) if dst == right[:n] + fill * (length - n))
        )
        assert encrypts(file, ses), failed
    # How often libcrypto is called, and so can fail, is not asked for; the last time nothing fails.
    assert len(written) > 1
    assert written == sorted(written)
    assert written[-1] == length


def test_a_chain_that_cannot_be_taken_up_again(faults, file):
    """After libcrypto failed, its context gets a new IV; that this fails too is EIO, and then all is well."""
    ses = file.gsession(AES, KEY).ses
    faults.c.fault_arm(1, 0)
    assert file.direct(ses, ENCRYPT, DATA[:32])[0] == errno.EIO
    results = list(faults.each(lambda: file.direct(ses, ENCRYPT, DATA[:32], iv=IV)))
    assert [failed for failed, _ in results][:2] == ["EVP_CipherInit_ex", "EVP_CipherInit_ex"] or (
        results[0][0] == "EVP_CipherInit_ex"
    )
    assert results[-1][1][2] == aes_cbc(ENCRYPT, KEY, IV, DATA[:32])


@pytest.mark.parametrize("op", [0, 1], ids=["encrypt", "decrypt"])
@pytest.mark.parametrize("algorithms", HASHES.values(), ids=HASHES.keys())
def test_a_digest_that_fails_inside(faults, file, algorithms, op):
    """It is EIO, and the next request that starts anew gives the right digest."""
    ses = file.gsession(**algorithms).ses
    right = file.crypt(ses, op, DATA[:64], iv=IV).mac
    assert right is not None
    for failed, answer in faults.each(lambda: file.crypt(ses, op, DATA[:64], iv=IV)):
        assert answer.errno == expected(failed), failed
        assert answer.mac == right or failed, failed
        assert file.crypt(ses, op, DATA[:64], iv=IV).mac == right, failed


@pytest.mark.parametrize("algorithms", ["hash", "keyed hash"])
def test_a_digest_that_could_not_be_started_anew(faults, file, algorithms):
    """What follows a digest is a new one, also when the first try to start it failed."""
    ses = file.gsession(**ALGORITHMS[algorithms]).ses
    right = file.crypt(ses, ENCRYPT, DATA[:64]).mac
    start = {"hash": "EVP_DigestInit_ex2", "keyed hash": "EVP_MD_CTX_copy_ex"}[algorithms]
    found = False
    for failed, answer in faults.each(lambda: file.crypt(ses, ENCRYPT, DATA[:64], flags=FINAL)):
        if failed == start and not found:
            found = True
            assert answer.errno == errno.EIO
            assert file.crypt(ses, ENCRYPT, DATA[:64], flags=UPDATE | FINAL).mac == right
    assert found


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EINTR], ids=errno.errorcode.get)
def test_memory_through_a_pipe_that_fails(faults, file, number):
    """Refused process_vm_readv, the library takes a pipe; without one it is that errno, a signal is none."""
    ses = file.gsession(AES, KEY).ses
    for failed, answer in faults.each(lambda: file.crypt(ses, ENCRYPT, SHORT, iv=IV), errno.EPERM):
        assert answer.errno == 0 or not failed.startswith("process_vm")
    descriptors = open_descriptors()
    causes = {"pipe2": number, "read": errno.EFAULT, "write": errno.EFAULT}
    if number == errno.EINTR:
        causes |= {"read": 0, "write": 0}
    seen = set()
    for failed, answer in faults.each(lambda: file.crypt(ses, ENCRYPT, SHORT, iv=IV), number):
        seen.add(failed)
        assert answer.errno == causes.get(failed, expected(failed)), failed
        assert open_descriptors() == descriptors
    assert causes.keys() < seen


OPENS = """
import ctypes, errno, os, sys
from pathlib import Path
from scenarios.test_devcrypto_faults import Faults

faults = Faults(Path(sys.argv[1]), Path("libdevcrypto-preload"))

def opened():
    try:
        return os.open("/dev/crypto", os.O_RDWR)
    except OSError as error:
        return -error.errno

seen = set()
descriptors = len(os.listdir("/proc/self/fd"))
for failed, fd in faults.each(opened):
    seen.add(failed)
    assert (fd == -errno.ENOMEM) if failed else (fd >= 0), failed
    assert len(os.listdir("/proc/self/fd")) == descriptors + (fd >= 0), failed
    assert (faults.live == 0) == (fd < 0), failed
assert seen == {"calloc", "pthread_mutex_init", "epoll_create1", "realloc", ""}, seen

libc = ctypes.CDLL(None)
for failed, result in faults.each(lambda: libc.dup2(fd, 5000)):
    assert result == (-1 if failed else 5000), failed
    assert os.path.exists("/proc/self/fd/5000") == (not failed)
for copy in (fd, 5000):
    os.close(copy)
assert faults.live == 0
"""


def test_a_preloaded_open_that_fails(devcrypto, compiled):
    """Opening /dev/crypto and dup2() without memory are ENOMEM; no descriptor and no memory stays behind."""
    environment = {
        **devcrypto.environment(),
        "LD_BIND_NOW": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    result = subprocess.run(
        [sys.executable, "-c", OPENS, compiled],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
