# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: their patches can be read, and put onto the sources as they are."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import REPOSITORY
from harness.errors import ArtifactError
from harness.sut import patches
from harness.sut.mutants import Mutant, Part, device_option, known, load, option, read

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Part: driver\nBreaks: all of it\nCaught-by: test_x.py::test_y\n\n"
DIFF = "--- a/guest/driver/x.c\n+++ b/guest/driver/x.c\n@@ -2,2 +2,2 @@\n one\n-two\n+three\n"


@pytest.mark.parametrize("mutant", known().values(), ids=lambda mutant: mutant.name)
def test_it_can_be_made_of_ours(mutant: Mutant) -> None:
    for path, text in mutant.changes().items():
        assert text != (REPOSITORY / path).read_text("utf-8")


@pytest.mark.parametrize("mutant", known().values(), ids=lambda mutant: mutant.name)
def test_it_names_a_scenario_that_there_is(mutant: Mutant) -> None:
    file, _, scenario = mutant.caught_by.partition("::")
    if not mutant.benign:
        name = scenario.partition("[")[0]
        assert re.search(rf"(?m)^def {name}\(", (REPOSITORY / "scenarios" / file).read_text("utf-8"))
    re.compile(mutant.says)


@pytest.mark.parametrize("mutant", known().values(), ids=lambda mutant: mutant.name)
def test_it_is_small_and_has_a_licence(mutant: Mutant) -> None:
    path = next((REPOSITORY / "mutants").rglob(f"{mutant.name}.patch"))
    assert path.read_text("utf-8").startswith("SPDX-License-Identifier: GPL-2.0-or-later\n")
    assert path.parent.name == ("benign" if mutant.benign else mutant.part)
    changed = [line for line in mutant.patch.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
    assert len(changed) <= 40


def applied(text: str, diff: str) -> str:
    return patches.apply(text, patches.parse(diff)["guest/driver/x.c"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zero\none\ntwo\n", "zero\none\nthree\n"),
        ("one\ntwo\n", "one\nthree\n"),
        ("a\nb\nc\nd\none\ntwo\n", "a\nb\nc\nd\none\nthree\n"),
        # The nearest: line 2 is where it was.
        ("x\none\ntwo\nx\none\ntwo\n", "x\none\nthree\nx\none\ntwo\n"),
    ],
)
def test_a_hunk_is_found_where_its_lines_are(text: str, expected: str) -> None:
    assert applied(text, DIFF) == expected


def test_hunks_come_one_after_the_other() -> None:
    second = "@@ -8,2 +8,3 @@\n one\n+more\n two\n"
    text = "0\none\ntwo\n3\n4\n5\n6\none\ntwo\n"
    assert applied(text, DIFF + second) == "0\none\nthree\n3\n4\n5\n6\none\nmore\ntwo\n"


def test_the_diff_of_two_files_is_two() -> None:
    other = DIFF.replace("x.c", "y.c")
    assert list(patches.parse(f"words before\n{DIFF}diff --git a b\nindex 1..2\n{other}")) == [
        "guest/driver/x.c",
        "guest/driver/y.c",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words\n",
        "--- a/x\n+++ b/x\n",
        DIFF + "what is this\n",
        DIFF.replace("@@ -2,2 +2,2 @@", "@@ -2,3 +2,3 @@"),
    ],
)
def test_what_is_no_diff_is_refused(text: str) -> None:
    with pytest.raises(patches.PatchError):
        patches.parse(text)


def test_a_patch_that_fits_no_more_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "guest" / "driver").mkdir(parents=True)
    (tmp_path / "guest" / "driver" / "x.c").write_text("one\n2\n")
    mutant = Mutant("m", Part.DRIVER, "all", "test_x.py::test_y", "", DIFF)
    with pytest.raises(ArtifactError, match=r"making the mutant m: the lines from 'one' on are not there"):
        mutant.changes(tmp_path)


def test_a_patch_of_another_part_is_refused() -> None:
    mutant = Mutant("m", Part.CHAT, "all", "test_x.py::test_y", "", DIFF)
    with pytest.raises(ArtifactError, match=r"guest/driver/x.c is not of the part chat"):
        mutant.changes()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Part: driver", "Part: wheel", "there is no part 'wheel'"),
        ("Part: driver\n", "", "it has no line 'Part'"),
        ("Breaks: all of it\n", "", "it has no line 'Breaks'"),
        ("test_x.py::test_y", "test_x.py", "'test_x.py' is no scenario"),
        (DIFF, "", "no hunk"),
    ],
)
def test_a_head_with_a_fault_is_one_clear_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "m.patch"
    path.write_text(HEAD + DIFF)
    assert read(path) == Mutant("m", Part.DRIVER, "all of it", "test_x.py::test_y", "", DIFF)
    path.write_text((HEAD + DIFF).replace(old, new))
    with pytest.raises(ArtifactError, match=said) as caught:
        read(path)
    assert "m.patch" in str(caught.value)


def test_a_benign_one_is_caught_by_nothing(tmp_path: Path) -> None:
    (tmp_path / "benign").mkdir()
    (tmp_path / "a.patch").write_text(HEAD + DIFF)
    (tmp_path / "benign" / "b.patch").write_text("Part: driver\nBenign: only looks so\n\n" + DIFF)
    found = load(tmp_path)
    assert [(mutant.name, mutant.benign) for mutant in found.values()] == [("a", False), ("b", True)]


@pytest.mark.parametrize("names", [(), ("a/x", "b/x")])
def test_no_mutants_or_two_of_one_name_are_an_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).with_suffix(".patch").write_text(HEAD + DIFF)
    with pytest.raises(ArtifactError, match=r"there is no patch|two are called x"):
        load(tmp_path)


def test_options_name_a_mutant() -> None:
    assert option("guest-fd") is device_option("guest-fd") is known()["guest-fd"]
    with pytest.raises(argparse.ArgumentTypeError, match="there is no 'none'"):
        option("none")
