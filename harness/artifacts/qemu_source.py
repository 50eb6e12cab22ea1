# SPDX-License-Identifier: GPL-2.0-or-later
"""Where QEMU's source comes from: Debian's archive, a tarball, or a checkout."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from debian.debian_support import Version

from harness.artifacts.debian import Archive, Remote
from harness.artifacts.digest import file_digest, key_of, stat_key
from harness.artifacts.process import Job, run
from harness.artifacts.sources import with_suite
from harness.artifacts.storage import remove
from harness.errors import ArtifactError, HarnessError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.artifacts.packages import PackageSource

UNPACK_SECONDS = 600.0
# The device is written against QEMU 10.0; older ones have another interface for devices.
OLDEST = (10, 0)
PREFERRED = "10.0."
SUITES = {"bookworm": ("trixie", "bookworm-backports"), "trixie": ("trixie", "trixie-backports")}
SIGNS_OF_QEMU = ("VERSION", "configure", "hw/virtio/meson.build", "hw/virtio/Kconfig")
DOING = "looking at QEMU's source"


class QemuSource(Protocol):
    """A source tree that can be laid out in a work folder.

    Attributes:
        key: names its content.
        tree_key: names the work tree that is kept for it.
        offline: whether it is complete, so that configure must not fetch anything.
    """

    @property
    def key(self) -> str: ...  # noqa: D102 - told above
    @property
    def tree_key(self) -> str: ...  # noqa: D102 - told above
    @property
    def offline(self) -> bool: ...  # noqa: D102 - told above

    def lay_out(self, target: Path, ours: frozenset[str]) -> None:
        """Bring ``target`` up to this source; files in ``ours`` are none of its business."""

    def read(self, target: Path, name: str) -> str:
        """Return a file as it is in the source, whatever was done to it in ``target``."""


@dataclass(frozen=True)
class Tarball:
    """A source in one file.

    Attributes:
        name: what a person calls it.
        fetch: returns its path; called only when it has to be unpacked.
        key: names its content.
        log: where tar's words go.
        offline: a release holds all that it needs.
    """

    name: str
    fetch: Callable[[], Path]
    key: str
    log: Path
    offline: bool = True

    @property
    def tree_key(self) -> str:
        """The same content, the same tree."""
        return self.key

    def lay_out(self, target: Path, ours: frozenset[str]) -> None:
        """Unpack it, once and for all: a work tree that is there is whole."""
        if target.is_dir():
            # A file that an earlier version of the harness left alone is still as it was unpacked.
            _keep(target, ours)
            return
        fresh = target.with_name(target.name + ".new")
        remove(fresh)
        fresh.mkdir(parents=True)
        try:
            options = ["--strip-components=1", "--no-same-owner", "--directory", str(fresh)]
            job = Job(f"unpacking {self.name}", self.log, UNPACK_SECONDS)
            run(["tar", "--extract", "--file", self.fetch(), *options], job)
            version_of(fresh, self.name)
            _keep(fresh, ours)
            fresh.rename(target)
        finally:
            remove(fresh)

    def read(self, target: Path, name: str) -> str:
        """Return a file as it was unpacked."""
        return _saved(target, name).read_text()


def _keep(tree: Path, names: frozenset[str]) -> None:
    """Keep a copy of files that will be changed, unless there is one."""
    for name in names:
        saved = _saved(tree, name)
        if (tree / name).is_file() and not saved.is_file():
            saved.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, saved)


def _saved(target: Path, name: str) -> Path:
    return target / ".harness-pristine" / name


@dataclass
class Checkout:
    """Somebody's working tree: copied, never touched, and only what changed is copied again."""

    path: Path
    offline: bool = False

    def __post_init__(self) -> None:
        self._files = {path.relative_to(self.path).as_posix(): path for path in self._walk()}
        self.key = stat_key(self.path, self._files.values())
        self.tree_key = key_of("checkout", str(self.path))

    def _walk(self) -> Iterator[Path]:
        """Yield all files, without git's and without build folders inside the checkout."""
        for top in self.path.iterdir():
            if top.is_dir() and not top.is_symlink():
                if top.name != ".git" and not (top / "build.ninja").exists():
                    yield from (path for path in top.rglob("*") if path.is_symlink() or path.is_file())
            elif top.name != ".git":
                yield top

    def lay_out(self, target: Path, ours: frozenset[str]) -> None:
        """Copy what is new or other than in ``target``, remove what the checkout no longer has."""
        target.mkdir(parents=True, exist_ok=True)
        for name, path in self._files.items():
            copy = target / name
            if name in ours or _same(path, copy):
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            shutil.copy2(path, copy, follow_symlinks=False)
        for path in list(target.rglob("*")):
            name = path.relative_to(target).as_posix()
            if name not in ours and name not in self._files and not path.is_dir():
                path.unlink()

    def read(self, target: Path, name: str) -> str:  # noqa: ARG002 - the checkout itself is never changed
        """Return a file of the checkout."""
        return (self.path / name).read_text()


