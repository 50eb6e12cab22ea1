# SPDX-License-Identifier: GPL-2.0-or-later
"""The key by which the harness enters its guests: one for each cache, known to nobody else."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.artifacts.cache import NotBuiltError, Store
from harness.artifacts.storage import disk_errors, locked

if TYPE_CHECKING:
    from pathlib import Path

COMMENT = "harness"


@dataclass(frozen=True)
class SshKey:
    """An SSH key pair.

    Attributes:
        private: the private key's file, in OpenSSH's format, readable by its owner only.
        public_line: the line for ``authorized_keys``, without a line break.
    """

    private: Path
    public_line: str


def ssh_key(store: Store) -> SshKey:
    """Return this cache's key, made at first use and made anew when its file is damaged.

    Raises:
        SetupError: the cache is not writable, the disk is full.
    """
    path = store.root / "keys" / "id_ed25519"
    line = _public_line(path)
    if line is None:
        if not store.building:
            raise NotBuiltError("looking for the SSH key", "not made yet", "python -m harness build")
        lock = store.root / "locks" / "ssh-key.lock"
        with disk_errors("making the SSH key", path), locked(lock, "the SSH key", store.progress):
            line = _public_line(path)
            if line is None:
                if path.exists():
                    store.progress.note(f"the key {path} is damaged: making another")
                line = _make(path)
    return SshKey(path, line)


def _line(key: Ed25519PrivateKey) -> str:
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{public.decode()} {COMMENT}"


def _public_line(path: Path) -> str | None:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            return None
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, UnsupportedAlgorithm):
        return None
    return _line(key) if isinstance(key, Ed25519PrivateKey) else None


def _make(path: Path) -> str:
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(data)
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
    return _line(key)
