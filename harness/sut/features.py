# SPDX-License-Identifier: GPL-2.0-or-later
"""What a system under test can be, and what of /dev/crypto it has."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What is not ours in a system under test."""

    BUNDLED = "bundled"
    PAIR = "pair"
    DRIVER = "driver"
    DEVICE = "device"
    NATIVE = "native"
    CHAT = "chat"

    @property
    def has_guest(self) -> bool:
        """Whether there is a /dev/crypto in a guest to be tested."""
        return self is not Kind.CHAT

    @property
    def has_device(self) -> bool:
        """Whether QEMU's device is under test."""
        return self in (Kind.BUNDLED, Kind.PAIR, Kind.DEVICE)

    @property
    def meaning(self) -> str:
        """What it is, as a person would say it."""
        match self:
            case Kind.BUNDLED:
                return "our driver and our device"
            case Kind.PAIR:
                return "their driver and their device"
            case Kind.DRIVER:
                return "their driver with our device"
            case Kind.DEVICE:
                return "our driver with their device"
            case Kind.NATIVE:
                return "a module that offers /dev/crypto by itself"
            case Kind.CHAT:
                return "a chat"


class Feature(enum.StrEnum):
    """What a /dev/crypto may have besides sessions with AES-CBC."""

    CIPHERS = "ciphers"
    WRITE_IV = "write-iv"
    HASHES = "hashes"
    AEAD = "aead"
    ASYNC = "async"
    INFO = "info"
    CLONE = "clone"
    ASYMMETRIC = "asymmetric"
    COMPAT = "compat"

    @property
    def meaning(self) -> str:
        """What a program can ask for."""
        return _MEANINGS[self]


_MEANINGS = {
    Feature.CIPHERS: "ciphers besides AES-CBC",
    Feature.WRITE_IV: "COP_FLAG_WRITE_IV",
    Feature.HASHES: "hashes and HMACs, in parts too, and CIOCCPHASH",
    Feature.AEAD: "CIOCAUTHCRYPT",
    Feature.ASYNC: "CIOCASYNCCRYPT and CIOCASYNCFETCH",
    Feature.INFO: "CIOCGSESSINFO",
    Feature.CLONE: "CRIOGET",
    Feature.ASYMMETRIC: "CIOCASYMFEAT",
    Feature.COMPAT: "programs of 32 bits",
}


class Nodes(enum.StrEnum):
    """How the nodes of a driver come to be."""

    AUTO = "auto"
    MKNOD = "mknod"
