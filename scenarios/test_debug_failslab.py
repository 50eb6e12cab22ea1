# SPDX-License-Identifier: GPL-2.0-or-later
"""Every allocation in every call of the driver fails in turn; so does each copy from and to the program.

With the debug kernel alone, which also tells at each test's end whether memory was lost.
"""

from __future__ import annotations

import errno

import pytest

from harness.reference import abi, cipher
from harness.sut.faults import ALLOWED, Case, FaultyCalls

pytestmark = [
    pytest.mark.kernel("debug"),
    # Few of each: what the other side keeps for a call that failed here is missed soon.
    pytest.mark.machine(devices=("virtio-cryptodev-pci,max-open-files=6,max-sessions=3",)),
]

FILES, SESSIONS = 6, 3
KEY = "00112233445566778899aabbccddeeff"
IV = "0f" * 16
NODE = "/dev/cryptodev0"

# Of the file that a test has open, and of one that is opened for a call.
AES = f"session {{file}} cipher={int(abi.Cipher.AES_CBC)} key={KEY}"
THEIRS = AES.replace("file", "fd")
GCM = f"session {{file}} cipher={int(abi.Cipher.AES_GCM)} key={KEY}"
HMAC = f"session {{file}} mac={int(abi.Mac.SHA1_HMAC)} mackey={KEY}"
HASH = f"session {{file}} mac={int(abi.Mac.SHA1)}"
BOTH = f"{AES} mac={int(abi.Mac.SHA1_HMAC)} mackey={KEY}"
FREE = ("free {file} {ses}",)
OPEN = f"open {NODE}"
CLOSE = ("close {fd}",)
CRYPT = f"op=enc iv={IV} src=fill:5"
JOB = f"async {{fd}} {{ses}} {CRYPT}:4096"
DONE = "poll {fd} events=in timeout=60000"


def _crypt(what: str, program: str = "", session: str = AES) -> Case:
    """Return an operation in a new session: what it allocates first, it keeps."""
    call = f"{program}crypt {{file}} {{ses}} out=sha256 {CRYPT}:{what}"
    return Case(call, before=(session,), always=FREE)


CASES = {
    "open": Case(OPEN, after=CLOSE),
    "session": Case(AES, after=FREE),
    "session of a mac": Case(HMAC, after=FREE),
    "session of both": Case(BOTH, after=FREE),
    "session of an AEAD": Case(GCM, after=FREE),
    "session, 32 bits": Case(f"compat {AES}", after=FREE),
    "crypt 16 bytes": _crypt("16"),
    "crypt 1024 bytes": _crypt("1024"),
    "crypt a page and a half": _crypt("6144 srcmem=anon+7 dstmem=anon+100"),
    "crypt 64 KiB": _crypt("65536"),
    "crypt 1 MiB": _crypt("1048576"),
    "crypt in place": _crypt("65536 dst=inplace"),
    "crypt of a file's pages": _crypt("65536 srcmem=file dstmem=shared"),
    "crypt with a mac": _crypt("8192", session=BOTH),
    "crypt, 32 bits": _crypt("8192", "compat "),
    "auth of an AEAD": Case(
        f"auth {{file}} {{ses}} op=enc iv={'0f' * 12} auth={KEY} tag_len=16 src=fill:5:6000 out=sha256",
        before=(GCM,),
        always=FREE,
    ),
    "a copied hash": Case("cphash {file} {ses} {hash}", before=(HASH,), always=FREE),
    "clone": Case("clone {file}", after=CLOSE),
    "info": Case("info {file} {hash}"),
    "asym": Case("asym {file}"),
    # What lacked memory is told with its result.
    "async": Case(JOB, before=(OPEN, THEIRS), after=(DONE, "try fetch {fd}"), always=CLOSE),
    "fetch": Case("fetch {fd}", before=(OPEN, THEIRS, JOB, DONE), always=CLOSE),
    "free": Case("free {file} {ses}", before=(AES,), always=FREE),
    # What it gives back nobody else can, so it cannot fail.
    "close": Case("close {fd}", before=(OPEN, THEIRS), allowed=frozenset()),
}


