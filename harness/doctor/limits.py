# SPDX-License-Identifier: GPL-2.0-or-later
"""What this process may use: resource limits, the control group's, and memory.

Locked memory is not among it: QEMU as it is built here locks none.
"""

from __future__ import annotations

import re
import resource
from typing import TYPE_CHECKING

from harness.artifacts import Flavour
from harness.doctor.check import Check, bad, doubtful, good

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.doctor.surroundings import Surroundings

MB = 1 << 20
UNLIMITED = resource.RLIM_INFINITY
# A guest takes some forty of QEMU's descriptors and thirty of ours; compilers and sockets come on top.
LEAST_FILES, FILES = 256, 1024
# Processes and threads: QEMU, its threads, the threads that watch it; a compiler and its parents.
LEAST_TASKS, TASKS_A_WORKER = 100, 40
# The memory of a saved guest is one file.
FILE_BYTES = 1 << 30
# A guest of 256 MiB, the cache of translated code, QEMU itself and its threads' stacks.
SPACE_BYTES = 4 << 30
GUEST_BYTES, COMPILER_BYTES, LEAST_BYTES = 400 * MB, 300 * MB, 600 * MB
LOG_IN = (
    "log in again, without the ulimit -v that this shell was started with (or the line with 'as' in "
    "/etc/security/limits.conf): the hard limit is {} MiB"
)
"""What is to be done where this shell may not have more addresses; its hard limit goes in."""


def _raise_line(letter: str, wanted: int, hard: int, item: str, user: str, *, unit: int = 1) -> str:
    """Return what raises a limit: a word in this shell, or root's word.

    ``wanted`` counts as ``ulimit`` and root's file do, in ``unit``; ``hard`` is as the kernel has it.
    """
    if hard == UNLIMITED or hard >= wanted * unit:
        return f"ulimit -S{letter} {wanted}"
    # Behind what is there: other limits may have been raised in the same way.
    line = f"{user} - {item} {wanted}"
    return f"as root: echo '{line}' >>/etc/security/limits.d/harness.conf, then log in again"


def open_files(here: Surroundings) -> Check:
    """Look at how many files a process may have open."""
    name = "open files"
    soft, hard = here.limit(resource.RLIMIT_NOFILE)
    if soft == UNLIMITED or soft >= FILES:
        return good(name, "no limit" if soft == UNLIMITED else f"{soft} for each process")
    cure = _raise_line("n", FILES, hard, "nofile", here.user)
    if soft < LEAST_FILES:
        return bad(name, f"only {soft} for each process, a run takes {LEAST_FILES}", cure)
    return doubtful(name, f"only {soft} for each process, several guests take {FILES}", cure)


def processes(here: Surroundings, workers: int) -> Check:
    """Look at how many more processes and threads this user, or this control group, may have."""
    name, needed = "processes", LEAST_TASKS + workers * TASKS_A_WORKER
    found: list[tuple[int, str, str]] = []
    soft, hard = here.limit(resource.RLIMIT_NPROC)
    # Nobody counts root's (setrlimit(2)).
    if soft != UNLIMITED and here.uid != 0:
        used = sum(task.threads for task in here.tasks() if task.uid == here.uid)
        cure = _raise_line("u", used + needed, hard, "nproc", here.user)
        found.append((soft - used, f"the limit is {soft} and {used} are there", cure))
    for limit, used, group in _counted(here, "pids", "pids.max", ("pids.current",)):
        cure = "start the container with --pids-limit=4096 (systemd: TasksMax=4096)"
        found.append((limit - used, f"the control group {group} has {used} of {limit}", cure))
    left, seen, cure = min(found, default=(needed, "", ""))
    if left < LEAST_TASKS:
        return bad(name, f"{max(left, 0)} more can be started ({seen}), a run takes {LEAST_TASKS}", cure)
    if left < needed:
        return doubtful(name, f"{left} more can be started ({seen}), {workers} workers take {needed}", cure)
    return good(name, f"{left} more can be started" if found else "no limit")


