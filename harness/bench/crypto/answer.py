# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference model's answer, and how cryptobench is asked: it holds every first answer to that."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from harness.reference.abi import Op
from harness.reference.cipher import aes_cbc

if TYPE_CHECKING:
    from harness.bench.crypto.contenders import Case

# As in guest/bench/worker.c.
KEY = bytes(range(16))
IV = bytes(range(240, 256))


def source(size: int) -> bytes:
    """Return what is encrypted; see ``fill_source`` in guest/bench/worker.c."""
    return bytes((i // 16 >> 8 * (i % 4)) + 17 * (i % 16) & 0xFF for i in range(size))


def ciphertext(size: int) -> bytes:
    """Return the reference model's ciphertext of :func:`source`."""
    return aes_cbc(Op.ENCRYPT, KEY, IV, source(size))


def options_of(case: Case, seconds: float, *, apart: bool = False) -> tuple[str, ...]:
    """Return the options of cryptobench, with the CRC-32 of the ciphertext that the model gives."""
    # fmt: off
    options = (
        "--size", str(case.size),
        "--processes", str(case.processes),
        "--seconds", f"{seconds:g}",
        "--crc", f"{zlib.crc32(ciphertext(case.size)):08x}",
    )
    # fmt: on
    beside = ("--beside", str(case.beside)) if case.beside else ()
    return (*options, *beside, *(("--apart",) if apart else ()))