# They take no memory, and what they write is one word: put_user() is not among what is made to fail.
TAKES_NOTHING = {"clone", "asym", "close"}

BIND = "/sys/bus/virtio/drivers/{module}/bind"
UNBIND = "/sys/bus/virtio/drivers/{module}/unbind"
# What the kernel says when a probe, or a module's place in sysfs or in memory, lacked memory.  An interrupt
# is taken without its files in /proc then, and free_irq() misses them: kernel/irq/proc.c.
SAID = (
    r"probe of \S+ failed with error|kobject_add_internal failed|\bvmalloc error: size \d+, "
    r"|WARNING: .* remove_proc_entry\+"
    # Without a folder of its own the module's link goes to sysfs' root, and stays: drivers/base/module.c
    r"|sysfs: cannot create duplicate filename '//virtio:"
)


@pytest.fixture
def calls(vm, crypto):
    """Calls on a file with two of its three sessions made; at the end the device has to be as it was."""
    faulty = FaultyCalls(vm, crypto)
    faulty.must(OPEN)
    faulty.names["file"] = faulty.names["fd"]
    faulty.must(AES)
    faulty.must(HASH)
    faulty.names["hash"] = faulty.names["ses"]
    yield faulty
    faulty.must("close {file}")
    _all_is_there(crypto)


def _all_is_there(crypto):
    """Open as many files as the device can have, make as many sessions in each, and use them."""
    files = [crypto.open(NODE) for _ in range(FILES)]
    expected = cipher.aes_cbc(abi.Op.ENCRYPT, bytes.fromhex(KEY), bytes.fromhex(IV), bytes(64))
    for file in files:
        for _ in range(SESSIONS):
            ses = file.gsession(abi.Cipher.AES_CBC, bytes.fromhex(KEY)).ses
            assert file.crypt(ses, abi.Op.ENCRYPT, bytes(64), iv=bytes.fromhex(IV)).dst == expected
    for file in files:
        file.close()


@pytest.mark.parametrize("name", CASES)
def test_a_call_whose_allocations_fail(calls, name, record_property):
    """Each call gives ENOMEM or EFAULT, or works: whichever allocation in it fails."""
    tally = calls.drive(CASES[name])
    record_property("failed", f"{tally.failed} of {tally.failed + tally.survived}")
    record_property("only then", " ".join(sorted(tally.functions)))
    some = tally.failed + tally.survived > 0
    assert some or name in TAKES_NOTHING, "nothing in it could fail: this is not the debug kernel"
    assert not some or name not in TAKES_NOTHING, "it takes memory now"


def test_a_probe_whose_allocations_fail(vm, crypto, room, sut):
    """The driver is bound to its device, and each allocation of that fails in turn; then it is bound."""
    faulty = FaultyCalls(vm, crypto)
    faulty.names["module"] = sut.module
    place = BIND.format(module=sut.module).rpartition("/")[0]
    device = vm.succeed(f"cd {place} && echo virtio*").strip()
    faulty.must(f"write {UNBIND} {device}")
    errnos = ALLOWED | {errno.ENOENT, errno.ENODEV, errno.EIO, errno.EAGAIN, errno.ENOSPC}
    with room.allow(vm, SAID):
        tally = faulty.drive(
            Case(f"write {BIND} {device}", after=(f"write {UNBIND} {device}",), allowed=errnos)
        )
    assert tally.failed > 0
    faulty.must(f"write {BIND} {device}")
    _all_is_there(crypto)


def test_a_load_whose_allocations_fail(vm, crypto, room, sut):
    """The module is loaded, and each allocation of that fails in turn; then it is loaded, and works."""
    faulty = FaultyCalls(vm, crypto)
    vm.succeed(sut.unload())
    with room.allow(vm, SAID):
        tally = faulty.drive(Case(f"insmod {sut.module_path}", after=(f"rmmod {sut.module}",)))
    assert tally.failed > 0
    vm.succeed(sut.load())
    _all_is_there(crypto)