def sizes(here: Surroundings, flavour: Flavour = Flavour.PLAIN) -> Check:
    """Look at how large files and address spaces may be."""
    name = "sizes"
    soft, hard = here.limit(resource.RLIMIT_FSIZE)
    if soft != UNLIMITED and soft < FILE_BYTES:
        cure = _raise_line("f", FILE_BYTES // 1024, hard, "fsize", here.user, unit=1024)
        return bad(name, f"files may have {soft // MB} MiB, a saved guest has more", cure)
    soft, hard = here.limit(resource.RLIMIT_AS)
    if soft != UNLIMITED and (soft < SPACE_BYTES or flavour is Flavour.ASAN):
        wanted = "AddressSanitizer takes terabytes" if flavour is Flavour.ASAN else "QEMU takes 4096"
        seen = f"a process may have {soft // MB} MiB of addresses, {wanted}"
        return bad(name, seen, _more_addresses(hard, flavour))
    return good(name, "files and address spaces are as large as need be")


def _more_addresses(hard: int, flavour: Flavour) -> str:
    """Return what raises the limit on addresses, as far as the hard limit allows it."""
    if hard != UNLIMITED and (hard < SPACE_BYTES or flavour is Flavour.ASAN):
        return LOG_IN.format(hard // MB)
    most = "unlimited" if hard == UNLIMITED else hard // 1024
    return f"ulimit -Sv {most}, before the harness is started"


def memory(here: Surroundings, workers: int) -> Check:
    """Look at the memory that is free, on the machine and in the control group."""
    name = "memory"
    found = re.search(r"^MemAvailable:\s+(\d+) kB", here.text("proc/meminfo"), re.MULTILINE)
    room = [(int(found[1]) * 1024, "the machine")] if found else []
    v2, v1 = ("memory.max", ("memory.current",)), ("memory.limit_in_bytes", ("memory.usage_in_bytes",))
    for limit_file, used_files in (v2, v1):
        for limit, used, group in _counted(here, "memory", limit_file, used_files):
            # The page cache counts as used, and goes when it is in the way.
            cached = re.search(
                r"^(?:total_)?inactive_file (\d+)", here.text(f"{group}/memory.stat"), re.MULTILINE
            )
            room.append((limit - used + (int(cached[1]) if cached else 0), f"the control group {group}"))
    if not room:
        return good(name, "nothing tells how much is free")
    free, whose = min(room)
    needed = workers * max(GUEST_BYTES, COMPILER_BYTES)
    seen = f"{whose} has {free // MB} MiB free"
    cure = "end something, or give the machine or container more"
    if free < LEAST_BYTES:
        return bad(name, f"{seen}, one guest and a build take {LEAST_BYTES // MB}", cure)
    if free < needed:
        return doubtful(name, f"{seen}, {workers} workers take {needed // MB}", f"{cure}, or use fewer (-n)")
    return good(name, f"{free // MB} MiB free")


def _counted(
    here: Surroundings, controller: str, limit_file: str, used_files: tuple[str, ...]
) -> Iterator[tuple[int, int, str]]:
    """Yield limit, use and folder of each control group that this process is in and that has a limit."""
    for folder in _groups(here, controller):
        text = here.text(f"{folder}/{limit_file}").strip()
        # Version 1 writes "no limit" as a number near 2**63.
        if not text.isdecimal() or int(text) >= 1 << 60:
            continue
        used = next((int(told) for file in used_files if (told := here.text(f"{folder}/{file}").strip())), 0)
        yield int(text), used, folder


def _groups(here: Surroundings, controller: str) -> Iterator[str]:
    """Yield the folders of a controller's groups, from this process's own up to the root."""
    for line in here.text("proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = f"sys/fs/cgroup/{controller}" if controllers else "sys/fs/cgroup"
        parts = [part for part in path.split("/") if part not in {"", ".."}]
        for length in range(len(parts), -1, -1):
            yield "/".join((top, *parts[:length]))
