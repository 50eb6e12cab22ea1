# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of a run that never was, for the tests of what is said of them."""

from __future__ import annotations

from harness.bench.crypto.contenders import Case, Contender
from harness.bench.crypto.figures import Conditions, Figures, Quantity, Sample

KIB, MIB = 1 << 10, 1 << 20
CONDITIONS = Conditions(
    accelerator="tcg",
    accelerator_proof="TCG: [no] device",
    qemu_version="10.0.2",
    kernel_release="6.1.0-9-amd64",
    openssl_version="OpenSSL 3.0.1",
    host_cpus=2,
    guest_cpus=2,
    host_load=0.25,
    rounds=3,
    seconds=0.3,
    apart=False,
    features=("0110" + "0" * 60, "0" * 64),
)


def sample(operations: float, p99: float = 20.0, *, guest: bool = True) -> Sample:
    values = {
        Quantity.OPERATIONS: operations,
        Quantity.P50: p99 / 2,
        Quantity.P99: p99,
        Quantity.MOST: p99 * 10,
        Quantity.HOST_CPU: 1.25,
    }
    return Sample({**values, Quantity.GUEST_CPU: 0.75} if guest else values)


def three(middle: float, p99: float = 20.0, *, guest: bool = True) -> list[Sample]:
    """Return three rounds; neither the mean nor the first is the median."""
    return [sample(operations, p99, guest=guest) for operations in (middle * 9, middle, middle / 2)]


SAMPLES = {
    (Contender.PAIR, Case(16)): three(50_000, p99=30.0),
    (Contender.PAIR, Case(16, beside=MIB)): three(40_000, p99=90.0),
    (Contender.PAIR, Case(256)): three(48_000),
    (Contender.PAIR, Case(64 * KIB)): three(12_000),
    (Contender.PAIR, Case(64 * KIB, 2)): three(18_000),
    (Contender.PAIR, Case(MIB)): three(800),
    (Contender.REFERENCE_WIRE, Case(256)): three(32_000),
    (Contender.VIRTIO_CRYPTO, Case(256)): three(6_000),
    (Contender.VIRTIO_CRYPTO, Case(64 * KIB)): three(1_500),
    (Contender.OPENSSL, Case(64 * KIB)): three(24_000, guest=False),
    (Contender.OPENSSL, Case(MIB)): three(1_000, guest=False),
}
ALL = Figures(CONDITIONS, SAMPLES, {})
REASON = "wrong ciphertext: its CRC is 00000000, not [ffffffff]"
WITHOUT_VIRTIO_CRYPTO = Figures(
    CONDITIONS,
    {whose: samples for whose, samples in SAMPLES.items() if whose[0] is not Contender.VIRTIO_CRYPTO},
    {(Contender.VIRTIO_CRYPTO, Case(64 * KIB)): REASON},
)
