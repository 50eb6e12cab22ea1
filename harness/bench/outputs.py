# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a measurement leaves behind: refused before it begins, not when it is over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        seen = error.strerror or str(error)
        raise SetupError(f"writing {path}", seen, "name a file that you may write") from error


def require_writable(path: Path) -> None:
    """Try that a file can be written, and leave what is there as it is.

    Raises:
        SetupError: it cannot.
    """
    with _refusals(path):
        # Asking for permissions is not enough: root has them all, on a read-only disk as well.
        was_there = path.exists()
        with path.open("ab"):
            pass
        if not was_there:
            path.unlink()


def require_different(*paths: Path | None) -> None:
    """See that no two of some files are one; None is no file.

    Raises:
        SetupError: two are.
    """
    seen: set[Path] = set()
    for path in filter(None, paths):
        with _refusals(path):
            place = path.resolve()
        if place in seen:
            doing, what = f"writing {path}", "it is named twice: one would overwrite the other"
            raise SetupError(doing, what, "name another file")
        seen.add(place)


def make_folder(path: Path) -> None:
    """Make sure that a folder is there, with those above it.

    Raises:
        SetupError: it cannot be made.
    """
    with _refusals(path):
        path.mkdir(parents=True, exist_ok=True)


def write(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        SetupError: it can no longer be written.
    """
    with _refusals(path):
        path.write_text(text, "utf-8")
