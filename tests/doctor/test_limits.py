# SPDX-License-Identifier: GPL-2.0-or-later
"""Resource limits, control groups and memory that are too low for a run."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import pytest

from harness.artifacts import Flavour
from harness.doctor import limits
from harness.doctor.check import Status
from harness.doctor.surroundings import Task
from tests.doctor.staged import stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO = resource.RLIM_INFINITY
MB = 1 << 20


def limited(which: int, soft: int, hard: int = NO) -> Callable[[int], tuple[int, int]]:
    return lambda asked: (soft, hard) if asked == which else (NO, NO)


@pytest.mark.parametrize(
    ("soft", "hard", "status", "cure"),
    [
        (64, 1 << 20, Status.FAIL, "ulimit -Sn 1024"),
        (64, 1024, Status.FAIL, "ulimit -Sn 1024"),
        (
            64,
            64,
            Status.FAIL,
            "as root: echo 'alice - nofile 1024' >>/etc/security/limits.d/harness.conf, then log in again",
        ),
        (512, NO, Status.WARN, "ulimit -Sn 1024"),
        (1024, 1024, Status.OK, ""),
        (NO, NO, Status.OK, ""),
    ],
)
def test_open_files(tmp_path: Path, soft: int, hard: int, status: Status, cure: str) -> None:
    here = stage(tmp_path, limit=limited(resource.RLIMIT_NOFILE, soft, hard))
    check = limits.open_files(here)
    assert (check.status, check.cure) == (status, cure)


def test_processes_of_this_user_count(tmp_path: Path) -> None:
    tasks = [Task(1, 1000, ("make",), threads=150), Task(2, 1001, ("java",), threads=9000)]
    wishes: dict[str, Any] = {"limit": limited(resource.RLIMIT_NPROC, 200), "tasks": lambda: tasks}
    check = limits.processes(stage(tmp_path, **wishes), workers=2)
    assert check.status is Status.FAIL
    assert "50 more can be started (the limit is 200 and 150 are there)" in check.seen
    assert check.cure == "ulimit -Su 330"
    # Root's are not counted.
    assert limits.processes(stage(tmp_path, uid=0, **wishes), workers=2).status is Status.OK


GROUP = "proc/self/cgroup"


@pytest.mark.parametrize(
    "files",
    [
        {
            GROUP: "0::/a/b\n",
            "sys/fs/cgroup/a/b/pids.max": "max\n",
            "sys/fs/cgroup/a/pids.max": "128\n",
            "sys/fs/cgroup/a/pids.current": "70\n",
        },
        {
            GROUP: "4:memory:/x\n3:cpu,pids:/a\n0::/\n",
            "sys/fs/cgroup/pids/a/pids.max": "128\n",
            "sys/fs/cgroup/pids/a/pids.current": "70\n",
        },
        # A container sees its own group as the root.
        {GROUP: "0::/../..\n", "sys/fs/cgroup/pids.max": "128\n", "sys/fs/cgroup/pids.current": "70\n"},
    ],
)
def test_processes_of_a_control_group(tmp_path: Path, files: dict[str, str]) -> None:
    check = limits.processes(stage(tmp_path, files), workers=1)
    assert check.status is Status.FAIL
    assert "has 70 of 128" in check.seen
    assert "--pids-limit=4096" in check.cure


def test_many_workers_need_many_processes(tmp_path: Path) -> None:
    files = {GROUP: "0::/\n", "sys/fs/cgroup/pids.max": "400\n", "sys/fs/cgroup/pids.current": "10\n"}
    assert limits.processes(stage(tmp_path, files), workers=4).status is Status.OK
    assert limits.processes(stage(tmp_path, files), workers=16).status is Status.WARN


def test_files_of_a_limited_size(tmp_path: Path) -> None:
    check = limits.sizes(stage(tmp_path, limit=limited(resource.RLIMIT_FSIZE, 100 * MB)))
    assert (check.status, check.cure) == (Status.FAIL, f"ulimit -Sf {MB}")


def test_limited_addresses(tmp_path: Path) -> None:
    small = stage(tmp_path, limit=limited(resource.RLIMIT_AS, 1 << 30))
    large = stage(tmp_path, limit=limited(resource.RLIMIT_AS, 8 << 30))
    assert limits.sizes(small).status is Status.FAIL
    assert limits.sizes(large).status is Status.OK
    assert limits.sizes(large, Flavour.ASAN).status is Status.FAIL
    assert limits.sizes(stage(tmp_path), Flavour.ASAN).status is Status.OK


GB = 1 << 30


@pytest.mark.parametrize(
    ("flavour", "soft", "hard", "cure"),
    [
        (Flavour.PLAIN, GB, NO, "ulimit -Sv unlimited, before the harness is started"),
        (Flavour.ASAN, 8 * GB, NO, "ulimit -Sv unlimited, before the harness is started"),
        (Flavour.PLAIN, GB, 8 * GB, "ulimit -Sv 8388608, before the harness is started"),
        (Flavour.PLAIN, GB, 2 * GB, limits.LOG_IN.format(2048)),
        (Flavour.ASAN, 8 * GB, 8 * GB, limits.LOG_IN.format(8192)),
    ],
)
def test_the_cure_of_limited_addresses_heeds_the_hard_limit(
    tmp_path: Path, flavour: Flavour, soft: int, hard: int, cure: str
) -> None:
    check = limits.sizes(stage(tmp_path, limit=limited(resource.RLIMIT_AS, soft, hard)), flavour)
    assert (check.status, check.cure) == (Status.FAIL, cure)


def test_the_cure_of_short_files_heeds_the_hard_limit(tmp_path: Path) -> None:
    check = limits.sizes(stage(tmp_path, limit=limited(resource.RLIMIT_FSIZE, 100 * MB, 100 * MB)))
    assert check.cure.startswith(f"as root: echo 'alice - fsize {MB}' >>/etc/")


def test_memory_of_the_machine(tmp_path: Path) -> None:
    def look(kilobytes: int, workers: int) -> Status:
        return limits.memory(
            stage(tmp_path, {"proc/meminfo": f"MemAvailable: {kilobytes} kB\n"}), workers
        ).status

    assert look(500_000, 1) is Status.FAIL
    assert look(1_000_000, 8) is Status.WARN
    assert look(8_000_000, 2) is Status.OK


def test_memory_of_the_control_group(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemAvailable: 8000000 kB\n",
        GROUP: "0::/ci\n",
        "sys/fs/cgroup/ci/memory.max": str(1000 * MB),
        "sys/fs/cgroup/ci/memory.current": str(900 * MB),
        "sys/fs/cgroup/ci/memory.stat": f"anon 1\ninactive_file {200 * MB}\n",
    }
    check = limits.memory(stage(tmp_path, files), 1)
    assert check.status is Status.FAIL
    assert "control group sys/fs/cgroup/ci has 300 MiB free" in check.seen


def test_memory_of_a_group_of_the_first_version_without_limit(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemAvailable: 8000000 kB\n",
        GROUP: "4:memory:/ci\n",
        "sys/fs/cgroup/memory/ci/memory.limit_in_bytes": "9223372036854771712\n",
    }
    assert limits.memory(stage(tmp_path, files), 1).status is Status.OK


def test_memory_that_nothing_tells_of(tmp_path: Path) -> None:
    assert limits.memory(stage(tmp_path), 1).status is Status.OK
