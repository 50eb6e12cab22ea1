# SPDX-License-Identifier: GPL-2.0-or-later
"""Mirrors that do not answer, and what is heard from those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.doctor import network
from harness.doctor.check import Status
from tests.doctor.staged import FEDORA, says, stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOURCES = {
    "etc/apt/sources.list": (
        "deb http://mirror.example/debian bookworm main\n"
        "deb http://security.example/debian-security bookworm-security main\n"
        "deb file:/srv/debian bookworm main\n"
    )
}
ANSWERED = "HTTP/1.1 200 OK\ncontent-type: text/plain\nDate: Fri, 15 Jan 2027 08:00:00 GMT\n\nFetched\n"
UNREACHED = (
    "Err:1 http://mirror.example/debian/dists/bookworm/InRelease\n"
    "E: Failed to fetch http://mirror.example/debian/dists/bookworm/InRelease"
    "  Could not resolve 'mirror.example'\n"
    "E: Download Failed\n"
)


def test_each_address_is_asked_for_its_suite(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []
    found = network.mirrors(stage(tmp_path, SOURCES, run=says({"apt-helper": (0, ANSWERED)}, asked)))
    assert [command[-2] for command in asked] == [
        "http://mirror.example/debian/dists/bookworm/InRelease",
        "http://security.example/debian-security/dists/bookworm-security/InRelease",
    ]
    assert found.check.status is Status.OK
    assert found.server == 1_800_000_000


def test_a_mirror_that_is_not_reached(tmp_path: Path) -> None:
    found = network.mirrors(stage(tmp_path, SOURCES, run=says({"apt-helper": (100, UNREACHED)})))
    check = found.check
    assert (check.status, found.server) == (Status.FAIL, None)
    assert check.seen == "http://mirror.example/debian does not answer: Could not resolve 'mirror.example'"
    assert "proxy in /etc/apt/apt.conf.d" in check.cure


def test_a_mirror_that_never_answers(tmp_path: Path) -> None:
    here = stage(tmp_path, SOURCES, run=says({"apt-helper": (124, "no end after 8 s")}))
    assert network.mirrors(here).check.seen.endswith("does not answer: no end after 8 s")


def test_a_date_that_is_none(tmp_path: Path) -> None:
    here = stage(tmp_path, SOURCES, run=says({"apt-helper": (0, "Date: yesterday\n")}))
    assert network.mirrors(here).server is None


def test_no_sources(tmp_path: Path) -> None:
    check = network.mirrors(stage(tmp_path)).check
    assert check.status is Status.FAIL
    assert "/etc/apt/sources.list.d" in check.cure


def test_another_system_has_no_mirror_of_debians(tmp_path: Path) -> None:
    check = network.mirrors(stage(tmp_path, {"etc/os-release": FEDORA})).check
    assert (check.status, "Fedora Linux 41" in check.seen) == (Status.FAIL, True)


def test_the_python_index(tmp_path: Path) -> None:
    assert network.index(stage(tmp_path)).status is Status.OK
    said = "WARNING: Retrying\nERROR: No matching distribution found for pycotap\n"
    check = network.index(stage(tmp_path, run=says({"pip": (1, said)})))
    assert check.status is Status.FAIL
    assert "No matching distribution" in check.seen
    assert "PIP_INDEX_URL" in check.cure
    assert network.index(stage(tmp_path, run=says({"pip": (124, "")}))).status is Status.FAIL
