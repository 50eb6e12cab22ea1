# SPDX-License-Identifier: GPL-2.0-or-later
"""Counters of the host's C: whose they are, and what is said when there are none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from harness import coverage
from harness.artifacts import Artifacts, Flavour, Progress, Settings
from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_gets_its_name_in_the_repository() -> None:
    places = {".": "host/qemu", "lib": "host/lib"}
    trace = {
        "gcovr/format_version": "0.11",
        "files": [
            {"file": "a.c", "lines": [1]},
            {"file": "lib/a.c", "lines": [2]},
            {"file": "../other.c", "lines": [3]},
            {"file": "lib/deeper/a.c", "lines": [4]},
        ],
    }
    assert coverage.renamed(trace, places) == {
        "gcovr/format_version": "0.11",
        "files": [{"file": "host/qemu/a.c", "lines": [1]}, {"file": "host/lib/a.c", "lines": [2]}],
    }


def test_a_build_that_does_not_count_is_refused(tmp_path: Path) -> None:
    artifacts = Artifacts(Settings(tmp_path, None, 1, Flavour.PLAIN), Progress(io.StringIO()))
    with pytest.raises(SetupError, match="the flavour is plain -- set HARNESS_FLAVOUR=coverage"):
        coverage.report(artifacts, tmp_path / "pages")
    assert not list((tmp_path / "pages").iterdir())
