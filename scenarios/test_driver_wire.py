# SPDX-License-Identifier: GPL-2.0-or-later
"""What the driver must not put into a chain of the reference wire: a device gives up over it."""

from __future__ import annotations

import errno

import pytest

from harness.oracles.twin import Twin
from harness.reference.abi import Cipher, Op
from harness.reference.calls import Pointer

KEY = bytes(range(16))


@pytest.fixture
def old(vm, sut) -> Twin:
    """Return an open file beside the model's; the driver speaks the reference wire and nothing else."""
    vm.succeed(f"{sut.unload()} && {sut.load()} reference_wire=1")
    return Twin(sut.cryptoctl(vm).open(sut.node))


def test_a_key_of_no_bytes(old):
    """A key of no bytes is refused before it is a descriptor of length 0; the device works on."""
    for key in (b"", Pointer.NULL, Pointer.BAD):
        assert old.gsession(Cipher.AES_CBC, key, keylen=0).errno == errno.EINVAL
    old.crypt(old.session(Cipher.AES_CBC, KEY), Op.ENCRYPT, bytes(64), iv=bytes(16))


def test_nothing_to_do(old):
    """Data of no bytes is done at once, without a descriptor of length 0; the device works on."""
    ses = old.session(Cipher.AES_CBC, KEY)
    for op in Op:
        assert old.crypt(ses, op, b"", iv=bytes(16), length=0).errno == 0
    old.crypt(ses, Op.ENCRYPT, bytes(64), iv=bytes(16))
