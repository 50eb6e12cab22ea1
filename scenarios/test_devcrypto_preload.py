# SPDX-License-Identifier: GPL-2.0-or-later
"""/dev/crypto for any program of the host, by preloading: descriptors, dup, fork, threads."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("devcrypto_descriptors.c")

PRELUDE = """
import ctypes, errno, fcntl, os, select, sys, threading
from harness.reference import abi
from harness.reference.cipher import aes_cbc

DEVICE = os.environ.get("DEVCRYPTO_PATH", "/dev/crypto")
KEY, IV = bytes(range(16)), bytes(range(100, 116))
GSESSION, FSESSION, CRYPT, CRIOGET = (
    abi.Ioctl[name] for name in ("CIOCGSESSION", "CIOCFSESSION", "CIOCCRYPT", "CRIOGET")
)

def failure(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None

def opened():
    return os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)

def session(fd, key=KEY):
    held = ctypes.create_string_buffer(key, len(key))
    room = bytearray(abi.SessionOp(cipher=11, keylen=len(key), key=ctypes.addressof(held)).pack())
    fcntl.ioctl(fd, GSESSION, room)
    return abi.SessionOp.unpack(bytes(room)).ses

def encrypt(fd, ses, data, iv=IV):
    buffer = ctypes.create_string_buffer(data, len(data))
    vector = ctypes.create_string_buffer(iv or b"", 16)
    at = ctypes.addressof(buffer)
    op = abi.CryptOp(ses=ses, len=len(data), src=at, dst=at, iv=ctypes.addressof(vector) if iv else 0)
    fcntl.ioctl(fd, CRYPT, bytearray(op.pack()))
    return buffer.raw

# Worked out before anybody forks: a child cannot use the model's library if a thread was just inside it.
EXPECTED = {data: aes_cbc(0, KEY, IV, data) for data in (os.urandom(160) for _ in range(16))}

def works(fd, ses):
    return all(encrypt(fd, ses, data) == expected for data, expected in EXPECTED.items())

def child_says(answer):
    \"\"\"Fork; the child leaves with what answer() gives.\"\"\"
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = int(answer())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""

FORTIFIED = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int flags = argc > 1 ? (int)strtol(argv[1], NULL, 0) : O_RDWR;
    int fds[] = {open("/dev/crypto", flags), open64("/dev/crypto", flags),
                 openat(AT_FDCWD, "/dev/crypto", flags), openat64(AT_FDCWD, "/dev/crypto", flags)};
    unsigned int ses = 0;

    for (unsigned int i = 0; i < 4; i++)
        if (fds[i] < 0 || ioctl(fds[i], 0x40046367u, &ses) != 0)
            return 1 + (int)i;
    return 0;
}
"""


@pytest.fixture
def preloaded(devcrypto):
    """Runs a piece of Python with the library preloaded; the piece's assertions are the test's."""

    def run(program, *, preload=True, **environment):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        if preload:
            environment |= devcrypto.environment()
        result = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr

    return run


def test_a_program_finds_the_device(preloaded):
    """A program that opens /dev/crypto gets a real descriptor, and the model's bytes from it."""
    preloaded("""
        fd = opened()
        assert os.path.exists(f"/proc/self/fd/{fd}")
        assert works(fd, session(fd))
        other = os.open("/dev/null", os.O_RDWR)
        assert other != fd
        assert failure(session, other) == "ENOTTY"
    """)


def test_without_the_preload_there_is_none(preloaded):
    """The same program without the preload fails: it is not some device of this machine that answered."""
    with pytest.raises(AssertionError, match="FileNotFoundError"):
        preloaded("opened()", preload=False, DEVCRYPTO_PATH="/nowhere/crypto")


def test_another_path(preloaded):
    """DEVCRYPTO_PATH moves the device; a path that is only like it is left to the system."""
    preloaded(
        """
        fd = opened()
        assert works(fd, session(fd))
        assert failure(os.open, DEVICE + "x", os.O_RDWR) == "ENOENT"
        """,
        DEVCRYPTO_PATH="/nowhere/crypto",
    )


