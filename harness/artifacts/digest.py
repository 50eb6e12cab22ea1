# SPDX-License-Identifier: GPL-2.0-or-later
"""Names for content: the same inputs give the same name on every machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEY_LENGTH = 32


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key_of(*parts: str) -> str:
    """Return a key of 32 hex digits for a sequence of texts; moving a border between two changes it."""
    total = hashlib.sha256()
    for part in parts:
        # Names of files need not be text.
        data = part.encode(errors="surrogateescape")
        total.update(b"%d:" % len(data))
        total.update(data)
    return total.hexdigest()[:KEY_LENGTH]


def sources_key(folder: Path, files: Iterable[Path]) -> str:
    """Return a key for the names and the bytes of source files below a folder, in any order given."""
    parts: list[str] = []
    for path in sorted(files):
        parts += (path.relative_to(folder).as_posix(), file_digest(path))
    return key_of(*parts)


def stat_key(folder: Path, files: Iterable[Path]) -> str:
    """Return a key for names, sizes and times of files: for trees that are too big to be read each time."""
    parts: list[str] = []
    for path in sorted(files):
        status = path.lstat()
        parts.append(f"{path.relative_to(folder).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}")
    return key_of(*parts)
