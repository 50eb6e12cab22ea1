# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documentation tells a reader to write is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page):
    """Return the pieces of Python on a page."""
    return _PYTHON.findall((DOCS / page).read_text())


def test_the_tutorial(inner_run):
    """The tutorial's scenario fails for the right reason, is mended, and catches the fault that is put in."""
    first, mended, second = blocks("tutorial.md")
    wrong = inner_run(first)
    assert "assert 22 == 25" in wrong.finish(seconds=240)
    lines = first.splitlines(keepends=True)
    right = "".join(lines[:-1]) + mended
    output = inner_run(right + second).finish(seconds=240)
    assert "2 passed" in output
    output = inner_run(right, "--mutant=unknown-ioctl-succeeds").finish(seconds=240)
    assert "assert 0 == 22" in output


@pytest.mark.parametrize(
    "page", ["how-to/write-a-scenario.md", "how-to/test-another-device.md", "how-to/programs.md"]
)
def test_a_guide(inner_run, page):
    """Each test of a guide passes."""
    source = "\n".join(blocks(page))
    output = inner_run(source).finish(seconds=480)
    assert f"{source.count('def test_')} passed" in output
