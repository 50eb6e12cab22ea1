# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a guest is.  Guests restored from one snapshot are the same to the last bit until they are told."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.errors import MachineError
from harness.machine.dialogue import Dialogue

if TYPE_CHECKING:
    from ipaddress import IPv4Interface

    from harness.machine.deadlines import Deadline

KEY_TYPE = "ssh-ed25519"
SEED_BYTES = 32
NET_INTERFACE, LAN_INTERFACE = "eth0", "eth1"
_INTRODUCTION_SECONDS = 10.0


def _mac() -> str:
    """Return a random address under the prefix that QEMU's own addresses have."""
    return bytes((0x52, 0x54, 0x00, *secrets.token_bytes(3))).hex(":")


def _plain(mac: str) -> str:
    return mac.replace(":", "")


@dataclass(frozen=True)
class Identity:
    """What makes one guest differ from every other.

    Attributes:
        hostname: its name.
        mac: the address of its network card.
        lan_mac: the address of its card on a private network.
        lan_address: its address and mask on a private network, None without one.
        host_key: its SSH host key, made for it and for no other guest.
    """

    hostname: str = field(default_factory=lambda: f"guest-{secrets.token_hex(3)}")
    mac: str = field(default_factory=_mac)
    lan_mac: str = field(default_factory=_mac)
    lan_address: IPv4Interface | None = None
    host_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public_key(self) -> paramiko.PKey:
        """The host key that it shows to who connects."""
        message = paramiko.Message()
        message.add_string(KEY_TYPE)
        message.add_string(self._public_bytes())
        return paramiko.PKey.from_type_string(KEY_TYPE, message.asbytes())

    def words(self) -> str:
        """Return the line that makes a guest this one; it holds a private key and a seed."""
        words = {
            "hostname": self.hostname,
            "time": f"{time.time_ns()}",
            "seed": secrets.token_hex(SEED_BYTES),
            "key": self._private_file().hex(),
            "mac": f"{NET_INTERFACE},{_plain(self.mac)}",
        }
        line = " ".join(f"{name}={value}" for name, value in words.items())
        if self.lan_address is not None:
            line += f" mac={LAN_INTERFACE},{_plain(self.lan_mac)}"
            address = self.lan_address.packed + self.lan_address.netmask.packed
            line += f" address={LAN_INTERFACE},{address.hex()}"
        return line

    def _public_bytes(self) -> bytes:
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        return self.host_key.public_key().public_bytes(*raw)

    def _private_file(self) -> bytes:
        """Return dropbear's file of the key: its type, then both halves in one string (its ed25519.c)."""
        message = paramiko.Message()
        message.add_string(KEY_TYPE)
        message.add_string(self.host_key.private_bytes_raw() + self._public_bytes())
        return message.asbytes()


class Identityd(Dialogue):
    """The program in the guest that makes it somebody; it has a serial port to itself.

    What is sent to it is secret and is kept nowhere; what it answers is not.
    """

    def wait_ready(self, deadline: Deadline) -> None:
        """Wait until it says that the guest is up: driver loaded, SSH listening."""
        with deadline:
            self.expect(r"ready\r?\n", deadline.allowed / self.deadlines.scale)

    def introduce(self, identity: Identity) -> None:
        """Make the guest this one.

        Raises:
            MachineError: the guest said what it could not set.
        """
        self.sendline(identity.words())
        self.expect(r"(?:ok|error ([^\r\n]*))\r?\n", _INTRODUCTION_SECONDS)
        if isinstance(self.match, re.Match) and (refused := self.match[1]):
            raise MachineError("telling the guest who it is", refused, evidence=self.evidence())
