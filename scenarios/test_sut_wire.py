# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses the virtqueue of a pair, beside the reference wire and beside what the standard asks for."""

from __future__ import annotations

import pytest

from harness.reference import abi

pytestmark = [pytest.mark.requirement("wire"), pytest.mark.virtio, pytest.mark.tapped]

AES = abi.Cipher.AES_CBC


@pytest.fixture
def observed(crypto, sut, virtqueue):
    """Return what is to be said of the chains of every request, each made a few times."""
    for key_bytes in (16, 32):
        file = crypto.open(sut.node)
        ses = file.gsession(AES, bytes(key_bytes)).ses
        for size in (16, 64, 4096):
            file.crypt(ses, abi.Op.ENCRYPT, bytes(size), iv=bytes(range(16)))
        file.fsession(ses)
        file.close()
    return virtqueue()


@pytest.mark.reference_wire
def test_it_is_the_reference_wire(observed):
    """Every request has the buffers of the reference wire, in its order, of its widths, and no others."""
    assert not observed.apart, "; ".join(observed.apart)


def test_it_keeps_the_standard(observed):
    """Virtio 1.2, 2.7: no descriptor is too short, no readable buffer is written, every length is told."""
    assert not observed.against_standard, "; ".join(observed.against_standard)


def test_it_tells_nothing_of_the_host(observed):
    """No pointer of the host's comes back to the guest."""
    assert not observed.secrets_told, "; ".join(observed.secrets_told)
