# SPDX-License-Identifier: GPL-2.0-or-later
"""The system: another distribution, an old Python or tox, a sandbox, a wrong clock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.doctor import basics
from harness.doctor.check import Status
from tests.doctor.staged import ARCH, DEBIAN, FEDORA, NOW, UBUNTU, says, stage

if TYPE_CHECKING:
    from pathlib import Path


def test_debian_12_is_the_one(tmp_path: Path) -> None:
    check = basics.system(stage(tmp_path))
    assert check.line() == "ok      system: Debian GNU/Linux 12 (bookworm), x86_64, 2 cores"


@pytest.mark.parametrize("release", [UBUNTU, FEDORA, ARCH, "", "NAME=Tiny\n"])
def test_another_distribution_is_given_a_container(tmp_path: Path, release: str) -> None:
    check = basics.system(stage(tmp_path, {"etc/os-release": release}))
    assert check.status is Status.FAIL
    assert check.cure.startswith("podman run --rm -it ")
    assert "debian:12" in check.cure
    assert "tox -e vm" in check.cure


def test_another_debian_is_doubtful(tmp_path: Path) -> None:
    other = DEBIAN.replace("bookworm", "forky")
    assert basics.system(stage(tmp_path, {"etc/os-release": other})).status is Status.WARN


def test_another_processor_fails(tmp_path: Path) -> None:
    check = basics.system(stage(tmp_path, machine="aarch64"))
    assert (check.status, check.cure) == (Status.FAIL, "use an x86-64 machine")


@pytest.mark.parametrize(
    ("version", "status"), [((3, 11, 0), Status.OK), ((3, 13, 1), Status.OK), ((3, 10, 9), Status.FAIL)]
)
def test_python(tmp_path: Path, version: tuple[int, ...], status: Status) -> None:
    check = basics.python(stage(tmp_path, python=version))
    assert check.status is status
    assert (check.cure == "") is (status is Status.OK)


@pytest.mark.parametrize(
    ("said", "status", "seen"),
    [
        ((0, "4.23.2 from /usr/lib/tox"), Status.OK, "4.23.2"),
        ((0, "3.28.0 imported from /usr/lib"), Status.OK, "3.28.0; it fetches 4.20"),
        ((0, "2.9.1 imported from /usr/lib"), Status.WARN, "too old for tox.ini"),
        (
            (1, "Traceback (most recent call last):\nImportError: no pluggy\n"),
            Status.WARN,
            "ImportError: no pluggy",
        ),
    ],
)
def test_tox(tmp_path: Path, said: tuple[int, str], status: Status, seen: str) -> None:
    check = basics.tox(stage(tmp_path, run=says({"tox": said})))
    assert check.status is status
    assert seen in check.seen
    assert status is Status.OK or check.cure == "pip install 'tox>=4.20'"


def test_no_tox_at_all(tmp_path: Path) -> None:
    check = basics.tox(stage(tmp_path, which=lambda _: None))
    assert (check.status, check.cure) == (Status.WARN, "pip install 'tox>=4.20'")


def test_a_kernel_without_memfd(tmp_path: Path) -> None:
    check = basics.host_kernel(
        stage(tmp_path, {"proc/sys/kernel/osrelease": "3.10.0\n"}, memfd=lambda: "Function not implemented")
    )
    assert check.status is Status.FAIL
    assert "3.10.0: no memfd_create (Function not implemented)" in check.seen
    assert "Linux 3.17" in check.cure


def test_a_machine_without_setpriv(tmp_path: Path) -> None:
    check = basics.host_kernel(stage(tmp_path, which=lambda _: None))
    assert check.cure == "sudo apt-get install -y util-linux"


def test_a_setpriv_that_is_too_old(tmp_path: Path) -> None:
    answers = {"setpriv": (1, "setpriv: unrecognized option '--pdeathsig'\n")}
    check = basics.host_kernel(stage(tmp_path, run=says(answers)))
    assert check.status is Status.FAIL
    assert "unrecognized option" in check.seen


DENIED = {"unshare": (1, "unshare: unshare failed: Operation not permitted\n")}


@pytest.mark.parametrize(
    ("files", "cure"),
    [
        (
            {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            {"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
            "sudo sysctl kernel.unprivileged_userns_clone=1",
        ),
        ({"proc/sys/user/max_user_namespaces": "0\n"}, "sudo sysctl user.max_user_namespaces=10000"),
        ({}, "start the container with --security-opt seccomp=unconfined, or run as root"),
    ],
)
def test_no_user_namespaces(tmp_path: Path, files: dict[str, str], cure: str) -> None:
    check = basics.namespaces(stage(tmp_path, files, run=says(DENIED)))
    assert (check.status, check.cure) == (Status.WARN, cure)
    assert "Operation not permitted" in check.seen


def test_root_of_a_container_without_its_powers(tmp_path: Path) -> None:
    asked: list[object] = []
    check = basics.namespaces(stage(tmp_path, uid=0, run=says(DENIED, asked)))  # type: ignore[arg-type]
    assert "SYS_ADMIN" in check.cure
    assert "-r" not in asked[0]  # type: ignore[operator]


def test_namespaces_that_can_be_made(tmp_path: Path) -> None:
    assert basics.namespaces(stage(tmp_path)).status is Status.OK


def test_a_clock_that_was_never_set(tmp_path: Path) -> None:
    check = basics.clock(stage(tmp_path, now=lambda: 86400.0), [])
    assert check.status is Status.FAIL
    assert "1970-01-02" in check.seen
    assert check.cure.startswith("sudo timedatectl set-ntp true")


@pytest.mark.parametrize(("hours", "word"), [(-30, "30.0 hours ahead of"), (30, "30.0 hours behind")])
def test_a_clock_that_differs_from_the_mirrors(tmp_path: Path, hours: int, word: str) -> None:
    check = basics.clock(stage(tmp_path), [], server=NOW + hours * 3600)
    assert check.status is Status.FAIL
    assert word in check.seen


def test_files_from_the_future(tmp_path: Path) -> None:
    late = tmp_path / "late"
    late.touch()
    os.utime(late, (NOW + 7200, NOW + 7200))
    check = basics.clock(stage(tmp_path), [tmp_path / "none", late])
    assert check.status is Status.WARN
    assert f"touch {late}" in check.cure


def test_a_clock_that_is_right(tmp_path: Path) -> None:
    check = basics.clock(stage(tmp_path), [tmp_path / "none"], server=NOW + 20)
    assert check.line() == "ok      clock: 2027-01-15 08:00 UTC, as the mirror's"
