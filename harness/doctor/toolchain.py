# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiler: the one that builds modules is to be the one that the guest's kernel was built with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.artifacts.compile import INSTALL_CURE, kernel_compiler
from harness.doctor.check import Check, bad, doubtful, good

if TYPE_CHECKING:
    from pathlib import Path

    from harness.doctor.surroundings import Surroundings

NAME = "compiler"
PROGRAM_SECONDS = 20.0


def kernels_gcc(headers: Path) -> str:
    """Return the version of the gcc that a kernel was built with ("12.2.0"); empty when it does not tell."""
    try:
        text = (headers / ".config").read_text()
    except OSError:
        return ""
    # scripts/cc-version.sh writes 12.2.0 as 120200.
    found = re.search(r"^CONFIG_GCC_VERSION=(\d+)", text, re.MULTILINE)
    number = int(found[1]) if found else 0
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}" if number else ""


def compiler(here: Surroundings, headers: Path | None) -> Check:
    """Compare the machine's gcc with the one of the guest's kernel.

    Args:
        here: the machine.
        headers: the kernel's headers; None where they are not fetched yet.
    """
    program = kernel_compiler(headers, here.which) if headers else "gcc"
    told = here.run([program, "-dumpfullversion", "-dumpversion"], PROGRAM_SECONDS)
    found = re.search(r"^(\d+)\.\S+", told.text)
    if told.status or found is None:
        return bad(NAME, f"{program} does not run", INSTALL_CURE)
    if headers is None:
        return good(NAME, f"{program} {found[0]}; the kernel's headers are not fetched yet")
    wanted = kernels_gcc(headers)
    if not wanted:
        return good(NAME, f"{program} {found[0]}; the guest's kernel does not tell its own")
    major = int(wanted.partition(".")[0])
    seen = f"{program} {found[0]}, the guest's kernel was built by {wanted}"
    cure = f"{here.sudo}apt-get install -y gcc-{major} (it is then taken by itself)"
    if int(found[1]) < major:
        return bad(NAME, f"{seen}: an older gcc does not know all that its headers ask for", cure)
    if int(found[1]) > major:
        return doubtful(NAME, f"{seen}: a newer gcc may warn or fail", cure)
    return good(NAME, seen)
