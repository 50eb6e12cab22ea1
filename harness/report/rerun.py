# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that runs one test again as it was run."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "HARNESS_"
# What a test does depends on these; how a run is spread, and what is written of it, is left out.
_OPTIONS = (
    "cache_dir",
    "qemu_source",
    "jobs",
    "flavour",
    "kernel",
    "mutant",
    "sut",
    "half",
    "programs",
    "accel",
    "timeout_scale",
)
_FLAGS = ("thorough",)


def words(option: Any, environment: Mapping[str, str], leave_out: Iterable[str] = ()) -> list[str]:
    """Return the words of a command, up to the name of the test.

    Args:
        option: what pytest was told (``config.option``).
        environment: the variables of the harness in it are told, too.
        leave_out: names of variables that are not.
    """
    variables = sorted(environment.keys() - set(leave_out))
    given = [f"{name}={environment[name]}" for name in variables if name.startswith(PREFIX)]
    found = [*(["env", *given] if given else []), "python", "-m", "pytest"]
    for plugin in getattr(option, "plugins", None) or ():
        # What xdist tells its workers is nothing that anybody typed.
        if plugin != "no:terminal":
            found += ["-p", plugin]
    if file := getattr(option, "inifilename", None):
        found += ["-c", str(file)]
    if root := getattr(option, "rootdir", None):
        found.append(f"--rootdir={root}")
    for setting in getattr(option, "override_ini", None) or ():
        found += ["-o", setting]
    for name in _OPTIONS:
        if (value := getattr(option, name, None)) is not None:
            found.append(f"--{name.replace('_', '-')}={_text(value)}")
    return found + [f"--{name}" for name in _FLAGS if getattr(option, name, False)]


def _text(value: Any) -> str:
    # A mutant is called by its name.
    return str(value.absolute() if isinstance(value, Path) else getattr(value, "name", value))


def command(before: Iterable[str], nodeid: str, root: Path, folder: Path) -> str:
    """Return the whole command, quoted for a shell in ``folder``.

    Args:
        before: the result of :func:`words`.
        nodeid: of the test, relative to ``root``.
        root: pytest's root folder.
        folder: where pytest was started.
    """
    path, colons, name = nodeid.partition("::")
    place = os.path.relpath(root / path, folder)
    return shlex.join([*before, f"{place}{colons}{name}"])
