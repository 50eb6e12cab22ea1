# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses the virtqueue of a pair, beside the reference wire."""

from __future__ import annotations

import pytest

from harness.reference import abi

pytestmark = [pytest.mark.requirement("wire"), pytest.mark.virtio, pytest.mark.tapped]

AES = abi.Cipher.AES_CBC


def test_the_wire_is_the_reference_wire(crypto, sut, wire_differences):
    """Every request has the buffers of the reference wire, in its order, of its widths, and nothing else."""
    for key_bytes in (16, 32):
        file = crypto.open(sut.node)
        ses = file.gsession(AES, bytes(key_bytes)).ses
        for size in (16, 64, 4096):
            file.crypt(ses, abi.Op.ENCRYPT, bytes(size), iv=bytes(range(16)))
        file.fsession(ses)
        file.close()
    assert wire_differences() == []
