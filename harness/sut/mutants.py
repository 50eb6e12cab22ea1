# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: our own parts with one fault each, as implementations in the wild have them.

Each is a patch in the folder ``mutants``, with a few lines in front of the diff::

    Part: driver
    Breaks: forgets the lock of the queue when it is full
    Caught-by: test_crypto_many.py::test_memory_is_level
    Says: did not end

``Says``, which may be left out, is a regular expression that is found in what the failure tells.  A patch in
``mutants/benign`` has ``Benign:`` instead, and nothing catches it: it differs from ours, and is right.
"""

from __future__ import annotations

import argparse
import enum
import functools
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import ArtifactError, HarnessError, SetupError
from harness.sut import patches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = "mutants"
BENIGN = "benign"
_HEADER = re.compile(r"(Part|Breaks|Benign|Caught-by|Says): *(.*)")
_SCENARIO = re.compile(r"test_\w+\.py::\w+(\[.*\])?")


class Part(enum.StrEnum):
    """A part of the system under test that a mutant is made of."""

    DRIVER = "driver"
    DEVICE = "device"
    DEVCRYPTO = "devcrypto"
    CHAT = "chat"

    @property
    def folder(self) -> str:
        """Where its sources are, in the repository."""
        match self:
            case Part.DRIVER | Part.CHAT:
                return f"guest/{self}"
            case Part.DEVICE:
                return "host/qemu"
            case Part.DEVCRYPTO:
                return "host/devcrypto"

    @property
    def in_device(self) -> bool:
        """Whether a fault in it is one of the device."""
        return self in (Part.DEVICE, Part.DEVCRYPTO)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Which files of scenarios can tell something of it, by patterns; the quickest come first."""
        guest = ("test_driver*.py", "test_crypto_*.py", "test_chat_guest.py")
        match self:
            case Part.DRIVER:
                return (*guest, "test_save_and_restore.py")
            case Part.DEVICE:
                return ("test_qtest_*.py", *guest, "test_save_and_restore.py")
            case Part.DEVCRYPTO:
                return ("test_devcrypto*.py", "test_qtest_*.py", *guest)
            case Part.CHAT:
                return ("test_chat_*.py",)


@dataclass(frozen=True)
class Mutant:
    """A part with one fault, or with none.

    Attributes:
        name: for files and reports; its patch is called so.
        part: what is changed.
        breaks: what it does wrong, as a sentence without its subject; of a benign one, what differs.
        caught_by: the scenario that is there for it, ``file.py::test_name``; empty if it is benign.
        says: a regular expression for what that scenario's failure tells; empty if any will do.
        patch: a unified diff against the repository.
    """

    name: str
    part: Part
    breaks: str
    caught_by: str
    says: str
    patch: str

    @property
    def benign(self) -> bool:
        """Whether it is right, and is to pass everything."""
        return not self.caught_by

    def changes(self, repository: Path = REPOSITORY) -> dict[str, str]:
        """Return the files that differ: path in the repository → text.

        Raises:
            ArtifactError: the sources have changed so that a hunk fits no more.
        """
        changed: dict[str, str] = {}
        try:
            for path, hunks in patches.parse(self.patch).items():
                if not path.startswith(f"{self.part.folder}/"):
                    raise patches.PatchError(f"{path} is not of the part {self.part}")
                changed[path] = patches.apply((repository / path).read_text("utf-8"), hunks)
        except (OSError, patches.PatchError) as error:
            raise ArtifactError(
                f"making the mutant {self.name}", str(error), f"adapt {FOLDER}/**/{self.name}.patch"
            ) from error
        return changed


def read(path: Path) -> Mutant:
    """Read one patch; its name and its folder count, too.

    Raises:
        ArtifactError: it cannot be read, or a line of its head is missing or wrong.
    """
    doing = f"reading the mutant {path.name}"
    try:
        text = path.read_text("utf-8")
        patches.parse(text)
    except (OSError, ValueError) as error:
        raise ArtifactError(doing, str(error), "docs/mutants.md has the form") from error
    head, _, diff = text.partition("\n--- ")
    matches = filter(None, map(_HEADER.fullmatch, head.splitlines()))
    words = {match[1]: match[2] for match in matches}
    benign = path.parent.name == BENIGN
    for name in ("Part", "Benign") if benign else ("Part", "Breaks", "Caught-by"):
        if not words.get(name):
            raise ArtifactError(doing, f"it has no line {name!r}", f"see {__name__}")
    caught_by, part = "" if benign else words["Caught-by"], words["Part"]
    if part not in list(Part):
        raise ArtifactError(doing, f"there is no part {part!r}", f"it is one of {', '.join(Part)}")
    if not benign and not _SCENARIO.fullmatch(caught_by):
        raise ArtifactError(doing, f"{caught_by!r} is no scenario", "name file.py::test_name")
    breaks = words["Benign" if benign else "Breaks"]
    return Mutant(path.stem, Part(part), breaks, caught_by, words.get("Says", ""), f"--- {diff}")


def load(folder: Path) -> Mapping[str, Mutant]:
    """Read all patches below a folder: name → mutant, in the order of parts and names, benign ones last.

    Raises:
        ArtifactError: there is none, one cannot be read, or two have the same name.
    """
    found: dict[str, Mutant] = {}
    for path in sorted(folder.rglob("*.patch"), key=lambda path: (path.parent.name == BENIGN, path)):
        mutant = read(path)
        if mutant.name in found:
            raise ArtifactError(
                f"reading the mutants in {folder}", f"two are called {mutant.name}", "rename one"
            )
        found[mutant.name] = mutant
    if not found:
        raise ArtifactError(
            f"reading the mutants in {folder}",
            "there is no patch",
            "python -m harness runs from its repository",
        )
    return MappingProxyType(found)


@functools.cache
def known() -> Mapping[str, Mutant]:
    """Return the mutants of the repository: name → mutant.

    Raises:
        ArtifactError: see :func:`load`.
    """
    return load(REPOSITORY / FOLDER)


def named(name: str) -> Mutant:
    """Return the mutant of a name.

    Raises:
        SetupError: there is none.
    """
    if name not in known():
        raise SetupError(
            "looking for the mutant", f"there is no {name!r}", "python -m harness mutants --list names them"
        )
    return known()[name]


def option(text: str) -> Mutant:
    """Read an option's value.

    Raises:
        argparse.ArgumentTypeError: there is no such mutant, or they cannot be read.
    """
    try:
        return named(text)
    except HarnessError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def device_option(text: str) -> Mutant:
    """Read an option's value that has to be a fault of the device.

    Raises:
        argparse.ArgumentTypeError: there is no such mutant, or it is of another part.
    """
    mutant = option(text)
    if not mutant.part.in_device:
        raise argparse.ArgumentTypeError(f"{text} is a mutant of the {mutant.part}, not of the device")
    return mutant
