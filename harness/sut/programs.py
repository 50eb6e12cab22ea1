# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs written for /dev/crypto, by whomever: compiled as they are, run in the guest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts.settings import source_folder
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from harness.machine import VirtualMachine

PROGRAMS_VARIABLE = "HARNESS_PROGRAMS"
RUN_SECONDS = 120.0
COMPILE_SECONDS = 120.0

_CURE = "mend the program, or leave it out"
_MAIN = re.compile(r"\bmain\s*\([^()]*\)\s*\{")
_ERROR = re.compile(r"error:|undefined reference|cannot find")
# ENABLE_ASYNC is what cryptodev-linux's own programs ask for where a device has the asynchronous calls.
# They are older than C99's inline, which defines a function only where something says so once more.
# Not optimized, as with their makefiles: some wait for a variable of a signal handler that is not volatile.
_COMPILE = ("cc", "-w", "-fgnu89-inline", "-DENABLE_ASYNC", "-pthread")
# After a program's own: the guest has no libraries to load, and OpenSSL is what programs compare with.
_LIBRARIES = ("-lcrypto", "-lm")


def _has_main(source: Path) -> bool:
    return _MAIN.search(source.read_text(errors="replace")) is not None


def programs_in(folder: Path) -> list[Path]:
    """Return the C files of a folder that define ``main()``, in the order of their names."""
    return [source for source in sorted(folder.glob("*.c")) if _has_main(source)]


def programs_of(folder: Path | None) -> list[Path]:
    """Return the programs of the folder that the option or ``HARNESS_PROGRAMS`` names; none without a folder.

    Raises:
        SetupError: there is no such folder, or no program in it.
    """
    given = folder or os.environ.get(PROGRAMS_VARIABLE)
    if not given:
        return []
    found = programs_in(Path(given).expanduser().absolute())
    if not found:
        doing = f"reading {PROGRAMS_VARIABLE} or --programs"
        raise SetupError(doing, f"there is no C file with a main() in {given}", "name another folder")
    return found


def compiled(source: Path, folder: Path) -> Path:
    """Return a program, compiled into a folder.

    It finds our header as ``crypto/cryptodev.h``, headers beside it, and what the C files beside it that have
    no ``main()`` define.  It is linked statically, with libcrypto if it wants it.

    Raises:
        ArtifactError: it does not compile; the compiler's first error.
    """
    doing = f"compiling {source.name}"
    helpers, trouble = [], []
    for helper in sorted(set(source.parent.glob("*.c")) - set(programs_in(source.parent))):
        built = folder / f"{helper.stem}.o"
        if error := _failure(*_COMPILE, *_include(), "-c", helper, "-o", built):
            trouble.append(error)
        else:
            helpers.append(built)
    archive = folder / "beside.a"
    # From an archive only what is missing is taken: two files beside may define the same.
    if error := _failure("ar", "rcs", archive, *helpers):
        raise ArtifactError(doing, error, _CURE)
    program = folder / source.stem
    link = ("-static", source, archive, *_LIBRARIES, "-o", program)
    if error := _failure(*_COMPILE, *_include(), *link):
        raise ArtifactError(doing, "; ".join([error, *trouble]), _CURE)
    return program


def run(machine: VirtualMachine, source: Path, folder: Path) -> str:
    """Compile a program into a folder, put it into a guest, run it to its good end, and return its output.

    Raises:
        ArtifactError: it does not compile.
        CommandFailedError: its status is not 0; with its output.
        WaitTimeoutError: it did not end.
        AssertionError: the driver said something to the kernel's log.
    """
    place = f"/run/{source.stem}"
    machine.succeed(f"cat >{place} && chmod 755 {place}", stdin=compiled(source, folder).read_bytes())
    before = _driver_messages(machine)
    output = machine.succeed(f"{place} 2>&1", timeout=RUN_SECONDS)
    if said := _driver_messages(machine)[len(before) :]:
        raise AssertionError("\n".join([f"{source.name} made the kernel say:", *said, "it printed:", output]))
    return output


def _include() -> tuple[str, ...]:
    return ("-I", str(source_folder("guest/include")))


def _failure(*command: str | Path) -> str:
    """Run a compiler; return its first error, or nothing if it succeeded."""
    try:
        done = subprocess.run(
            command,
            # Its errors are looked for by their English names.
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMPILE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        seen = f"{command[0]} does not run: {error}"
        raise SetupError("compiling a program", seen, "python -m harness doctor --install") from error
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return next(filter(_ERROR.search, lines), lines[0] if lines else f"status {done.returncode}")


def _driver_messages(machine: VirtualMachine) -> list[str]:
    """Return what the driver has said; what the kernel says in trouble, the harness watches anyway."""
    return [line for line in machine.succeed("dmesg").splitlines() if "virtio" in line or "crypto" in line]
