# SPDX-License-Identifier: GPL-2.0-or-later
"""Missing packages by name, the line that installs them, and the same on other systems."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from bindep.depends import Depends

from harness.artifacts import REPOSITORY
from harness.doctor import packages
from harness.doctor.check import Status
from harness.errors import SetupError
from tests.doctor.staged import ARCH, FEDORA, UBUNTU, says, stage

if TYPE_CHECKING:
    from pathlib import Path

MISSING = {"bindep": (1, "gcc\nmake\n")}


def test_all_are_there(tmp_path: Path) -> None:
    assert packages.look(stage(tmp_path)).line() == "ok      packages: all of bindep.txt are installed"


def test_missing_ones_are_named_with_the_line(tmp_path: Path) -> None:
    check = packages.look(stage(tmp_path, run=says(MISSING)))
    assert (check.status, check.seen) == (Status.FAIL, "missing gcc make")
    line = "sudo apt-get install -y --no-install-recommends gcc make"
    assert check.cure == f"python -m harness doctor --install, or: {line}"
    assert "sudo" not in packages.look(stage(tmp_path, uid=0, run=says(MISSING))).cure


@pytest.mark.parametrize(
    ("release", "line"),
    [
        (
            UBUNTU,
            "python -m harness doctor --install, or: "
            "sudo apt-get install -y --no-install-recommends gcc make",
        ),
        (FEDORA, "sudo dnf install -y gcc make"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install -y gcc make"),
        (ARCH, "sudo pacman -S --needed --noconfirm gcc make"),
    ],
)
def test_other_systems_have_lines_of_their_own(tmp_path: Path, release: str, line: str) -> None:
    here = stage(tmp_path, {"etc/os-release": release}, run=says(MISSING))
    assert packages.look(here).cure == line


def test_a_system_whose_names_are_not_known(tmp_path: Path) -> None:
    here = stage(tmp_path, {"etc/os-release": 'ID=alpine\nPRETTY_NAME="Alpine Linux"\n'})
    check = packages.look(here)
    assert check.status is Status.WARN
    assert "Alpine Linux has no dpkg" in check.seen
    with pytest.raises(SetupError, match="in your system's way"):
        packages.missing_packages(here)


def test_debian_without_dpkg(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="dpkg"):
        packages.missing_packages(stage(tmp_path, which=lambda _: None))


def test_a_bindep_that_complains(tmp_path: Path) -> None:
    for said in ((1, "bindep.txt: parse error in line 3"), (2, "")):
        with pytest.raises(SetupError, match="with bindep"):
            packages.missing_packages(stage(tmp_path, run=says({"bindep": said})))


def test_installing_elsewhere_says_what_to_do(tmp_path: Path) -> None:
    here = stage(tmp_path, {"etc/os-release": FEDORA}, run=says(MISSING))
    with pytest.raises(
        SetupError, match="Fedora Linux 41 has no apt-get -- type: sudo dnf install -y gcc make"
    ):
        packages.install_packages(here)


def test_installing_as_nobody_without_sudo_names_the_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="apt-get install -y --no-install-recommends gcc make"):
        packages.install_packages(stage(tmp_path, run=says(MISSING)))


@pytest.mark.parametrize(
    ("platforms", "compiler", "library"),
    [
        (["debian", "dpkg"], "libc6-dev", "libslirp-dev"),
        (["ubuntu", "dpkg"], "libc6-dev", "libslirp-dev"),
        (["fedora", "redhat", "rpm"], "glibc-devel", "libslirp-devel"),
        (["arch", "pacman"], "glibc", "libslirp"),
    ],
)
def test_bindep_has_each_systems_names(platforms: list[str], compiler: str, library: str) -> None:
    depends = Depends((REPOSITORY / "bindep.txt").read_text())
    profiles = [f"platform:{name}" for name in platforms]
    names = [rule[0] for rule in depends.active_rules(["default", *profiles])]
    assert {compiler, library, "gcc", "make", "bison", "flex", "bc"} <= set(names)
    assert len(names) == len(set(names))
