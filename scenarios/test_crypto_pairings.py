# SPDX-License-Identifier: GPL-2.0-or-later
"""Old and new sides together: what both know is what they speak, and each answer is the model's."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from harness.oracles.twin import Twin
from harness.reference.abi import Cipher, CopFlag, Mac, Op

if TYPE_CHECKING:
    from harness.machine import VirtualMachine
    from harness.sut.bundled import SystemUnderTest

KEY = bytes(range(16))
IV = bytes(range(100, 116))
STATUS = "/sys/bus/virtio/drivers/virtio_cryptodev/virtio*/features"
F_CALLS, F_MQ = 1, 2

DEVICES: dict[str, dict[str, Any]] = {
    "old": {"calls": False, "queues": 1},
    "one queue": {"queues": 1},
    "queues only": {"calls": False, "queues": 4},
    "new": {"queues": 4},
    "no threads": {"queues": 4, "inline_max": 1 << 20, "hold_max": 1 << 20},
    "threads only": {"queues": 4, "inline_max": 0, "hold_max": 0},
    "small queues": {"queues": 2, "queue_size": 16},
}
DRIVERS = {
    "old": "reference_wire=1",
    "new": "",
    "copies": "zero_copy_min=4294967295",
    "pages": "zero_copy_min=16",
}


@dataclass(frozen=True)
class Pairing:
    """A device and a driver, started together.

    Attributes:
        twin: an open file beside the model's.
        negotiated: the bits of the specification that the two agreed on.
    """

    twin: Twin
    negotiated: frozenset[int]

    @property
    def calls(self) -> bool:
        """Whether they speak more than the reference wire."""
        return F_CALLS in self.negotiated


@pytest.fixture
def pairing(vm: VirtualMachine, sut: SystemUnderTest, request: pytest.FixtureRequest):
    """Plug in a device, load the driver, and return the two."""
    device, driver = request.param
    vm.succeed(sut.unload())
    vm.unplug("crypto0")
    vm.plug(**DEVICES[device])
    vm.succeed("echo 1 > /sys/bus/pci/rescan")
    vm.succeed(f"{sut.load()} {DRIVERS[driver]}")
    bits = vm.succeed(f"cat {STATUS}").strip()
    ctl = sut.cryptoctl(vm)
    file = ctl.open(sut.node)
    yield Pairing(Twin(file), frozenset(bit for bit in (F_CALLS, F_MQ) if bits[bit] == "1"))
    ctl.close()


def pairs(*chosen):
    """Parametrize a scenario with devices and drivers."""
    names = chosen or [(device, driver) for device in DEVICES for driver in DRIVERS]
    return pytest.mark.parametrize("pairing", names, indirect=True, ids=" and ".join)


@pairs()
@pytest.mark.machine(cpus=2)
def test_what_every_pairing_can(pairing, request):
    """AES-CBC of any size, in place and apart, IVs that chain, bad input: right on every pairing."""
    device, driver = request.node.callspec.params["pairing"]
    offered = {F_CALLS} if DEVICES[device].get("calls", True) else set()
    # The reference wire has one queue: a driver that speaks nothing else asks for no more.
    offered |= {F_MQ} if offered and DEVICES[device]["queues"] > 1 else set()
    assert pairing.negotiated == (set() if driver == "old" else offered)
    chance, twin = random.Random(device), pairing.twin  # noqa: S311 -- test data, the same in every run
    for size in (16, 24, 32):
        ses = twin.session(Cipher.AES_CBC, chance.randbytes(size))
        for blocks in (1, 17, 256, 4096):
            for op in Op:
                text = chance.randbytes(16 * blocks)
                twin.crypt(ses, op, text, iv=IV, flags=CopFlag.WRITE_IV)
                twin.crypt(ses, op, text)
                twin.crypt(ses, op, text, in_place=True)
        assert twin.crypt(ses, Op.ENCRYPT, bytes(15)).errno == errno.EINVAL
        assert twin.crypt(ses, 2, bytes(16)).errno == errno.EINVAL
        twin.fsession(ses)
        assert twin.crypt(ses, Op.ENCRYPT, bytes(16)).errno == errno.EINVAL
    for cipher, key in ((99, KEY), (Cipher.AES_CBC, KEY[1:]), (0, b"")):
        assert twin.gsession(cipher, key).errno == errno.EINVAL


@pairs(("old", "new"), ("queues only", "new"), ("new", "old"), ("one queue", "new"), ("new", "new"))
def test_what_only_the_new_ones_can(pairing):
    """All other algorithms: the model's answers if F_CALLS was negotiated, and EINVAL if it was not."""
    twin, text = pairing.twin, bytes(range(240))
    for cipher in (Cipher.AES_CTR, Cipher.AES_ECB, Cipher.NULL, Cipher.DES3_CBC, Cipher.AES_XTS):
        key = {Cipher.NULL: b"", Cipher.DES3_CBC: bytes(range(24)), Cipher.AES_XTS: bytes(range(32))}
        wanted = cipher, key.get(cipher, KEY)
        if pairing.calls:
            ses = twin.session(*wanted)
            twin.crypt(ses, Op.ENCRYPT, text, iv=IV)
        else:
            assert twin.real.gsession(*wanted).errno == errno.EINVAL
    for mac, mackey in ((Mac.SHA1, b""), (Mac.SHA2_256_HMAC, KEY)):
        if pairing.calls:
            ses = twin.session(0, mac=mac, mackey=mackey)
            twin.crypt(ses, Op.ENCRYPT, text)
        else:
            assert twin.real.gsession(0, mac=mac, mackey=mackey).errno == errno.EINVAL
    if pairing.calls:
        twin.authcrypt(twin.session(Cipher.AES_GCM, KEY), Op.ENCRYPT, text, iv=IV[:12], auth=b"header")
    else:
        assert twin.real.gsession(Cipher.AES_GCM, KEY).errno == errno.EINVAL
        ses = twin.session(Cipher.AES_CBC, KEY)
        assert twin.real.authcrypt(ses, Op.ENCRYPT, text, iv=IV).errno == errno.EINVAL
        twin.crypt(ses, Op.ENCRYPT, text, iv=IV)
