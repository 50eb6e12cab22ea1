# SPDX-License-Identifier: GPL-2.0-or-later
"""What the driver keeps when its work is over: no memory, no page of a program, no session of the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.reference.abi import Cipher, CopFlag, Op
from scenarios.kernel_memory import OBJECTS, kept_since, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.machine import VirtualMachine

KEY = bytes(range(16))
ROUNDS = 100
# What the kernel itself has more or less from one moment to the next.
NOISE = ROUNDS // 2
PINNED = "grep foll_pin /proc/vmstat"
FREE = "echo 3 > /proc/sys/vm/drop_caches; grep MemFree /proc/meminfo"


def _kept(vm: VirtualMachine, work: Callable[[int], object]) -> dict[str, int]:
    """Return of which sizes of memory the kernel has more objects after ``work(ROUNDS)`` than before."""
    for _ in range(2):
        # Counting gives caches back that some kernels do not fill at once again.
        work(ROUNDS // 10)
        before = numbers(vm, OBJECTS)
    work(ROUNDS)
    return kept_since(vm, before, NOISE)


@pytest.fixture
def file(crypto, sut):
    """Return an open node."""
    return crypto.open(sut.node)


def test_no_page_stays_pinned(vm, file):
    """Every page of a program that an operation pins is let go of when it is over, or refused."""
    ses = file.gsession(Cipher.AES_CBC, KEY).ses
    for in_place in (False, True):
        assert file.crypt(ses, Op.ENCRYPT, bytes(65536), iv=bytes(16), in_place=in_place).errno == 0
    assert file.crypt(ses, Op.ENCRYPT, bytes(65536), iv=bytes(16), dst_memory="ro").errno
    counts = numbers(vm, PINNED)
    pinned, released = counts["nr_foll_pin_acquired"], counts["nr_foll_pin_released"]
    assert pinned > 0
    assert pinned - released == 0, f"{pinned - released} pages of a program stay pinned"


def test_no_page_stays_with_the_driver(vm, file):
    """The pages of a source are free again when the program has given them back."""
    ses = file.gsession(Cipher.AES_CBC, KEY).ses

    # Its bytes are made there: they are new pages each time.
    call = f"crypt {file.fd} {ses:#x} op=enc src=fill:7:{1 << 20} iv={bytes(16).hex()} out=sha256"

    def work(times):
        for _ in range(times):
            assert file.ctl.ask(call).errno == 0

    work(2)
    before = numbers(vm, FREE)["MemFree"]
    work(16)
    gone = before - numbers(vm, FREE)["MemFree"]
    assert gone < 8192, f"{gone} KiB are gone after 16 operations of 1 MiB"


def test_operations_leave_no_memory(vm, file):
    """Operations that are copied, small and big, give all memory back."""
    ses = file.gsession(Cipher.AES_CBC, KEY).ses

    def work(times):
        for size in (256, 4096, 8192):
            text, flags = bytes(size), CopFlag.NO_ZC
            answer = file.crypt(ses, Op.ENCRYPT, text, iv=bytes(16), flags=flags, repeat=times)
            assert answer.errno == 0

    assert _kept(vm, work) == {}


def test_refused_operations_leave_no_memory(vm, file):
    """Operations that are refused, before or after their data was copied, give all memory back."""
    ses = file.gsession(Cipher.AES_CBC, KEY).ses

    def work(times):
        for _ in range(times):
            for how in ({"src": bytes(8191)}, {"dst_memory": "ro"}):
                call = {"op": Op.ENCRYPT, "src": bytes(8192), "flags": CopFlag.NO_ZC} | how
                assert file.crypt(ses, iv=bytes(16), **call).errno

    assert _kept(vm, work) == {}


def test_sessions_leave_no_memory(vm, file):
    """Sessions that are made, used and freed give all memory back; so do those that are refused."""

    def work(times):
        for _ in range(times):
            ses = file.gsession(Cipher.AES_CBC, KEY).ses
            assert file.crypt(ses, Op.ENCRYPT, bytes(64), iv=bytes(16)).errno == 0
            assert file.fsession(ses).errno == 0
            assert file.gsession(Cipher.AES_CBC, KEY[1:]).errno

    assert _kept(vm, work) == {}


def test_files_leave_no_memory(vm, crypto, sut):
    """Files that are opened, and closed with a session in them, give all memory back."""

    def work(times):
        for _ in range(times):
            file = crypto.open(sut.node)
            ses = file.gsession(Cipher.AES_CBC, KEY).ses
            assert file.crypt(ses, Op.ENCRYPT, bytes(64), iv=bytes(16)).errno == 0
            file.close()

    assert _kept(vm, work) == {}


def test_binding_leaves_no_memory(vm, sut):
    """A device that is bound and unbound again and again leaves nothing in the kernel."""
    there = f"cd /sys/bus/virtio/drivers/{sut.module} && device=$(echo virtio*)"

    def work(times):
        vm.succeed(f"{there} && for n in $(seq {times}); do echo $device >unbind; echo $device >bind; done")

    assert _kept(vm, work) == {}


def test_sessions_that_were_freed_make_room(vm, crypto):
    """A device of 8 sessions is enough for any number of them, one after the other."""
    vm.plug(max_sessions=8)
    vm.succeed("echo 1 > /sys/bus/pci/rescan")
    file = crypto.open("/dev/cryptodev1")
    for number in range(20):
        answer = file.gsession(Cipher.AES_CBC, KEY)
        assert answer.errno == 0, f"{number} sessions were freed, and yet there is no room for one"
        assert file.fsession(answer.ses).errno == 0
