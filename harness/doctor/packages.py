# SPDX-License-Identifier: GPL-2.0-or-later
"""The system's packages: which of bindep.txt are missing, and what installs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.doctor.check import Check, bad, doubtful, good
from harness.doctor.surroundings import Surroundings
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "packages"
APT_SECONDS = 1200
BINDEP_SECONDS = 60.0
# A system's name in /etc/os-release, or one that it is like; what asks for packages; what installs them.
MANAGERS = (
    (("debian", "ubuntu"), "dpkg-query", "apt-get install -y --no-install-recommends"),
    (("fedora", "rhel", "centos"), "rpm", "dnf install -y"),
    (("arch",), "pacman", "pacman -S --needed --noconfirm"),
)
_DOING = "looking for packages"


def _installer(surroundings: Surroundings) -> str:
    """Return the command that installs packages on this system; empty when bindep.txt has no names for it."""
    for families, asks, installs in MANAGERS:
        if surroundings.families & set(families) and surroundings.which(asks):
            return installs
    return ""


def missing_packages(surroundings: Surroundings | None = None) -> list[str]:
    """Return the packages of bindep.txt for this system that are not installed.

    Raises:
        SetupError: bindep.txt has no names for this system, or bindep cannot ask it.
    """
    here = surroundings or Surroundings()
    if not _installer(here):
        raise SetupError(
            _DOING,
            f"{here.system} has no dpkg, and bindep.txt has no names for its packages",
            "install what bindep.txt lists in your system's way",
        )
    bindep = [sys.executable, "-m", "bindep", "--brief", "--file", str(REPOSITORY / "bindep.txt")]
    done = here.run(bindep, BINDEP_SECONDS)
    words = done.text.split()
    # What is missing is one name a line; anything else is a complaint.
    if done.status not in (0, 1) or len(words) != len(done.text.splitlines()):
        seen = done.text.strip() or f"exit code {done.status}"
        raise SetupError(f"{_DOING} with bindep", seen, "see that dpkg-query and bindep run")
    return words


def install_line(packages: Sequence[str], installer: str = MANAGERS[0][2]) -> str:
    """Return the line that installs these packages."""
    return f"{installer} {' '.join(packages)}"


def look(surroundings: Surroundings) -> Check:
    """Look for the packages of bindep.txt."""
    installer = _installer(surroundings)
    try:
        missing = missing_packages(surroundings)
    except SetupError as error:
        # Another system's names are not known: that stops nothing by itself.
        return doubtful(NAME, error.seen, error.cure or "run the harness in a container of Debian 12")
    if not missing:
        return good(NAME, "all of bindep.txt are installed")
    line = surroundings.sudo + install_line(missing, installer)
    by_us = "python -m harness doctor --install, or: " if installer.startswith("apt-get") else ""
    return bad(NAME, "missing " + " ".join(missing), by_us + line)


def _as_root(packages: Sequence[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        return ["sudo"]
    raise SetupError(
        "installing packages", "you are not root and there is no sudo", f"as root: {install_line(packages)}"
    )


def install_packages(surroundings: Surroundings | None = None) -> None:
    """Install what is missing, as root or by sudo; print what apt-get prints.

    Raises:
        SetupError: there is no apt-get or no way to become root, or apt-get failed.
    """
    here = surroundings or Surroundings()
    packages = missing_packages(here)
    if not packages:
        return
    installer = _installer(here)
    if not installer.startswith("apt-get"):
        cure = f"type: {here.sudo}{install_line(packages, installer)}"
        raise SetupError("installing packages", f"{here.system} has no apt-get", cure)
    root = _as_root(packages)
    quietly = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    for command in ([*quietly, "update"], [*quietly, *install_line(packages).split()[1:]]):
        try:
            done = subprocess.run(command, check=False, timeout=APT_SECONDS)
        except subprocess.TimeoutExpired as error:
            cure = "see what holds apt, and try again"
            raise SetupError(f"running {' '.join(command)}", f"no end after {APT_SECONDS} s", cure) from error
        if done.returncode:
            raise SetupError(
                f"running {' '.join(command)}",
                f"exit code {done.returncode}",
                "see apt's lines above; is there a network?",
            )
