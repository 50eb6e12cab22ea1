# SPDX-License-Identifier: GPL-2.0-or-later
"""Room, and the right to write and to run programs there: the cache, run directories, temporary files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.doctor.check import Check, bad, doubtful, good
from harness.machine.rundir import runtime_root

if TYPE_CHECKING:
    from pathlib import Path

    from harness.doctor.surroundings import Surroundings

GB, MB = 1_000_000_000, 1_000_000
# A first build; the debug kernel's source and objects come on top.
BUILD_BYTES, DEBUG_BYTES = 3 * GB, 2 * GB
# Sixteen saved guests stay, some 100 MB each, and a changed device is another QEMU.
SAVED_BYTES, LEAST_SAVED_BYTES = 2 * GB, GB // 2
# QEMU's source and the kernel's headers are many small files.
BUILD_FILES = 100_000
# Logs and sockets of one guest.
RUN_BYTES, LEAST_RUN_BYTES = 16 * MB, 16 * MB
# A scenario may save a guest of 256 MiB.
TEMPORARY_BYTES, LEAST_TEMPORARY_BYTES = GB, 50 * MB
SHARED_BYTES = MB
CACHE_CURE = "choose another place with --cache-dir"


def _free(here: Surroundings, path: Path) -> tuple[int, int | None, bool]:
    """Return the free bytes and files (None: unlimited), and whether programs can be run there."""
    told = here.statvfs(here.place(path))
    # Some file systems, such as btrfs, make inodes as they need them and tell 0.
    files = told.f_favail if told.f_files else None
    return told.f_bavail * told.f_frsize, files, not told.f_flag & os.ST_NOEXEC


def _size(number: int) -> str:
    return f"{number / GB:.1f} GB" if number < 10 * GB else f"{number / GB:.0f} GB"


def cache(here: Surroundings, root: Path, *, built: bool, debug: bool = False) -> Check:
    """Look at the cache's place.

    Args:
        here: the machine.
        root: the cache; it need not be there.
        built: whether all that guests are made of is in it.
        debug: whether guests run the debug kernel.
    """
    place = here.place(root)
    if not place.is_dir():
        return bad("cache", f"{place} is no folder", CACHE_CURE)
    if not here.writable(place):
        cure = f"{here.sudo}chown -R {here.user} {root}, or " if place == root else ""
        return bad("cache", f"{place} is not writable", cure + CACHE_CURE)
    free, files, runs = _free(here, root)
    if not runs:
        return bad("cache", f"{place} is mounted noexec: QEMU is built and run there", CACHE_CURE)
    if files is not None and files < BUILD_FILES and not built:
        seen = f"{root} has room for {files} files, a first build has {BUILD_FILES}"
        return bad("cache", seen, f"free some, or {CACHE_CURE}")
    return _room(root, free, built=built, debug=debug)


def _room(root: Path, free: int, *, built: bool, debug: bool) -> Check:
    """Compare what is free in the cache with what comes into it."""
    cure = f"free some, or {CACHE_CURE}"
    needed = LEAST_SAVED_BYTES if built else BUILD_BYTES + (DEBUG_BYTES if debug else 0)
    seen = f"{root} has {_size(free)} free"
    if free < needed:
        what = "saved guests take" if built else "a first build takes"
        return bad("cache", f"{seen}, {what} {_size(needed)}", cure)
    if free < SAVED_BYTES:
        return doubtful("cache", f"{seen}, saved guests come to {_size(SAVED_BYTES)}", cure)
    return good("cache", f"{root}, {_size(free)} free")


def run_directories(here: Surroundings, guests: int) -> Check:
    """Look at the place of run directories, for ``guests`` at a time."""
    name, root = "run directories", runtime_root(here.variables)
    cure = "set XDG_RUNTIME_DIR or TMPDIR to a folder of yours with room"
    place = here.place(root)
    if not here.writable(place):
        return bad(name, f"{place} is not writable", cure)
    if root.exists() and here.owner(root) != here.uid:
        return bad(name, f"{root} belongs to another user", f"{here.sudo}rm -r {root}, or {cure}")
    free, _, _ = _free(here, root)
    told = f"{root} has {free / MB:.0f} MB free"
    if free < LEAST_RUN_BYTES:
        return bad(name, f"{told}, a guest takes up to {RUN_BYTES / MB:.0f}", cure)
    if free < guests * RUN_BYTES:
        return doubtful(name, f"{told}, {guests} guests take up to {guests * RUN_BYTES / MB:.0f}", cure)
    return good(name, f"{root}, {_size(free)} free")


def temporary(here: Surroundings) -> Check:
    """Look at the place of temporary files: scenarios compile, run and save there."""
    name, place = "temporary files", here.temporary
    cure = "set TMPDIR to a folder with room where programs can be run"
    if not here.writable(place):
        return bad(name, f"{place} is not writable", cure)
    free, _, runs = _free(here, place)
    if free < LEAST_TEMPORARY_BYTES:
        seen = f"{place} has {free / MB:.0f} MB free, builds and tests take {LEAST_TEMPORARY_BYTES / MB:.0f}"
        return bad(name, seen, cure)
    if not runs:
        return doubtful(name, f"{place} is mounted noexec: scenarios run what they compiled there", cure)
    if free < TEMPORARY_BYTES:
        seen = (
            f"{place} has {free / MB:.0f} MB free, scenarios that save guests take {_size(TEMPORARY_BYTES)}"
        )
        return doubtful(name, seen, cure)
    return good(name, f"{place}, {_size(free)} free")


def shared_memory(here: Surroundings) -> Check:
    """Look at ``/dev/shm``: several workers of ``fuzz`` keep their semaphores there (sem_open(3))."""
    name, place = "shared memory", here.root / "dev" / "shm"
    cure = f"{here.sudo}mount -t tmpfs -o mode=1777 tmpfs {place} (in a container: --shm-size=64m)"
    if not place.is_dir() or not here.writable(place):
        return doubtful(name, f"no {place} to write to: fuzz with several workers fails", cure)
    free, _, _ = _free(here, place)
    if free < SHARED_BYTES:
        seen = f"{place} has {free / 1000:.0f} kB free: fuzz with several workers fails"
        return doubtful(name, seen, cure)
    return good(name, f"{place}, {_size(free)} free")
