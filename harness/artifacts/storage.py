# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong with a disk, said in one line; and locks that say whom they wait for."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

import filelock

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.artifacts.progress import Progress

# Long enough for a whole QEMU on a slow machine under load.
LOCK_SECONDS = 3600.0
_CURES = {
    errno.ENOSPC: "free some space, or choose another place with --cache-dir",
    errno.EDQUOT: "free some of your quota, or choose another place with --cache-dir",
    errno.EACCES: "make it writable for you, or choose another place with --cache-dir",
    errno.EPERM: "make it writable for you, or choose another place with --cache-dir",
    errno.EROFS: "choose another place with --cache-dir",
    errno.ENOENT: "choose another place with --cache-dir",
    errno.ENOTDIR: "choose another place with --cache-dir",
    errno.ENAMETOOLONG: "choose a shorter place with --cache-dir",
}
FULL_DISK_TEXTS = ("No space left on device", "Disk quota exceeded")


class FullDiskError(SetupError):
    """The disk ran full in a program that we started: what it wrote may be cut short."""


def full_disk(doing: str, where: Path) -> FullDiskError:
    """Return the error for a disk that ran full in a program that we started."""
    return FullDiskError(doing, f"no space left on the disk of {where}", _CURES[errno.ENOSPC])


@contextlib.contextmanager
def disk_errors(doing: str, where: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission and the like into one line; other errors pass.

    Raises:
        SetupError: the disk, or the right to write to it, is the cause.
    """
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0)
        if cure is None:
            raise
        place = error.filename if isinstance(error.filename, str) else where
        raise SetupError(doing, f"{error.strerror or error} ({place})", cure) from error


def remove(path: Path) -> None:
    """Remove a folder or file whatever its permissions are; nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
        return
    # Something vanished while it was removed: another process cleans as well.
    shutil.rmtree(path, ignore_errors=True)


def tree_bytes(path: Path) -> int:
    """Return how many bytes the files below a folder hold."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - called for trees of 10,000 files
        for folder, _, names in os.walk(path)
        for name in names
    )


@contextlib.contextmanager
def locked(path: Path, what: str, progress: Progress, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock between processes; one that has to wait says for whom and why.

    Args:
        path: the lock's file; it stays behind (removing it would let two in).
        what: what is made under the lock ("QEMU").
        progress: told when there is a wait.
        seconds: deadline of the wait.

    Raises:
        SetupError: the lock was held until the deadline, or its file cannot be made.
    """
    lock = filelock.FileLock(path)
    owner = path.with_suffix(".owner")
    with disk_errors(f"locking {what}", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _wait(lock, owner, what, progress, seconds)
    try:
        with disk_errors(f"locking {what}", path.parent):
            owner.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def _wait(lock: filelock.BaseFileLock, owner: Path, what: str, progress: Progress, seconds: float) -> None:
    try:
        holder = f"process {owner.read_text()}"
    except OSError:
        holder = "another process"
    try:
        with progress.step(f"waiting for {holder}, which makes {what}", at_once=True):
            lock.acquire(timeout=seconds, poll_interval=0.1)
    except filelock.Timeout as error:
        raise SetupError(
            f"waiting for {what}",
            f"{holder} still holds {lock.lock_file} after {seconds:.0f} s",
            "end it, or choose another place with --cache-dir",
        ) from error