def test_calls_that_are_no_ioctl(preloaded):
    """read() and write() are EINVAL, poll() sees nothing, an unknown ioctl is EINVAL, FIOCLEX works."""
    preloaded("""
        fd = opened()
        assert failure(os.read, fd, 64) == "EINVAL"
        assert failure(os.write, fd, bytes(64)) == "EINVAL"
        assert select.select([fd], [], [], 0) == ([], [], [])
        os.fstat(fd)
        for command in (0x5401, 0, 0x6300, 0xC0186369):
            assert failure(fcntl.ioctl, fd, command, bytearray(64)) == "EINVAL", hex(command)
        os.set_inheritable(fd, True)
        fcntl.ioctl(fd, 0x5451)
        assert not os.get_inheritable(fd)
        assert failure(os.open, DEVICE, os.O_RDWR | os.O_CREAT | os.O_EXCL) == "EEXIST"
        assert failure(os.open, DEVICE, os.O_RDONLY | os.O_DIRECTORY) == "ENOTDIR"
    """)


def test_two_opens(preloaded):
    """Two opens of the device do not see each other's sessions."""
    preloaded("""
        one, two = opened(), opened()
        ses = session(one)
        assert failure(encrypt, two, ses, bytes(16)) == "EINVAL"
        os.close(two)
        assert works(one, ses)
    """)


def test_duplicates(preloaded):
    """dup, dup2, dup3, fcntl and CRIOGET all share the sessions; the last close ends them."""
    preloaded("""
        first = opened()
        ses = session(first)
        room = bytearray(4)
        fcntl.ioctl(first, CRIOGET, room)
        clone = int.from_bytes(room, "little")
        copies = [os.dup(first), fcntl.fcntl(first, fcntl.F_DUPFD, 100)]
        copies += [fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, 10)]
        copies += [os.dup2(first, 200), os.dup2(first, 201, inheritable=False), clone]
        libc = ctypes.CDLL(None)
        copies.append(libc.dup(first))
        assert copies[1] >= 100
        assert len({first, *copies}) == 8
        encrypt(first, ses, bytes(16))
        last = encrypt(first, ses, bytes(16))
        for number, fd in enumerate(copies):
            # Each goes on from the IV that the one before it left.
            now = encrypt(fd, ses, bytes(16), iv=None)
            assert now == aes_cbc(0, KEY, last, bytes(16)), number
            last = now
        for fd in (first, *copies[:-1]):
            os.close(fd)
            assert failure(encrypt, fd, ses, bytes(16)) == "EBADF"
        assert works(copies[-1], ses)
        os.close(copies[-1])
        fd = opened()
        assert failure(encrypt, fd, ses, bytes(16)) == "EINVAL"
        assert failure(fcntl.ioctl, fd, CRIOGET, 8) == "EFAULT"
    """)


def test_a_number_that_is_used_anew(preloaded):
    """A descriptor's number that is closed, overwritten or swept away in a range is the device no more."""
    preloaded("""
        null = os.open("/dev/null", os.O_RDWR)
        fd = opened()
        ses = session(fd)
        os.dup2(null, fd)
        assert failure(session, fd) == "ENOTTY"
        os.dup2(fd, fd)
        device = opened()
        ses = session(device)
        os.dup2(device, device)
        assert works(device, ses)
        assert failure(os.dup2, device, 2**30) == "EBADF"
        assert failure(os.dup2, 999, device) == "EBADF"
        assert works(device, ses)
        more = [opened() for _ in range(3)]
        os.closerange(more[0], more[-1] + 1)
        again = [os.open("/dev/null", os.O_RDWR) for _ in more]
        assert again == more
        assert all(failure(session, fd) == "ENOTTY" for fd in again)
        assert works(device, ses)
    """)


def test_a_thousand_descriptors(preloaded):
    """Descriptors of the device are as many as the system allows, and the one too many is EMFILE."""
    preloaded("""
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
        fds = []
        while True:
            try:
                fds.append(opened())
            except OSError as error:
                assert error.errno == errno.EMFILE
                break
        assert len(fds) > 900
        assert works(fds[-1], session(fds[-1]))
        assert failure(fcntl.ioctl, fds[0], CRIOGET, bytearray(4)) == "EMFILE"
        for fd in fds:
            os.close(fd)
        assert opened() == fds[0]
    """)


