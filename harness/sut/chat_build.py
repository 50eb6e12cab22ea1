# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of a chat of whomever, compiled as they are for the host and for the guest."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifacts.foreign import DoesNotBuildError, first_error
from harness.artifacts.settings import source_folder
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.sut.chat_spec import ChatSpec

COMPILE_SECONDS = 120.0
ENDS = ("client", "server")

# What compilers of their day let pass, younger ones do not.
_LENIENT = (
    "-w",
    "-fgnu89-inline",
    "-Wno-error=implicit-function-declaration",
    "-Wno-error=implicit-int",
    "-Wno-error=int-conversion",
    "-Wno-error=incompatible-pointer-types",
)
# Dynamic, to be led to where they are watched; but the guest has no other library than the C library.
_LIBRARIES = ("-Wl,-Bstatic", "-lcrypto", "-Wl,-Bdynamic", "-pthread", "-ldl", "-lm")
# The C library aborts where it is told to write past the end of an object that the compiler knows.
_CHECKED = ("-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all")
_INTERPRETER = b"/ld-linux"


@dataclass(frozen=True)
class ChatPrograms:
    """A chat's programs, ready to be started.

    Attributes:
        client: the client's file; None if the shell is to look for it.
        server: the server's.
        shim: the library of ``guest/chatshim``, which is preloaded into them.
    """

    client: Path | None
    server: Path | None
    shim: Path

    def end(self, name: str) -> Path | None:
        """Return the file of the ``client`` or the ``server``."""
        return {"client": self.client, "server": self.server}[name]


def build(
    spec: ChatSpec, folder: Path, *, checked: bool = False, ready: Mapping[str, Path] | None = None
) -> ChatPrograms:
    """Compile a chat's programs into an empty folder; what is there already compiled is taken as it is.

    They find our header as ``crypto/cryptodev.h`` and headers beside them.

    Args:
        spec: the chat.
        folder: where to.
        checked: compile them so that a write past the end of an object ends a program, where the compiler
            knows how big it is.
        ready: programs that the specification names only: ``client`` or ``server`` → file.

    Raises:
        DoesNotBuildError: a source does not compile; the first error, its file and line.
        SetupError: there is no compiler, or a program cannot be watched.
    """
    found: dict[str, Path | None] = {}
    for name in ENDS:
        end = spec.end(name)
        if end.sources and spec.folder is not None:
            found[name] = _compiled(f"the chat's {name}", end.sources, spec.folder, folder / name, checked)
        elif spec.folder is not None:
            found[name] = _dynamic(spec.folder / end.command[0])
        else:
            found[name] = (ready or {}).get(name)
    return ChatPrograms(found["client"], found["server"], _shim(folder))


def _compiled(what: str, sources: Sequence[str], start: Path, program: Path, checked: bool) -> Path:  # noqa: FBT001
    headers = source_folder("guest/include")
    include = ("-I", ".", "-I", headers, "-I", headers / "crypto")
    options = (*_LENIENT, "-g", *(_CHECKED if checked else ()), *include)
    output = _failure(("cc", *options, *sources, *_LIBRARIES, "-o", program.absolute()), start)
    if output:
        lines = [line for line in output.splitlines() if line.strip()]
        # The linker says its own name first.
        told = "\n".join(line.partition("/ld: ")[2] or line for line in lines)
        raise first_error(what, told, str(start)) or DoesNotBuildError(what, lines[-1] if lines else "?")
    return program


def _dynamic(program: Path) -> Path:
    """Return a program that is there already, if a library can be preloaded into it."""
    doing = f"looking at {program.name}"
    head = program.read_bytes()
    if head.startswith(b"\x7fELF") and _INTERPRETER not in head[:4096]:
        seen = "it is linked statically: what it sends cannot be watched"
        raise SetupError(doing, seen, "link it dynamically, or name its sources")
    return program


def _shim(folder: Path) -> Path:
    library, source = folder / "chatshim.so", source_folder("guest/chatshim") / "chatshim.c"
    command = ("cc", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", source, "-o", library.absolute(), "-ldl")
    if output := _failure(command, folder):
        raise ArtifactError("building the chat's shim", output, "python -m harness doctor --install")
    return library


def _failure(command: Sequence[str | Path], folder: Path) -> str:
    """Run a compiler in a folder; return what it says, or nothing if it succeeded."""
    if shutil.which(str(command[0])) is None:
        raise SetupError(
            "compiling the chat", f"there is no {command[0]}", "python -m harness doctor --install"
        )
    done = subprocess.run(
        command,
        cwd=folder,
        # Its errors are looked for by their English names.
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=COMPILE_SECONDS,
    )
    return "" if done.returncode == 0 else done.stderr or f"status {done.returncode}"
