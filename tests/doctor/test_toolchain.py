# SPDX-License-Identifier: GPL-2.0-or-later
"""A compiler that is not the one of the guest's kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.doctor.check import Status
from harness.doctor.toolchain import compiler
from tests.doctor.staged import says, stage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def headers(tmp_path: Path) -> Path:
    """Make the headers of a kernel that gcc 12.2.0 has built."""
    folder = tmp_path / "headers"
    folder.mkdir()
    (folder / ".config").write_text('CONFIG_CC_VERSION_TEXT="gcc-12 12.2.0"\nCONFIG_GCC_VERSION=120200\n')
    (folder / ".kernelvariables").write_text("CC = $(if $(X),$(CCACHE)) $(CROSS_COMPILE)gcc-12\n")
    return folder


@pytest.mark.parametrize(
    ("version", "status"),
    [("12.2.0", Status.OK), ("12.3.1", Status.OK), ("11.4.0", Status.FAIL), ("14.2.1", Status.WARN)],
)
def test_versions(tmp_path: Path, headers: Path, version: str, status: Status) -> None:
    here = stage(
        tmp_path,
        which=lambda name: None if name == "gcc-12" else f"/usr/bin/{name}",
        run=says({"gcc -dump": (0, f"{version}\n")}),
    )
    check = compiler(here, headers)
    assert check.status is status
    assert f"gcc {version}, the guest's kernel was built by 12.2.0" in check.seen
    assert ("sudo apt-get install -y gcc-12" in check.cure) is (status is not Status.OK)


def test_the_kernels_own_compiler_is_preferred(tmp_path: Path, headers: Path) -> None:
    here = stage(tmp_path, run=says({"gcc-12 -dump": (0, "12.2.0\n"), "gcc -dump": (0, "14.2.0\n")}))
    assert compiler(here, headers).line().startswith("ok      compiler: gcc-12 12.2.0")


def test_no_compiler(tmp_path: Path, headers: Path) -> None:
    check = compiler(stage(tmp_path, run=says({"gcc": (127, "No such file")})), headers)
    assert (check.status, check.cure) == (Status.FAIL, "python -m harness doctor --install")


def test_headers_that_tell_nothing(tmp_path: Path) -> None:
    here = stage(tmp_path, run=says({"gcc": (0, "12.2.0\n")}))
    assert "not fetched yet" in compiler(here, None).seen
    assert "does not tell" in compiler(here, tmp_path).seen
    assert compiler(here, tmp_path).status is Status.OK
