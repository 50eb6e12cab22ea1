# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report tells people and programs: the command that runs a test again, annotations, waits."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from harness.machine.journal import Journal
from harness.report.annotations import Annotation, in_repository
from harness.report.conclusion import add_properties
from harness.report.rerun import command, words
from harness.report.status import line_of
from harness.report.waits import Wait, longest


def test_a_test_is_run_again_as_it_was() -> None:
    option = SimpleNamespace(
        plugins=["harness.plugin", "no:terminal"],
        inifilename="/dev/null",
        override_ini=["timeout=300"],
        cache_dir=Path("/big cache"),
        kernel="debug",
        sut=Path("/a/sut.toml"),
        mutant=SimpleNamespace(name="no-key"),
        thorough=True,
        jobs=None,
        numprocesses=2,
    )
    environment = {"HARNESS_FLAVOUR": "asan it", "HARNESS_REPORT": "/r", "HOME": "/root"}
    found = words(option, environment, ("HARNESS_REPORT",))
    assert found == [
        *("env", "HARNESS_FLAVOUR=asan it", "python", "-m", "pytest", "-p", "harness.plugin"),
        *("-c", "/dev/null", "-o", "timeout=300"),
        *("--cache-dir=/big cache", "--kernel=debug", "--mutant=no-key", "--sut=/a/sut.toml", "--thorough"),
    ]


def test_the_command_is_quoted_for_a_shell() -> None:
    nodeid = "test_it.py::TestIt::test_it[it's $HOME; rm -rf `x`]"
    line = command(["python", "-m", "pytest"], nodeid, Path("/repo/scenarios"), Path("/repo"))
    assert shlex.split(line) == ["python", "-m", "pytest", f"scenarios/{nodeid}"]
    assert "\n" not in line


def test_an_option_that_nobody_gave_is_not_given() -> None:
    assert words(SimpleNamespace(), {}) == ["python", "-m", "pytest"]


def test_an_annotation_is_one_line_whatever_is_in_it() -> None:
    found = Annotation("scenarios/a,b.py", 12, "test_it[x:y]", "100 % wrong\r\n::set-output::it")
    assert str(found) == (
        "::error file=scenarios/a%2Cb.py,line=12,title=test_it[x%3Ay]::100 %25 wrong%0D%0A::set-output::it"
    )
    assert str(Annotation("", 0, "t", "m")) == "::error title=t::m"


@pytest.mark.parametrize(
    ("workspace", "shown"),
    [(None, "test_it.py"), ("/w", "sub/test_it.py"), ("/elsewhere", "test_it.py")],
)
def test_a_file_is_named_as_github_knows_it(workspace: str | None, shown: str) -> None:
    assert in_repository("test_it.py", Path("/w/sub"), workspace) == shown


def test_of_waits_within_each_other_the_outer_one_is_told() -> None:
    waits = [
        Wait(2.6, 10.0, "the guest to boot", "a"),
        Wait(2.59, 10.005, "'ready' from identityd", "a"),
        Wait(1.0, 10.0, "a part of it", "a"),
        Wait(2.59, 10.005, "'ready' from identityd", "b"),
        *(Wait(0.1, 20.0 + n, f"wait {n}", "a") for n in range(9)),
    ]
    found = longest(waits)
    assert [(wait.test, wait.reason) for wait in found] == [
        ("a", "the guest to boot"),
        ("b", "'ready' from identityd"),
        ("a", "a part of it"),
        ("a", "wait 0"),
        ("a", "wait 1"),
    ]
    assert str(found[0]) == "    2.6 s  the guest to boot (a)"


def test_what_is_waited_for_is_told_after_two_seconds_in_the_room_there_is() -> None:
    one, two = Journal(), Journal()
    assert line_of([one, two], 10.0, 80) == ""
    one.begins_to_wait(1, 9.0, "an answer")
    assert line_of([one, two], 10.0, 80) == ""
    two.begins_to_wait(2, 5.0, "the guest to boot")
    assert line_of([one, two], 10.0, 80) == "  waiting for the guest to boot: 5.0 s"
    assert line_of([one, two], 10.0, 20) == "  waiting for the g…"
    assert line_of([one, two], 10.0, 3) == ""
    two.waited(2, None)
    assert line_of([one, two], 10.0, 80) == ""


def test_what_a_run_stood_on_is_in_the_properties_of_junit() -> None:
    suite = ET.fromstring("<testsuite><testcase/></testsuite>")  # noqa: S314 -- our own
    add_properties(suite, ["accelerator: TCG: no KVM", "cache: /c"])
    assert [(one.get("name"), one.get("value")) for one in suite.iter("property")] == [
        ("accelerator", "TCG: no KVM"),
        ("cache", "/c"),
    ]
    add_properties(suite, [])
    assert len(suite.findall("properties")) == 1
