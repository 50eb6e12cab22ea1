# SPDX-License-Identifier: GPL-2.0-or-later
"""Private run directories: one a guest, gone with it.

A directory belongs to whoever holds the lock on its ``lock`` file.  The kernel drops the lock when its holder
dies, however it dies, so "stale" is decided without guessing about process numbers that may be in use again.

Each directory that is not to be kept has a shell that waits for the end of a pipe: when its owner is killed,
the pipe ends and the shell removes what the owner cannot any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = "virtio-cryptodev-harness"
_PREFIX = "run-"
_KEPT = "kept"
_STOP_SECONDS = 5.0
# A word means that the owner has seen to everything; the end of the pipe without one, that it is dead.
_UNDERTAKER = 'read -r word || rm -rf -- "$1"'
# sun_path of sockaddr_un has 108 bytes, the last one for the terminating zero (unix(7)).
SOCKET_PATH_BYTES = 107


def runtime_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for run directories: in ``XDG_RUNTIME_DIR``, else where temporary files go."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime) / _NAME
    return Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"


class RunDirectory:
    """A private directory (mode 0700) that lives as long as its guest.

    Attributes:
        path: the directory.
        keep: leave it behind at :meth:`close`, and let no later run sweep it away.
    """

    def __init__(self, path: Path, lock: int, *, keep: bool) -> None:
        self.path, self.keep = path, keep
        self._lock: int | None = lock
        self._undertaker = None if keep else _undertaker(path)

    @classmethod
    def create(cls, root: Path, *, keep: bool = False) -> RunDirectory:
        """Sweep what dead runs left in ``root``, then make a new directory there.

        Raises:
            SetupError: ``root`` cannot be made or written, or belongs to somebody else.
        """
        try:
            _own(root)
            with _locked(root / "lock"):
                sweep(root)
                path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
                lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            cure = "set XDG_RUNTIME_DIR or TMPDIR to a folder of yours with room"
            raise SetupError(
                f"making a run directory in {root}", error.strerror or str(error), cure
            ) from error
        return cls(path, lock, keep=keep)

    def file(self, name: str) -> Path:
        """Return the path of a file in the directory."""
        return self.path / name

    def socket(self, name: str) -> Path:
        """Return the path of a unix socket in the directory.

        Raises:
            SetupError: the path is longer than a socket's address can be.
        """
        path = self.path / name
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            cure = "set XDG_RUNTIME_DIR or TMPDIR to a shorter path"
            raise SetupError("naming a unix socket", f"{path} is over {SOCKET_PATH_BYTES} bytes", cure)
        return path

    @property
    def lock(self) -> int:
        """The descriptor that holds the lock; who inherits it holds it, too."""
        return -1 if self._lock is None else self._lock

    def hand_over(self) -> None:
        """Leave the directory to who else holds its lock: it is in use until that one ends."""
        if self._lock is not None:
            self._release()

    def close(self) -> None:
        """Remove the directory, or mark it as kept; a second call does nothing."""
        if self._lock is None:
            return
        if self.keep:
            self.file(_KEPT).touch()
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        """Tell the undertaker that it is not needed, and let go of the lock."""
        if self._undertaker is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._undertaker.communicate(b"done\n", timeout=_STOP_SECONDS)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None


def directories(root: Path) -> list[Path]:
    """Return the run directories in ``root``, in use or not."""
    return sorted(root.glob(f"{_PREFIX}*"))


def name_of(path: Path) -> str:
    """Return what tells a run directory from the others."""
    return path.name.removeprefix(_PREFIX)


def sweep(root: Path) -> tuple[Path, ...]:
    """Remove the run directories in ``root`` whose owners are dead and did not ask to keep them.

    Returns:
        The directories removed.
    """
    gone = _ownerless(root)
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return gone


def ownerless(root: Path) -> tuple[Path, ...]:
    """Return the run directories in ``root`` whose owners are dead and did not ask to keep them.

    Raises:
        OSError: ``root`` cannot be read or is somebody else's.
    """
    if not root.is_dir():
        return ()
    # Whoever makes one now must not find its lock held by us.
    with _locked(root / "lock"):
        return _ownerless(root)


def has_owner(path: Path) -> bool:
    """Say whether a run directory belongs to a run that lives."""
    return _in_use(path / "lock")


def _ownerless(root: Path) -> tuple[Path, ...]:
    found = directories(root)
    return tuple(path for path in found if not (path / _KEPT).exists() and not _in_use(path / "lock"))


def _undertaker(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["sh", "-c", _UNDERTAKER, "sh", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # What ends its owner's session is to leave it alone.
        start_new_session=True,
    )


def _own(root: Path) -> None:
    """Make ``root`` with mode 0700, or check that nobody else could have put it there.

    The mode of a folder that exists is left alone: it may be one the user shares on purpose.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise SetupError(f"using {root} for run directories", "it belongs to another user", "remove it")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the root's lock, so that a directory is never seen between its making and its locking."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _in_use(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
