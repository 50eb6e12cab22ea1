# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder of a report while it grows: every process of a run writes a part of its own."""

from __future__ import annotations

import secrets
import shutil
import time
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.report.model import TestRecord, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TESTS, PAGE, JUNIT, ANNOTATIONS = "tests.jsonl", "index.html", "junit.xml", "annotations.txt"
# Nobody else's folder is called so; one of an earlier run that was killed is found by it.
_PARTS, _EVERY_PARTS = ".parts-{}", ".parts-" + "[0-9a-f]" * 16


class Folder:
    """Where a report is written, seen from the process that began the run.

    Attributes:
        path: the folder.
        token: the name of a file in it, which nobody else's folder has.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder, and one in it for the parts; a report that is there stays until :meth:`begin`.

        Raises:
            SetupError: nothing can be written there.
        """
        self.path, self.token = path.absolute(), secrets.token_hex(8)
        try:
            for left in self.path.glob(_EVERY_PARTS):
                shutil.rmtree(left)
            self._parts.mkdir(parents=True)
            (self._parts / self.token).touch()
        except OSError as error:
            seen = f"{self.path}: {error.strerror or error}"
            raise SetupError("beginning the report", seen, "name a folder that can be written to") from error

    @property
    def _parts(self) -> Path:
        return _parts_of(self.path, self.token)

    def begin(self) -> None:
        """Remove the report of an earlier run: what of this one is not written is not there.

        Raises:
            OSError: it cannot be removed.
        """
        for name in (TESTS, PAGE, JUNIT, ANNOTATIONS):
            (self.path / name).unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget the parts; an earlier report stays as it is."""
        shutil.rmtree(self._parts, ignore_errors=True)

    def part(self, who: str) -> Part:
        """Return the part of one process."""
        return part_of(self.path, self.token, who)

    def take(self, who: str, lines: str) -> None:
        """Take in the part of a process that cannot see this folder."""
        (self._parts / f"{who}.part").write_text(lines, "utf-8", errors="replace")

    def merge(self) -> tuple[TestRecord, ...]:
        """Put the parts together into one file, in the order in which the tests ended, and return them.

        A line that is not whole, as a process that was killed may leave, is left out.
        """
        found = sorted(
            (line for path in sorted(self._parts.glob("*.part")) for line in _lines(path)),
            key=lambda line: line[0],
        )
        records = tuple(record for _, record in found)
        (self.path / TESTS).write_text("".join(f"{dumps(record)}\n" for record in records), "utf-8")
        shutil.rmtree(self._parts)
        return records


def is_here(folder: Path, token: str) -> bool:
    """Return whether a folder of this name on this machine is the one that a run has begun."""
    return (_parts_of(folder, token) / token).is_file()


def part_of(folder: Path, token: str, who: str) -> Part:
    """Return the part of one process in a folder that another one has begun."""
    return Part(_parts_of(folder, token) / f"{who}.part")


def _parts_of(folder: Path, token: str) -> Path:
    return folder / _PARTS.format(token)


class Part:
    """Records of tests, each written as it ends; without a path they are kept until somebody takes them."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept: list[str] = []

    def add(self, record: TestRecord) -> None:
        """Write a record.

        Raises:
            OSError: it could not be written.
        """
        line = f"{time.time():.6f} {dumps(record)}\n"
        if self._path is None:
            self._kept.append(line)
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)

    @property
    def kept(self) -> str:
        """What was not written to a file."""
        return "".join(self._kept)


def _lines(path: Path) -> Iterator[tuple[float, TestRecord]]:
    for line in path.read_text("utf-8", errors="replace").splitlines():
        ended, _, text = line.partition(" ")
        try:
            yield float(ended), loads(text)
        except ValueError:
            continue
