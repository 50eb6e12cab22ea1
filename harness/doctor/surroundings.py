# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor looks at, in one place: the real machine, or one that a test has staged."""

from __future__ import annotations

import contextlib
import grp
import os
import platform
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import distro
import psutil

from harness.machine.accelerator import KVM_DEVICE, Access, kvm_access, user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RUN_SECONDS = 60.0
INIT = "init"


@dataclass(frozen=True)
class Answer:
    """How a program ended, and what it printed on standard output and standard error."""

    status: int
    text: str


@dataclass(frozen=True)
class Task:
    """A process.

    Attributes:
        pid: its number.
        uid: whose it is.
        command: its command line.
        parent: the file name of its parent's program; empty when nobody knows.
        threads: how many it has.
    """

    pid: int
    uid: int
    command: tuple[str, ...]
    parent: str = ""
    threads: int = 1


@dataclass(frozen=True)
class Device:
    """The KVM device: whether it opens, and who may open it."""

    access: Access
    group: str = ""
    mode: int = 0


def run(command: Sequence[str], seconds: float = RUN_SECONDS) -> Answer:
    """Run a program to its end; one that is missing or does not end has a status of its own."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except OSError as error:
        return Answer(127, error.strerror or str(error))
    except subprocess.TimeoutExpired:
        return Answer(124, f"no end after {seconds:g} s")
    return Answer(done.returncode, done.stdout.decode(errors="replace"))


def tasks() -> list[Task]:
    """Return all processes of this machine that can be seen and have not ended."""
    found: list[Task] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error), process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE or not _sees_our_files(process.pid):
                continue
            command = tuple(process.cmdline())
            # Only a QEMU's parent is of interest, and looking is not free.
            parent = _program(process.parent()) if command and "qemu" in command[0] else ""
            uid, threads = process.uids().real, process.num_threads()
            found.append(Task(process.pid, uid, command, parent, threads))
    return found


def _sees_our_files(pid: int) -> bool:
    """Return whether a process has our root: a run directory in a container cannot be looked at from here."""
    try:
        return Path(f"/proc/{pid}/root").samefile("/")
    except OSError:
        return True  # somebody else's, or it has ended


def _program(process: psutil.Process | None) -> str:
    if process is None:
        return ""
    try:
        name = Path(process.exe()).name
    except psutil.Error:
        name = ""
    # The first process adopts whoever lost its parent; in a container it may be the harness itself.
    return INIT if process.pid == 1 and not name.startswith("python") else name


def kvm_device(path: Path = KVM_DEVICE) -> Device:
    """Look at the KVM device."""
    access = kvm_access(path)
    try:
        status = path.stat()
    except OSError:
        return Device(access)
    return Device(access, _group(status.st_gid), stat.S_IMODE(status.st_mode))


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def has_group(name: str) -> bool:
    """Return whether the group database, wherever it is kept, knows a group."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def make_memfd() -> str:
    """Make a file in memory, as the harness does for each device; return what is wrong, if anything."""
    try:
        os.close(os.memfd_create("doctor"))
    except (OSError, AttributeError) as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Surroundings:
    """The machine, as far as a check asks for it.

    Attributes:
        root: where ``/proc``, ``/etc``, ``/sys`` and ``/dev`` are read.
        variables: the environment variables.
        uid: the user's number; 0 may do everything.
        user: the user's name.
        groups: names of the groups that this process is in.
        python: the version of this Python.
        machine: the processor, as ``uname -m`` says it.
        cores: how many processors there are.
        temporary: where temporary files go.
        statvfs: tells of the file system of a path.
        owner: tells whose a path is; a link's own owner.
        writable: tells whether this user can make files in a folder.
        limit: tells the soft and the hard resource limit.
        tasks: tells all processes.
        which: finds a program.
        run: runs one.
        kvm: looks at the KVM device.
        has_group: tells whether there is a group of that name.
        memfd: makes a file in memory; tells what is wrong.
        now: tells the time.
    """

    root: Path = Path("/")
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    uid: int = field(default_factory=os.geteuid)
    user: str = field(default_factory=user_name)
    groups: frozenset[str] = field(default_factory=lambda: frozenset(map(_group, os.getgroups())))
    python: tuple[int, ...] = tuple(sys.version_info[:3])
    machine: str = field(default_factory=platform.machine)
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    temporary: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    statvfs: Callable[[Path], os.statvfs_result] = os.statvfs
    owner: Callable[[Path], int] = lambda path: path.lstat().st_uid
    writable: Callable[[Path], bool] = lambda path: os.access(path, os.W_OK | os.X_OK)
    limit: Callable[[int], tuple[int, int]] = resource.getrlimit
    tasks: Callable[[], Iterable[Task]] = tasks
    which: Callable[[str], str | None] = shutil.which
    run: Callable[[Sequence[str], float], Answer] = run
    kvm: Callable[[], Device] = kvm_device
    has_group: Callable[[str], bool] = has_group
    memfd: Callable[[], str] = make_memfd
    now: Callable[[], float] = time.time

    def text(self, path: str) -> str:
        """Return a small file of the system, ``/`` in front or not; empty when it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(errors="replace")
        except OSError:
            return ""

    @cached_property
    def release(self) -> dict[str, str]:
        """What ``/etc/os-release`` tells, with small letters in the names."""
        told = distro.LinuxDistribution(
            root_dir=str(self.root), include_lsb=False, include_uname=False, include_oslevel=False
        )
        return told.os_release_info()

    @property
    def codenames(self) -> dict[str, str]:
        """The same with the names as the file has them."""
        return {name.upper(): value for name, value in self.release.items()}

    @property
    def system(self) -> str:
        """What the distribution calls itself."""
        return self.release.get("pretty_name") or self.release.get("name") or "an unknown system"

    @property
    def families(self) -> set[str]:
        """The names of the distribution, and of those that it is like."""
        return {self.release.get("id", ""), *self.release.get("id_like", "").split()} - {""}

    @property
    def sudo(self) -> str:
        """What is put before a command that only root may give."""
        return "" if self.uid == 0 else "sudo "

    def place(self, path: Path) -> Path:
        """Return a path, or the nearest folder above it that is there."""
        while path != path.parent:
            # What cannot even be looked at is as good as not there.
            with contextlib.suppress(PermissionError):
                if path.exists():
                    break
            path = path.parent
        return path
