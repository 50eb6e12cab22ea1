# SPDX-License-Identifier: GPL-2.0-or-later
"""The store: entries named by what they were made from, whole or not there at all.

An entry is a folder ``store/<kind>-<key>``.  It is made in ``staging/`` on the same file system and renamed
in when it is finished, so that no interruption leaves half of one.  Its manifest tells the size and the
SHA-256 of each file, and is held against the files when the entry is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import filelock

from harness.artifacts.digest import file_digest
from harness.artifacts.storage import disk_errors, locked, remove
from harness.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.artifacts.progress import Progress

MANIFEST = "manifest.json"
FORMAT = 1


class NotBuiltError(ArtifactError):
    """Something would have to be fetched or built, and that was not wanted."""


@dataclass(frozen=True)
class Recipe:
    """How one entry is made.

    Attributes:
        kind: what sort of thing it is; part of the entry's name.
        key: names the inputs; part of the entry's name.
        what: what a person calls it ("the guest's kernel").
        make: fills the empty folder that it is given.
        trees: folders in the entry that are too big to be read at each use: their files are counted and
            their sizes added up, nothing more.
    """

    kind: str
    key: str
    what: str
    make: Callable[[Path], None]
    trees: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The entry's name in the store."""
        return f"{self.kind}-{self.key}"


class Store:
    """All entries of one cache; safe for any number of processes at once."""

    def __init__(self, root: Path, progress: Progress, *, building: bool = True) -> None:
        """Use the cache at ``root``; ``building=False``: what is missing raises :class:`NotBuiltError`."""
        self.root, self.progress, self.building = root, progress, building
        self._store, self._staging, self._locks = root / "store", root / "staging", root / "locks"
        self._verified: set[str] = set()
        self._swept = False

    def get(self, recipe: Recipe) -> Path:
        """Return the folder of a whole and undamaged entry; make it if need be, once for all processes.

        Raises:
            NotBuiltError: it is not there and this store does not build.
            SetupError: the disk is full, the cache is not writable.
            HarnessError: what ``recipe.make`` raises.
        """
        entry = self._store / recipe.name
        if recipe.name in self._verified or self._is_whole(entry):
            return entry
        if not self.building:
            raise NotBuiltError(f"looking for {recipe.what}", "not built yet", "python -m harness build")
        with (
            disk_errors(f"making {recipe.what}", self.root),
            locked(self._locks / f"{recipe.name}.lock", recipe.what, self.progress),
        ):
            damage = self._damage(entry)
            if damage is None:
                self._verified.add(recipe.name)
                return entry
            if entry.exists():
                self.progress.note(f"the cache's {entry.name} is damaged ({damage}): making it again")
                remove(entry)
            self._sweep()
            self._make(recipe, entry)
        self._verified.add(recipe.name)
        return entry

    def use(self, entry: Path) -> None:
        """Note that an entry is being used, for :meth:`prune`; a read-only cache stays as it is."""
        with contextlib.suppress(OSError):
            os.utime(entry / MANIFEST)

    def prune(self, kind: str, *, most: int, unused_before: float) -> None:
        """Remove the entries of ``kind`` that are not among the ``most`` used last.

        Args:
            kind: which entries.
            most: how many may stay.
            unused_before: seconds since 1970; what was used since then stays in any case.
        """
        entries = [path for path in self._store.glob(f"{kind}-*") if (path / MANIFEST).exists()]
        used = {path: (path / MANIFEST).stat().st_mtime for path in entries}
        for path in sorted(entries, key=used.__getitem__, reverse=True)[most:]:
            if used[path] < unused_before:
                self._verified.discard(path.name)
                remove(path)

    def damaged(self) -> dict[str, str]:
        """Return the names of the entries that are not what their manifests tell, and what is wrong."""
        found = {entry.name: self._damage(entry) for entry in sorted(self._store.glob("*-*"))}
        return {name: damage for name, damage in found.items() if damage is not None}

    def _is_whole(self, entry: Path) -> bool:
        if self._damage(entry) is not None:
            return False
        self._verified.add(entry.name)
        return True

    def _make(self, recipe: Recipe, entry: Path) -> None:
        # Only the holder of the entry's lock is here: what lies in its staging folder belongs to nobody.
        staging = self._staging / recipe.name
        remove(staging)
        staging.mkdir(parents=True)
        try:
            recipe.make(staging)
            _write_manifest(staging, recipe.trees)
            entry.parent.mkdir(parents=True, exist_ok=True)
            staging.rename(entry)
        finally:
            remove(staging)

    def _damage(self, entry: Path) -> str | None:
        """Say what is wrong with an entry, or None; one that is not there is damaged, too."""
        try:
            manifest = json.loads((entry / MANIFEST).read_text())
            return _difference(entry, manifest)
        except FileNotFoundError as error:
            return f"no {error.filename}"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return f"unreadable: {error}"

    def _sweep(self) -> None:
        """Remove what dead processes left in staging: a folder there whose lock is free belongs to no one."""
        if self._swept or not self._staging.is_dir():
            return
        self._swept = True
        for leftover in self._staging.iterdir():
            lock = filelock.FileLock(self._locks / f"{leftover.name}.lock")
            try:
                with lock.acquire(timeout=0):
                    remove(leftover)
            except filelock.Timeout:
                continue


def _files(folder: Path, trees: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files and links of an entry that are not in one of its trees, sorted."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            inside = tuple(tree.partition("/")[2] for tree in trees if tree.split("/")[0] == path.name)
            if "" not in inside:
                yield from _files(path, inside)
        elif path.name != MANIFEST:
            yield path


def _census(tree: Path) -> dict[str, int]:
    count = size = 0
    pending = [os.fspath(tree)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    count += 1
                    size += entry.stat(follow_symlinks=False).st_size
    return {"files": count, "bytes": size}


def _write_manifest(folder: Path, trees: tuple[str, ...]) -> None:
    files: dict[str, dict[str, Any]] = {}
    for path in _files(folder, trees):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            files[name] = {"link": os.fspath(path.readlink())}
            continue
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
        files[name] = {"size": path.stat().st_size, "sha256": file_digest(path)}
    manifest = {"format": FORMAT, "files": files, "trees": {tree: _census(folder / tree) for tree in trees}}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def _difference(entry: Path, manifest: dict[str, Any]) -> str | None:
    if manifest["format"] != FORMAT:
        return f"format {manifest['format']}"
    for name, told in manifest["files"].items():
        path = entry / name
        if "link" in told:
            if os.fspath(path.readlink()) != told["link"]:
                return f"{name} points elsewhere"
        elif path.stat().st_size != told["size"]:
            return f"{name} has {path.stat().st_size} bytes instead of {told['size']}"
        elif file_digest(path) != told["sha256"]:
            return f"{name} has other bytes"
    for tree, told in manifest["trees"].items():
        if _census(entry / tree) != told:
            return f"{tree} has other files"
    return None
