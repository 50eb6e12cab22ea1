# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else's sources as they are to be built, and what is said when they do not build."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from pathlib import Path

VIRTIO_ID = 30

# "path:12:3: error: …" of gcc and clang, "path:12: Error: …" of as, "path:12: undefined reference to …" of
# ld, "path:12: *** missing separator.  Stop." of make.
_AT_A_LINE = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)? "
    r"(?:(?:fatal )?[eE]rror: (?P<error>.*)|\*\*\* (?P<make>.*?)(?: +Stop\.)?|"
    r"(?P<link>undefined reference to .*|multiple definition of .*))$"
)
# What has no line: modpost, a tool that does not get as far as one, ld without debug information, make
# without a target.
_ANYWHERE = re.compile(
    r"^ERROR: modpost: (?P<modpost>.*)$|"
    r"^(?:cc1|as|\S*gcc\S*|\S*clang\S*): (?:fatal )?error: (?P<tool>.*)$|"
    r"(?P<link>undefined reference to .*|multiple definition of .*)$|"
    r"\bld: (?P<unlinked>cannot find .*)$|"
    r"\*\*\* (?P<make>No rule to make target .*?)(?: +Stop\.)?$"
)
# Where something is from: "path:12:3: note: …" below an error; above it "In file included from path:12:" and
# "inlined from 'f' at path:12:3:", between which there is "In function 'f'".
_BELOW = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)? note: ")
_ABOVE = re.compile(r"^(?:In file included| +) from (?P<file>[^:\n]+):(?P<line>\d+)(?::\d+)?[:,]$")
_INLINED = re.compile(r"^ +inlined from .* at (?P<file>[^:\n]+):(?P<line>\d+)(?::\d+)?[:,]$")
_BETWEEN = re.compile(r"^(?:\S+: )?(?:In function |At top level)")
_ANOTHER = re.compile(r"^[^\s:][^:\n]*:\d+:(?:\d+:)? (?:(?:fatal )?error|warning): ")


@dataclass(frozen=True, kw_only=True)
class DriverSources:
    """A guest kernel module that is not ours.

    Attributes:
        folder: its sources; a copy of them is built, they stay as they are.
        sources: patterns of C files in the folder, where it has neither a Kbuild nor a Makefile that says
            what the module consists of; all C files if there is none.
        module: the module's name, without suffix; empty where the makefile makes only one.
        include: folders for headers, in front of the compiler's and the kernel's own.
        defines: macros, ``NAME`` or ``NAME=VALUE``.
        compat: whether the headers that make sources for Linux 3.x and 4.x compile are put before them.
    """

    folder: Path
    sources: tuple[str, ...] = ()
    module: str = ""
    include: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    compat: bool = True


@dataclass(frozen=True, kw_only=True)
class DeviceSources:
    """A QEMU device that is not ours.

    Attributes:
        folder: its sources; they stay as they are.
        sources: patterns of C files in the folder; all below it if there is none.
        include: folders for headers, in front of QEMU's own.
        defines: macros, ``NAME`` or ``NAME=VALUE``.
        type: the name of the type that goes on a virtio bus ("virtio-cryptodev-device").
        pci: the name of the type that goes on PCI ("virtio-cryptodev-pci"); where no source registers it,
            one that holds ``type`` is supplied.
        virtio_id: the device id, for sources that do not have it themselves.
        compat: whether the headers that make sources for QEMU 2.0 to 3.0 compile are put before them.
    """

    folder: Path
    sources: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    type: str
    pci: str
    virtio_id: int = VIRTIO_ID
    compat: bool = True


class DoesNotBuildError(ArtifactError):
    """Sources that are under test do not build: a finding about them, not a fault of the harness.

    Attributes:
        what: what does not build ("the driver").
        file: where the first error is, from the folder of the sources on; empty if the compiler names none.
        line: of that file, from 1; 0 if none is named.
        message: the compiler's, linker's or modpost's words.
    """

    def __init__(self, what: str, message: str, *, file: str = "", line: int = 0, log: str = "") -> None:
        """Say that ``what`` ("the driver") does not build, and point to the first error."""
        self.what, self.file, self.line, self.message = what, file, line, message
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(f"building {what}", f"does not build: {place}{message}", log and f"the log is {log}")


def matching(folder: Path, pattern: str, doing: str) -> set[Path]:
    """Return what a pattern finds in a folder.

    Raises:
        SetupError: it is a pattern for something else.
    """
    try:
        return set(folder.glob(pattern))
    except (NotImplementedError, ValueError) as error:
        seen = f"{pattern!r} is no pattern for files in {folder}"
        raise SetupError(doing, seen, "name files below it, such as *.c or hw/**/*.c") from error


def first_error(what: str, output: str, folder: str, log: str = "") -> DoesNotBuildError | None:
    """Return the first error in what compilers, linkers and modpost printed; None if there is none.

    Args:
        what: what was built ("the driver").
        output: all that was printed.
        folder: where the sources were compiled; paths below it are told from there on.
        log: where the whole output is kept.
    """
    lines = output.splitlines()
    root = f"{folder.rstrip('/')}/"
    for number, text in enumerate(lines):
        if found := _AT_A_LINE.match(text.strip()):
            message = (found["error"] or found["make"] or found["link"]).replace(root, "")
            file, line = found["file"], int(found["line"])
            if root not in file:
                # In a header of somebody else's, which has a macro that was used wrongly.
                file, line = _used_at(lines, number, root) or (file, line)
            return DoesNotBuildError(what, message, file=_below(file, root), line=line, log=log)
        if found := _ANYWHERE.search(text.strip()):
            message = next(words for words in found.groups() if words).replace(root, "")
            return DoesNotBuildError(what, message, log=log)
    return None


def _used_at(lines: list[str], number: int, root: str) -> tuple[str, int] | None:
    """Return the place below ``root`` that the error in a line goes back to; None if none is told."""
    for text in lines[number + 1 :]:
        if _ANOTHER.match(text):
            break
        if (found := _BELOW.match(text)) and root in found["file"]:
            return found["file"], int(found["line"])
    start = number
    while start and any(kind.match(lines[start - 1]) for kind in (_INLINED, _ABOVE, _BETWEEN)):
        start -= 1
    for kind in (_INLINED, _ABOVE):
        for text in lines[start:number]:
            if (found := kind.match(text)) and root in found["file"]:
                return found["file"], int(found["line"])
    return None


def _below(path: str, root: str) -> str:
    """Return a path without all up to and including a folder, where it lies below that."""
    _, found, rest = path.partition(root)
    return rest if found else path.removeprefix("./")