def _same(path: Path, copy: Path) -> bool:
    try:
        ours, theirs = copy.lstat(), path.lstat()
    except FileNotFoundError:
        return False
    return ours.st_size == theirs.st_size and ours.st_mtime_ns == theirs.st_mtime_ns


def version_of(tree: Path, named: object) -> str:
    """Return the version of a tree of QEMU's source.

    Args:
        tree: the folder.
        named: what the user called it by, for the error.

    Raises:
        SetupError: it is no source of QEMU, or too old a one.
    """
    cure = "give --qemu-source a release tarball or a checkout of QEMU 10.0 or newer"
    for sign in SIGNS_OF_QEMU:
        if not (tree / sign).is_file():
            raise SetupError(DOING, f"{named} is not QEMU's source: it has no {sign}", cure)
    version = (tree / "VERSION").read_text().strip()
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise SetupError(DOING, f"{named} is QEMU {version}, which is too old", cure)
    return version


def given_source(path: Path, log: Path) -> QemuSource:
    """Return the source that a user named.

    Raises:
        SetupError: there is nothing there, or it is not QEMU.
    """
    cure = "give --qemu-source (or HARNESS_QEMU_SOURCE) a tarball or a checkout of QEMU"
    if path.is_dir():
        version_of(path, path)
        return Checkout(path)
    if not path.exists():
        raise SetupError(DOING, f"there is no {path}", cure)
    try:
        digest = file_digest(path)
    except OSError as error:
        raise SetupError(DOING, f"{path} cannot be read ({error.strerror})", cure) from error
    return Tarball(path.name, lambda: path, digest[:32], log)


def _upstream(version: str) -> str:
    """Return the upstream part of a Debian version: ``1:10.0.2+ds-2`` is ``10.0.2``."""
    return re.sub(r"^\d+:", "", version).partition("+")[0].partition("-")[0]


def ranked(candidates: list[Remote]) -> list[Remote]:
    """Return the usable candidates, best first: 10.0 before anything newer, newest of each first."""
    usable = {
        remote.sha256: remote
        for remote in candidates
        if tuple(int(number) for number in re.findall(r"\d+", _upstream(remote.version))[:2]) >= OLDEST
    }
    newest = sorted(usable.values(), key=lambda remote: Version(_upstream(remote.version)), reverse=True)
    return sorted(newest, key=lambda remote: not _upstream(remote.version).startswith(PREFERRED))


class DebianQemu:
    """Finds QEMU's source in the suites of Debian's archive, the next one when one fails."""

    def __init__(self, packages: PackageSource) -> None:
        self._packages = packages

    def get(self) -> tuple[Tarball, str]:
        """Return the source and its upstream version; the first time it is fetched, too.

        Raises:
            HarnessError: no suite of the archive has a usable one, or it cannot be reached.
        """
        (remote,) = self._packages.pins.get("qemu-source", self._question, lambda: [self._choose()])
        log = self._packages.store.root / "logs" / "qemu-unpack.log"
        downloads = self._packages.downloads
        tarball = Tarball(remote.name, lambda: downloads.get(remote), remote.sha256[:32], log)
        return tarball, _upstream(remote.version)

    @property
    def _question(self) -> str:
        return f"qemu {self._packages.archive.key}"

    def forget(self) -> None:
        """Drop what was chosen: the archive has it no more."""
        self._packages.pins.forget("qemu-source", self._question)

    def _choose(self) -> Remote:
        """Return the best candidate that can be downloaded."""
        failures: list[HarnessError] = []
        for remote in ranked(self._candidates(failures)):
            try:
                self._packages.downloads.get(remote)
            except SetupError:
                raise
            except ArtifactError as error:
                self._packages.store.progress.note(f"{error.seen}: trying the next version of QEMU's source")
                failures.append(error)
            else:
                return remote
        if failures:
            raise failures[0]
        raise ArtifactError(
            "looking for QEMU's source",
            f"no QEMU {OLDEST[0]}.{OLDEST[1]} or newer in Debian's {', '.join(self._suites())}",
            "bring one with --qemu-source",
        )

    def _suites(self) -> tuple[str, ...]:
        codename = self._packages.codename
        return SUITES.get(codename, (codename, f"{codename}-backports"))

    def _candidates(self, failures: list[HarnessError]) -> list[Remote]:
        packages, found = self._packages, []
        for suite in self._suites():
            source = with_suite(packages.sources, packages.codename, suite)
            archive = Archive(packages.store, f"{suite}-source", [source], "deb-src")
            try:
                archive.update()
            except SetupError:
                raise
            except ArtifactError as error:
                failures.append(error)
            else:
                found += archive.sources_of("qemu")
        return found
