# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine has, what it lacks, and the one line that cures it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import HarnessError, SetupError
from harness.into import kept
from harness.room import prove_accelerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.artifacts import Artifacts

NEEDED_BYTES = 3_000_000_000
APT_SECONDS = 1200


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        ok: whether the harness can work with it.
        seen: what was found.
        cure: the line to type, or what to do; empty when there is nothing to do.
    """

    name: str
    ok: bool
    seen: str
    cure: str = ""

    def line(self) -> str:
        """Return the check as one line of the report."""
        cure = f"  -> {self.cure}" if self.cure else ""
        return f"{'ok     ' if self.ok else 'MISSING'} {self.name}: {self.seen}{cure}"


def missing_packages() -> list[str]:
    """Return the Debian packages of bindep.txt that are not installed.

    Raises:
        SetupError: this is no system that bindep knows with dpkg.
    """
    if shutil.which("dpkg-query") is None:
        raise SetupError(
            "looking for packages",
            "this system has no dpkg",
            "install what bindep.txt lists in your system's way",
        )
    bindep = [sys.executable, "-m", "bindep", "--brief", "--file", str(REPOSITORY / "bindep.txt")]
    done = subprocess.run(bindep, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode not in (0, 1) or done.stderr.strip():
        raise SetupError(
            "looking for packages with bindep", done.stderr.strip() or f"exit code {done.returncode}"
        )
    return done.stdout.split()


def _as_root(packages: list[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        return ["sudo"]
    raise SetupError(
        "installing packages", "you are not root and there is no sudo", f"as root: {install_line(packages)}"
    )


def install_line(packages: list[str]) -> str:
    """Return the line that installs these packages."""
    return "apt-get install -y --no-install-recommends " + " ".join(packages)


def install_packages() -> None:
    """Install what is missing, as root or by sudo; print what apt-get prints.

    Raises:
        SetupError: there is no way to become root, or apt-get failed.
    """
    packages = missing_packages()
    if not packages:
        return
    root = _as_root(packages)
    quietly = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    for command in ([*quietly, "update"], [*quietly, *install_line(packages).split()[1:]]):
        try:
            done = subprocess.run(command, check=False, timeout=APT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise SetupError(f"running {' '.join(command)}", f"no end after {APT_SECONDS} s") from error
        if done.returncode:
            raise SetupError(
                f"running {' '.join(command)}",
                f"exit code {done.returncode}",
                "see apt's lines above; is there a network?",
            )


def _packages() -> Check:
    missing = missing_packages()
    if missing:
        return Check(
            "packages",
            ok=False,
            seen="missing " + " ".join(missing),
            cure="python -m harness doctor --install",
        )
    return Check("packages", ok=True, seen="all of bindep.txt are installed")


def _cache(root: Path) -> Check:
    root.mkdir(parents=True, exist_ok=True)
    if not os.access(root, os.W_OK | os.X_OK):
        return Check(
            "cache", ok=False, seen=f"{root} is not writable", cure="choose another with --cache-dir"
        )
    free = shutil.disk_usage(root).free
    if free < NEEDED_BYTES:
        seen = f"{root} has {free / 1e9:.1f} GB free, a first build takes {NEEDED_BYTES / 1e9:.0f}"
        return Check("cache", ok=False, seen=seen, cure="free some, or choose another place with --cache-dir")
    return Check("cache", ok=True, seen=f"{root}, {free / 1e9:.0f} GB free")


def _accelerator(artifacts: Artifacts, request: str) -> Check:
    if not artifacts.are_built():
        return Check("accelerator", ok=True, seen="not proven yet: the first run builds a guest and boots it")
    return Check("accelerator", ok=True, seen=prove_accelerator(artifacts, request).reason)


def _kept(guests: list[kept.KeptGuest]) -> str:
    names = ", ".join(guest.name for guest in guests)
    return f"{len(guests)} of failed tests still run ({names}); {kept.COMMAND} says how to enter and end them"


def examine(artifacts: Artifacts, accelerator: str) -> list[Check]:
    """Look at everything; a check that fails does not stop the others."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    checks = [Check("system", ok=True, seen=f"{system}, {platform.machine()}, {os.cpu_count()} cores")]
    looks: dict[str, Callable[[], Check]] = {
        "packages": _packages,
        "cache": lambda: _cache(artifacts.settings.cache_dir),
        "accelerator": lambda: _accelerator(artifacts, accelerator),
    }
    if guests := kept.living():
        looks["kept guests"] = lambda: Check("kept guests", ok=True, seen=_kept(guests))
    for name, look in looks.items():
        try:
            checks.append(look())
        except HarnessError as error:
            checks.append(Check(name, ok=False, seen=f"{error.doing}: {error.seen}", cure=error.cure))
        except OSError as error:
            checks.append(
                Check(name, ok=False, seen=str(error), cure="choose another place with --cache-dir")
            )
    return checks
