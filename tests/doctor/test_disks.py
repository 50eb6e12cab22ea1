# SPDX-License-Identifier: GPL-2.0-or-later
"""Room: for the cache, for run directories, for temporary files, in shared memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.doctor import disks
from harness.doctor.check import Status
from tests.doctor.staged import disk, stage

if TYPE_CHECKING:
    from pathlib import Path

GB = 10**9


def test_a_first_build_needs_room(tmp_path: Path) -> None:
    check = disks.cache(stage(tmp_path, statvfs=disk(GB)), tmp_path / "cache", built=False)
    assert check.status is Status.FAIL
    assert "1.0 GB free, a first build takes 3.0 GB" in check.seen
    assert "--cache-dir" in check.cure


def test_the_debug_kernel_needs_more(tmp_path: Path) -> None:
    here = stage(tmp_path, statvfs=disk(4 * GB))
    assert disks.cache(here, tmp_path, built=False).status is Status.OK
    assert "takes 5.0 GB" in disks.cache(here, tmp_path, built=False, debug=True).seen


def test_saved_guests_need_less(tmp_path: Path) -> None:
    for free, status in ((GB // 4, Status.FAIL), (GB, Status.WARN), (3 * GB, Status.OK)):
        assert disks.cache(stage(tmp_path, statvfs=disk(free)), tmp_path, built=True).status is status


def test_a_cache_on_a_file_system_without_inodes(tmp_path: Path) -> None:
    check = disks.cache(stage(tmp_path, statvfs=disk(files=500)), tmp_path, built=False)
    assert check.status is Status.FAIL
    assert "room for 500 files" in check.seen
    assert disks.cache(stage(tmp_path, statvfs=disk(files=0)), tmp_path, built=False).status is Status.OK


def test_a_cache_where_nothing_may_be_run(tmp_path: Path) -> None:
    check = disks.cache(stage(tmp_path, statvfs=disk(flags=os.ST_NOEXEC)), tmp_path, built=True)
    assert check.status is Status.FAIL
    assert "noexec" in check.seen


def test_a_cache_that_is_not_writable(tmp_path: Path) -> None:
    here = stage(tmp_path, writable=lambda _: False)
    assert disks.cache(here, tmp_path, built=True).cure.startswith(
        f"sudo chown -R alice {tmp_path}, or choose"
    )
    above = disks.cache(here, tmp_path / "none" / "cache", built=True)
    assert (above.status, above.cure) == (Status.FAIL, "choose another place with --cache-dir")


def test_a_cache_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is no folder" in disks.cache(stage(tmp_path), tmp_path / "file" / "cache", built=False).seen


def test_room_for_run_directories(tmp_path: Path) -> None:
    variables = {"XDG_RUNTIME_DIR": str(tmp_path)}
    for megabytes, status in ((4, Status.FAIL), (40, Status.WARN), (400, Status.OK)):
        here = stage(tmp_path, variables=variables, statvfs=disk(megabytes * 10**6))
        check = disks.run_directories(here, guests=4)
        assert check.status is status
        assert str(tmp_path) in check.seen
    assert (
        "XDG_RUNTIME_DIR or TMPDIR"
        in disks.run_directories(stage(tmp_path, writable=lambda _: False), 1).cure
    )


def test_run_directories_of_another_user(tmp_path: Path) -> None:
    root = tmp_path / "virtio-cryptodev-harness"
    root.mkdir()
    here = stage(tmp_path, variables={"XDG_RUNTIME_DIR": str(tmp_path)}, owner=lambda _: 1001)
    check = disks.run_directories(here, 1)
    assert check.status is Status.FAIL
    assert check.cure.startswith(f"sudo rm -r {root}")


def test_temporary_files(tmp_path: Path) -> None:
    noexec = disks.temporary(stage(tmp_path, statvfs=disk(flags=os.ST_NOEXEC)))
    assert (noexec.status, "noexec" in noexec.seen) == (Status.WARN, True)
    assert disks.temporary(stage(tmp_path, statvfs=disk(10**6))).status is Status.FAIL
    assert disks.temporary(stage(tmp_path, statvfs=disk(10**8))).status is Status.WARN
    assert disks.temporary(stage(tmp_path, writable=lambda _: False)).status is Status.FAIL
    assert "TMPDIR" in noexec.cure


def test_shared_memory(tmp_path: Path) -> None:
    assert disks.shared_memory(stage(tmp_path / "none")).status is Status.WARN
    there = {"dev/shm/x": ""}
    assert disks.shared_memory(stage(tmp_path, there)).status is Status.OK
    # Its being mounted noexec is usual, and harmless.
    assert disks.shared_memory(stage(tmp_path, there, statvfs=disk(flags=os.ST_NOEXEC))).status is Status.OK
    small = disks.shared_memory(stage(tmp_path, there, statvfs=disk(64_000)))
    assert (small.status, "64 kB free" in small.seen) == (Status.WARN, True)
    assert "--shm-size" in small.cure
