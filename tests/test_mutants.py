# SPDX-License-Identifier: GPL-2.0-or-later
"""The broken devices can still be made of the sources as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.artifacts import REPOSITORY
from harness.errors import ArtifactError
from harness.sut.mutants import MUTANTS, Edit, Mutant

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_it_can_be_made_of_ours(mutant: Mutant) -> None:
    changes = mutant.changes(REPOSITORY)
    assert changes.keys() == {edit.file for edit in mutant.edits}
    for edit in mutant.edits:
        assert edit.new in changes[edit.file]
        assert changes[edit.file] != (REPOSITORY / edit.file).read_text("utf-8")


@pytest.mark.parametrize(("text", "count"), [("b c", 0), ("a a", 2)])
def test_an_edit_that_does_not_fit_is_one_clear_line(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "x.c").write_text(text)
    mutant = Mutant("m", "is wrong", (Edit("x.c", "a", "z"),))
    with pytest.raises(ArtifactError, match=rf"making the mutant m: 'a' occurs {count} times in x.c"):
        mutant.changes(tmp_path)
