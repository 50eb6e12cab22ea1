# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults that Debian's kernel keeps silent about: the debug kernel reports each, with its line of the driver.

The runs inside have a driver with a fault; what they show is what a person sees.
"""

from __future__ import annotations

import re

import pytest

from harness.artifacts import REPOSITORY

pytestmark = pytest.mark.kernel("debug")

BEGIN = """
from harness.reference import abi

AES, KEY = abi.Cipher.AES_CBC, bytes(16)

def test_it(vm, crypto):
    file = crypto.open("/dev/cryptodev0")
"""
# It is in no table of mutants: only a kernel that watches locks sees it at once.
LEFT_LOCKED = f"""
import pathlib

import pytest

from harness.sut import mutants


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.option.mutant = mutants.read(pathlib.Path({str(REPOSITORY / "scenarios/staged/mutex.patch")!r}))
"""


def failure(inner_run, actions, *options, before=""):
    """Run a test that opens the device and does more; return what the run shows of its failure."""
    lines = "".join(f"    {action}\n" for action in actions)
    run = inner_run(f"{before}{BEGIN}{lines}", "--kernel=debug", *options)
    shown = run.finish(seconds=300)
    assert run.status == 1, shown
    return shown


def test_use_after_free(inner_run):
    """KASAN: a file is closed whose device was freed before it; the access is told by its line."""
    shown = failure(
        inner_run,
        ('vm.unplug("crypto0")', "file.close()"),
        "--mutant=open-without-a-reference",
    )
    assert re.search(
        r"memory error: BUG: KASAN: use-after-free in crypto_\w+\S+ \[virtio_cryptodev\], "
        r"in crypto_\w+\(\) at \w+\.c:\d+",
        shown,
    )
    assert "while waiting for the answer of 'cryptoctl' to 'close " in shown
    assert re.search(r"^  > +\d+ .*crdev->", shown, re.MULTILINE)


def test_behind_an_object(inner_run):
    """HARDENED_USERCOPY: a key of 4096 bytes is copied into a field of 64."""
    shown = failure(
        inner_run,
        ("file.gsession(AES, bytes(4096), keylen=4096)",),
        "--mutant=keylen-unbounded",
    )
    assert re.search(
        r"usercopy: Kernel memory overwrite attempt detected to SLUB object .*, "
        r"in fetch_key\(\) at session\.c:\d+",
        shown,
    )
    assert re.search(r"^  > +\d+ .*copy_from_user\(key, sop->key, sop->keylen\)", shown, re.MULTILINE)


def test_forgotten_memory(inner_run):
    """Kmemleak: what a session's message took is told by who allocated it and how much it is."""
    shown = failure(
        inner_run,
        ("file.fsession(file.gsession(AES, KEY).ses)", "file.close()"),
        "--mutant=messages-leaked",
    )
    assert re.search(
        r"crypto_message_alloc\(\) of virtio_cryptodev allocated \d+ bytes that nobody can free any more",
        shown,
    )
    assert re.search(r"crypto_session_create\+", shown)


def test_a_lock_that_is_kept(inner_run):
    """Lockdep: a call that returns with a lock held is told at once, with the line that took it."""
    shown = failure(inner_run, ("file.fsession(1)",), "-p", "test_inner", before=LEFT_LOCKED)
    assert re.search(
        r"locking error: WARNING: lock held when returning to user space!, "
        r"in crypto_session_finish\(\) at session\.c:\d+",
        shown,
    )
    assert re.search(r"^  > +\d+ .*mutex_lock\(&file->lock\);", shown, re.MULTILINE)
