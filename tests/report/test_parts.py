# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a report that several processes write, and the one that is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.report.model import TestRecord, loads
from harness.report.parts import TESTS, Folder, Part, is_here, part_of

if TYPE_CHECKING:
    from pathlib import Path


def _record(name: str, worker: str = "") -> TestRecord:
    return TestRecord(name, "It is so.", "passed", 1.0, worker=worker)


def test_parts_of_many_become_one_in_the_order_of_their_ends(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "report")
    one, two = part_of(folder.path, folder.token, "gw0"), folder.part("gw1")
    one.add(_record("a", "gw0"))
    two.add(_record("b", "gw1"))
    one.add(_record("c", "gw0"))
    records = folder.merge()
    assert [record.name for record in records] == ["a", "b", "c"]
    lines = (folder.path / TESTS).read_text().splitlines()
    assert tuple(map(loads, lines)) == records
    assert [path.name for path in folder.path.iterdir()] == [TESTS]


def test_what_a_killed_process_left_half_is_left_out(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    part = folder.part("gw0")
    part.add(_record("a"))
    part.add(_record("b"))
    path = tmp_path / f".parts-{folder.token}" / "gw0.part"
    path.write_text(path.read_text()[:-30])
    assert [record.name for record in folder.merge()] == ["a"]


def test_a_part_from_another_machine_is_taken_in(tmp_path: Path) -> None:
    folder, far = Folder(tmp_path), Part()
    far.add(_record("far"))
    folder.take("far1", far.kept)
    assert [record.name for record in folder.merge()] == ["far"]


def test_another_folder_of_the_same_name_is_not_this_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "report")
    assert is_here(folder.path, folder.token)
    assert not is_here(folder.path, "another")
    assert not is_here(tmp_path / "elsewhere", folder.token)


def test_an_earlier_report_goes_and_nothing_else(tmp_path: Path) -> None:
    for name in ("index.html", "tests.jsonl", "junit.xml", "annotations.txt", "notes.txt"):
        (tmp_path / name).touch()
    for name in ("parts", ".parts-mine", f".parts-{'0' * 16}"):
        (tmp_path / name).mkdir()
    folder = Folder(tmp_path)
    folder.begin()
    folder.merge()
    kept = [".parts-mine", "notes.txt", "parts", "tests.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert (tmp_path / "tests.jsonl").read_text() == ""


def test_a_run_that_was_refused_leaves_an_earlier_report(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    Folder(tmp_path).discard()
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"^beginning the report: .*file/report: Not a directory -- name a"):
        Folder(tmp_path / "file" / "report")
