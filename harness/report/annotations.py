# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures as GitHub shows them beside the source: workflow commands, a line each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOST_CHARACTERS = 4000


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


@dataclass(frozen=True)
class Annotation:
    """A failure at its place.

    Attributes:
        file: of the test, relative to the repository.
        line: of that file, from 1; 0 if it is not known.
        title: which test.
        message: in any number of lines.
    """

    file: str
    line: int
    title: str
    message: str

    def __str__(self) -> str:
        where = [f"file={_property(self.file)}"] if self.file else []
        where += [f"line={self.line}"] if self.line else []
        where.append(f"title={_property(self.title)}")
        return f"::error {','.join(where)}::{_data(self.message[:_MOST_CHARACTERS])}"


def in_repository(file: str, root: Path, workspace: str | None) -> str:
    """Return a file below ``root`` as GitHub calls it, which has the repository at ``workspace``."""
    path = root / file
    if workspace and path.is_relative_to(workspace):
        return os.path.relpath(path, workspace)
    return file
