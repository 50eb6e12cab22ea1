# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is measured, and what each of them has to encrypt."""

from __future__ import annotations

import enum
from dataclasses import dataclass

SIZES = (16, 256, 4096, 65536, 1048576)
PROCESSES = (1, 2, 4)
BLOCK_BYTES = 16
MOST_BYTES = 64 << 20
MOST_PROCESSES = 64


class Contender(enum.StrEnum):
    """A way to encrypt; its value is its name on the command line and in the file."""

    PAIR = "pair"
    REFERENCE_WIRE = "reference-wire"
    VIRTIO_CRYPTO = "virtio-crypto"
    AES_NI = "aes-ni"
    AES_GENERIC = "aes-generic"
    DEVCRYPTO = "devcrypto"
    OPENSSL = "openssl"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _LABELS[self]

    @property
    def in_guest(self) -> bool:
        """Whether it runs in the guest."""
        return self not in {Contender.DEVCRYPTO, Contender.OPENSSL}

    @property
    def way(self) -> tuple[str, ...]:
        """The options of cryptobench that choose it."""
        return _WAYS[self]


_LABELS = {
    Contender.PAIR: "our pair",
    Contender.REFERENCE_WIRE: "reference wire",
    Contender.VIRTIO_CRYPTO: "virtio-crypto",
    Contender.AES_NI: "guest AES-NI",
    Contender.AES_GENERIC: "guest plain AES",
    Contender.DEVCRYPTO: "host devcrypto",
    Contender.OPENSSL: "host OpenSSL",
}
# AF_ALG's names are those that the kernel's drivers register (cra_driver_name).
_WAYS = {
    Contender.PAIR: ("--via", "cryptodev", "--path", "/dev/cryptodev0"),
    Contender.REFERENCE_WIRE: ("--via", "cryptodev", "--path", "/dev/cryptodev1"),
    # In pieces: the kernel's driver makes n (n + 1) / 2 descriptors of n pages, and QEMU takes 1024.  After a
    # request that is refused the kernel's engine for such devices stands still for ever.
    Contender.VIRTIO_CRYPTO: ("--via", "afalg", "--path", "virtio_crypto_aes_cbc", "--piece", "65536"),
    Contender.AES_NI: ("--via", "afalg", "--path", "cbc-aes-aesni"),
    Contender.AES_GENERIC: ("--via", "afalg", "--path", "cbc(aes-generic)"),
    Contender.DEVCRYPTO: ("--via", "devcrypto"),
    Contender.OPENSSL: ("--via", "libcrypto"),
}


@dataclass(frozen=True, order=True)
class Case:
    """One thing to do.

    Attributes:
        size: bytes of each operation.
        processes: how many do it at once.
        beside: size of the operations of one more process that is not counted; 0 for none.
    """

    size: int
    processes: int = 1
    beside: int = 0

    @property
    def key(self) -> str:
        """Its key in a file."""
        beside = f"_beside_{self.beside}" if self.beside else ""
        return f"{self.size}_bytes_{self.processes}_processes{beside}"


def size_text(size: int) -> str:
    """Return a size as a person writes it: ``256 B``, ``64 KiB``, ``1 MiB``."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"
