# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else's sources as they are to be built, and what is said when they do not build."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

VIRTIO_ID = 30

# "path:12:3: error: …" of gcc and clang, "path:12: undefined reference to …" of ld.
_AT_A_LINE = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)? "
    r"(?:(?:fatal )?error: (?P<error>.*)|(?P<link>undefined reference to .*|multiple definition of .*))$"
)
# What has no line: modpost, ld without debug information, make without a target.
_ANYWHERE = re.compile(
    r"^ERROR: modpost: (?P<modpost>.*)$|"
    r"(?P<link>undefined reference to .*|multiple definition of .*)$|"
    r"\*\*\* (?P<make>No rule to make target .*)$"
)


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
        file: where the first error is, from the folder of the sources on; empty if the compiler names none.
        line: of that file, from 1; 0 if none is named.
        message: the compiler's, linker's or modpost's words.
    """

    def __init__(self, what: str, message: str, *, file: str = "", line: int = 0, log: str = "") -> None:
        """Say that ``what`` ("the driver") does not build, and point to the first error."""
        self.file, self.line, self.message = file, line, message
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(f"building {what}", f"does not build: {place}{message}", log and f"the log is {log}")


def first_error(what: str, output: str, folder: str, log: str = "") -> DoesNotBuildError | None:
    """Return the first error in what compilers, linkers and modpost printed; None if there is none.

    Args:
        what: what was built ("the driver").
        output: all that was printed.
        folder: where the sources were compiled; paths below it are told from there on.
        log: where the whole output is kept.
    """
    for text in output.splitlines():
        if found := _AT_A_LINE.match(text.strip()):
            message = found["error"] or found["link"]
            return DoesNotBuildError(
                what, message, file=_below(found["file"], folder), line=int(found["line"]), log=log
            )
        if found := _ANYWHERE.search(text.strip()):
            message = next(words for words in found.groups() if words)
            return DoesNotBuildError(what, message, log=log)
    return None


def _below(path: str, folder: str) -> str:
    """Return a path without all up to and including a folder's last part, where it lies below that."""
    _, found, rest = path.partition(f"{folder.rstrip('/')}/")
    return rest if found else path.removeprefix("./")