def test_fork(preloaded):
    """After a fork both sides use the sessions that there were; closing in one leaves the other's alone."""
    preloaded("""
        fd = opened()
        ses = session(fd)
        last = encrypt(fd, ses, bytes(16))

        def in_the_child():
            goes_on = encrypt(fd, ses, bytes(16), iv=None) == aes_cbc(0, KEY, last, bytes(16))
            own = works(fd, session(fd))
            os.close(fd)
            gone = failure(encrypt, fd, ses, bytes(16)) == "EBADF"
            return 10 * goes_on + own + gone

        assert child_says(in_the_child) == 12
        assert works(fd, ses)
        assert child_says(lambda: child_says(lambda: works(fd, ses))) == 1
    """)


def test_fork_among_threads(preloaded):
    """A fork while other threads are inside calls leaves the child sessions that work, and hangs nobody."""
    preloaded("""
        fd = opened()
        ids = [session(fd) for _ in range(4)]
        stop = threading.Event()
        wrong = []

        def use(ses):
            while not stop.is_set():
                if not works(fd, ses):
                    wrong.append(ses)

        threads = [threading.Thread(target=use, args=(ses,)) for ses in ids]
        for thread in threads:
            thread.start()
        for _ in range(100):
            assert child_says(lambda: all(works(fd, ses) for ses in ids)) == 1
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong
    """)


def test_a_child_that_runs_another_program(preloaded):
    """What a child closes and moves between vfork() and exec() does not touch the parent's descriptors."""
    preloaded("""
        import subprocess
        fd = opened()
        ses = session(fd)
        for close_fds in (True, False):
            for _ in range(5):
                assert subprocess.run(["true"], close_fds=close_fds, stdin=fd).returncode == 0
        assert works(fd, ses)
        os.close(fd)
        assert failure(session, fd) == "EBADF"
    """)


def test_threads_open_and_close(preloaded):
    """Threads that open, use and close the device at the same time each find only what is theirs."""
    preloaded("""
        wrong = []

        def use():
            for _ in range(200):
                fd = opened()
                ses = session(fd)
                copy = os.dup(fd)
                os.close(fd)
                if not works(copy, ses):
                    wrong.append(copy)
                os.close(copy)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert opened() < 20, "descriptors leaked"
    """)


def test_a_bad_pointer_is_no_signal(preloaded):
    """A pointer to nothing is EFAULT for a preloaded program too."""
    preloaded("""
        fd = opened()
        for address in (0, 8, 2**63, 2**64 - 1):
            for command in (GSESSION, FSESSION, CRYPT, CRIOGET):
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.ioctl(fd, ctypes.c_ulong(command), ctypes.c_uint64(address)) == -1
                assert ctypes.get_errno() == errno.EFAULT
    """)


def test_every_way_to_open(devcrypto, tmp_path):
    """open, open64, openat and openat64 find the device, also as -D_FORTIFY_SOURCE turns them."""
    (tmp_path / "opens.c").write_text(FORTIFIED)
    for options in (["-O0"], ["-O2", "-D_FORTIFY_SOURCE=2"]):
        subprocess.run(["cc", *options, "-o", tmp_path / "opens", tmp_path / "opens.c"], check=True)
        environment = {**os.environ, **devcrypto.environment(), "DEVCRYPTO_PATH": ""}
        assert subprocess.run([tmp_path / "opens", "2"], env=environment, check=False).returncode == 0


def test_a_program_that_is_odd_with_descriptors(devcrypto, tmp_path):
    """dup, close and fork in ways few programs use, on the device and on other files: as in the kernel."""
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "odd", PROGRAM]
    subprocess.run(command, check=True, timeout=60)
    environment = {**os.environ, **devcrypto.environment(), "DEVCRYPTO_PATH": ""}
    result = subprocess.run(
        [tmp_path / "odd", tmp_path], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
