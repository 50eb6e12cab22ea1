# SPDX-License-Identifier: GPL-2.0-or-later
"""What crashed runs leave behind is found, told and ended; what lives is left alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.doctor import orphans
from harness.doctor.check import Status
from harness.doctor.orphans import Leftovers
from harness.doctor.surroundings import Surroundings, Task, tasks
from harness.machine.command import escaped, marked, marker
from harness.machine.rundir import RunDirectory
from tests.doctor.staged import stage

if TYPE_CHECKING:
    from collections.abc import Iterator


def qemu(pid: int, folder: Path, uid: int = 1000) -> Task:
    return Task(pid, uid, ("/cache/store/qemu-1/qemu", "-name", escaped(marker(folder)), "-L", "x"), "init")


def test_the_mark_is_read_back() -> None:
    for path in (Path("/run/user/1000/run-x"), Path("/tmp/a,b/run-y")):  # noqa: S108
        assert marked(["qemu", "-name", escaped(marker(path)), "-L", "x"]) == path
    assert marked(["qemu", "-name", "linux"]) is None
    # Whoever only speaks of it is none of ours.
    assert marked(["grep", "harness:/run/user/1000/run-x"]) is None


def test_only_a_qemu_whose_run_is_dead_is_an_orphan(tmp_path: Path) -> None:
    living = RunDirectory.create(tmp_path)
    table = [
        qemu(1, living.path),
        qemu(2, tmp_path / "run-gone"),
        qemu(3, tmp_path / "run-gone", uid=1001),
        Task(4, 1000, ("vim", "harness:notes")),
        Task(5, 1000, ()),
    ]
    try:
        found = orphans.find(stage(tmp_path / "root", tasks=lambda: table), tmp_path / "cache")
    finally:
        living.close()
    assert [task.pid for task in found.tasks] == [2]


def test_a_device_without_a_guest_whose_parent_is_dead(tmp_path: Path) -> None:
    command = (str(tmp_path / "store" / "qemu-1" / "qemu-system-x86_64"), "-accel", "qtest")
    table = [
        Task(1, 1000, command, parent="systemd"),
        Task(2, 1000, command, parent="python3.11"),
        Task(3, 1000, ("/usr/bin/qemu-system-x86_64", "-accel", "qtest"), parent="systemd"),
        # Somebody tries it by hand, or nobody knows.
        Task(4, 1000, command, parent="bash"),
        Task(5, 1000, command),
    ]
    found = orphans.find(stage(tmp_path / "root", tasks=lambda: table), tmp_path)
    assert [task.pid for task in found.tasks] == [1]


def staged(tmp_path: Path, table: list[Task]) -> Surroundings:
    return stage(tmp_path / "root", variables={"XDG_RUNTIME_DIR": str(tmp_path)}, tasks=lambda: table)


def test_run_directories_without_an_owner(tmp_path: Path) -> None:
    root = tmp_path / "virtio-cryptodev-harness"
    living = RunDirectory.create(root)
    for name in ("run-dead", "run-kept"):
        (root / name).mkdir()
    (root / "run-kept" / "kept").touch()
    here = staged(tmp_path, [qemu(7, root / "run-dead")])
    try:
        found = orphans.find(here, tmp_path)
        mine = [folder for folder in found.folders if folder.is_relative_to(tmp_path)]
        assert mine == [root / "run-dead"]
        check = orphans.look(found)
        assert check.status is Status.WARN
        assert "QEMU that nobody waits for: 7" in check.seen
        assert str(root / "run-dead") in check.seen
        assert check.cure == "python -m harness doctor --clean-up"
        assert f"process 7: qemu of {root / 'run-dead'}" in found.lines()
        assert orphans.clean_up(Leftovers(folders=(root / "run-dead",))) == Leftovers()
        assert {path.name for path in root.iterdir()} == {"lock", "run-kept", living.path.name}
    finally:
        living.close()


def test_nothing_left() -> None:
    assert orphans.look(Leftovers()).status is Status.OK


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start what has the mark of a guest, and does not end when it is asked to."""
    script = "trap '' TERM; echo ready; while :; do read -r line || sleep 1; done"
    mark = ("-name", escaped(marker(tmp_path / "run-gone")))
    with subprocess.Popen(
        ["sh", "-c", script, *mark], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_stubborn_orphan_is_killed(
    tmp_path: Path, stubborn: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "END_SECONDS", 0.3)
    here = stage(tmp_path / "root", uid=Surroundings().uid, tasks=tasks)
    found = orphans.find(here, tmp_path)
    mine = tuple(task for task in found.tasks if task.pid == stubborn.pid)
    assert len(mine) == 1
    assert orphans.clean_up(Leftovers(mine)) == Leftovers()
    # It is our child, and was waited for with the others.
    assert not psutil.pid_exists(stubborn.pid)


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(
    stubborn: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    orphans.clean_up(Leftovers((qemu(stubborn.pid, tmp_path),)))
    assert stubborn.poll() is None


def test_a_folder_that_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert orphans.clean_up(Leftovers(folders=(tmp_path,))).lines() == [f"run directory {tmp_path}"]
