# SPDX-License-Identifier: GPL-2.0-or-later
"""A small guest after very many operations: it has the memory that it had before them."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harness.oracles.twin import Twin
from harness.reference.abi import Cipher, Mac, Op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.machine import VirtualMachine

OPERATIONS = int(os.environ.get("HARNESS_OPERATIONS", "100000"))
"""How many; at the default a leak of a dozen bytes for each operation is seen."""
MOST_KIB = 1024
PROCESSES = 2
AT_ONCE = 20_000
"""Operations of one command: its answer comes long before a wait for it ends."""
COUNTERS = "sync; echo 3 > /proc/sys/vm/drop_caches; cat /proc/meminfo; echo; grep foll_pin /proc/vmstat"

# Bytes of an operation, and its part of all of them, in hundredths.
KINDS = ((16, 20), (256, 70), (4096, 8), (65536, 2))


def _counters(vm: VirtualMachine) -> Mapping[str, int]:
    text = vm.succeed(COUNTERS)
    return {name: int(value) for name, value in re.findall(r"^(\w+):? +(\d+)", text, re.MULTILINE)}


def _repeat(twin: Twin, ses: int, text: bytes, times: int) -> None:
    """Encrypt so often, in place and apart by turns; each result is the model's."""
    iv = bytes(16)
    right = twin.crypt(ses, Op.ENCRYPT, text, iv=iv).dst
    for done in range(0, times, AT_ONCE):
        answer = twin.real.crypt(
            ses,
            Op.ENCRYPT,
            text,
            iv=iv,
            in_place=done // AT_ONCE % 2 == 0,
            repeat=min(AT_ONCE, times - done),
        )
        assert (answer.errno, answer.dst) == (0, right)


def _work(twin: Twin, operations: int) -> None:
    """Do so many operations, of every size and kind; each result is the model's."""
    key, iv = bytes(range(16)), bytes(16)
    gcm, sha = twin.session(Cipher.AES_GCM, key), twin.session(0, mac=Mac.SHA2_256_HMAC, mackey=key)
    for size, part in KINDS:
        text = bytes([part]) * size
        cbc = twin.session(Cipher.AES_CBC, key)
        _repeat(twin, cbc, text, operations * part // 100)
        for _ in range(max(1, operations // 100_000)):
            twin.crypt(sha, Op.ENCRYPT, text)
            twin.authcrypt(gcm, Op.ENCRYPT, text, iv=iv[:12])
            twin.fsession(twin.session(Cipher.AES_CTR, key))
        twin.fsession(cbc)
    twin.fsession(gcm)
    twin.fsession(sha)


@pytest.mark.timeout(3600)
@pytest.mark.machine(cpus=2, memory_mib=128)
def test_memory_is_level(vm, sut, request):
    """After HARNESS_OPERATIONS operations of two processes a guest of 128 MB has its pages and slabs back."""
    twins = [Twin(sut.cryptoctl(vm).open(sut.node)) for _ in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as pool:

        def work(operations: int) -> None:
            list(pool.map(_work, twins, [operations // PROCESSES] * PROCESSES))

        work(OPERATIONS // 20)
        before = _counters(vm)
        work(OPERATIONS)
    after = _counters(vm)
    moved = {name: after[name] - before[name] for name in ("MemFree", "Slab", "SUnreclaim", "KernelStack")}
    said = f"after {OPERATIONS} operations, KiB more or less: {moved}"
    request.node.add_report_section("call", "memory", said)
    assert moved.pop("MemFree") > -MOST_KIB, f"pages are gone: {moved}"
    assert max(moved.values()) < MOST_KIB, f"the kernel keeps memory: {moved}"
    assert after["nr_foll_pin_acquired"] > before["nr_foll_pin_acquired"]
    assert after["nr_foll_pin_acquired"] == after["nr_foll_pin_released"], "pages of a program stay pinned"
