# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the host's C was executed: counters of the flavour ``coverage``, and gcovr's pages over them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.artifacts import REPOSITORY, Flavour
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.artifacts import Artifacts

LINES_PERCENT, BRANCHES_PERCENT = 95, 90
GCOVR_SECONDS = 300.0
# Where our files lie in QEMU's source.
DEVICE_FOLDER = Path("src", "hw", "virtio", "cryptodev")


@dataclass(frozen=True)
class Compiled:
    """Objects of one build.

    Attributes:
        objects: the folder in which they and their counters lie.
        names: what those of ours are called, among others.
        sources: the folder of what they were compiled from.
        places: folder of a source, below ``sources`` → what it is in the repository.
    """

    objects: Path
    names: tuple[str, ...]
    sources: Path
    places: Mapping[str, str]


def _compiled(artifacts: Artifacts) -> tuple[Compiled, ...]:
    """Return what was compiled so that it counts.

    Raises:
        SetupError: what is built does not count.
    """
    if not artifacts.settings.flavour.counts:
        cure = f"set HARNESS_FLAVOUR={Flavour.COVERAGE}"
        raise SetupError("looking for counters", f"the flavour is {artifacts.settings.flavour}", cure)
    qemu, library = artifacts.qemu(), artifacts.devcrypto()
    assert qemu.tree is not None  # noqa: S101 -- a build that counts has them
    assert library.objects is not None  # noqa: S101
    device = {".": "host/qemu", "devcrypto": "host/devcrypto"}
    return (
        Compiled(qemu.tree / "build", ("*cryptodev*", "devcrypto_*"), qemu.tree / DEVICE_FOLDER, device),
        Compiled(library.objects, ("*",), REPOSITORY / "host/devcrypto", {".": "host/devcrypto"}),
    )


def reset(artifacts: Artifacts) -> int:
    """Forget what was counted so far; return how many counters there were."""
    stale = [path for build in _compiled(artifacts) for path in build.objects.rglob("*.gcda")]
    for path in stale:
        path.unlink()
    return len(stale)


def report(artifacts: Artifacts, target: Path) -> tuple[str, bool]:
    """Write pages over everything that was counted.

    Returns:
        A table as text, and whether enough was executed.

    Args:
        artifacts: what was run.
        target: a folder for the pages; ``index.html`` is the first.

    Raises:
        ArtifactError: nothing was counted.
        SetupError: gcovr is missing.
    """
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        traces = []
        for number, build in enumerate(_compiled(artifacts)):
            objects = Path(scratch) / str(number)
            objects.mkdir()
            if not _collect(build, objects):
                cure = "run scenarios in this flavour first"
                raise ArtifactError("reading counters", f"there are none in {build.objects}", cure)
            trace = Path(scratch) / f"{number}.json"
            _gcovr(["--root", str(build.sources), "--json", str(trace), str(objects)])
            trace.write_text(json.dumps(renamed(json.loads(trace.read_text()), build.places)))
            traces += ["--add-tracefile", str(trace)]
        done = _gcovr(
            [
                *(*traces, "--root", str(REPOSITORY), "--html-details", str(target / "index.html")),
                *("--html-title", "The host's C", "--txt", "-", "--txt-metric", "line", "--print-summary"),
                *("--fail-under-line", str(LINES_PERCENT), "--fail-under-branch", str(BRANCHES_PERCENT)),
            ],
            may_fail=True,
        )
        return done.stdout, done.returncode == 0


def renamed(trace: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Return gcovr's trace with each file under its name in the repository; ours are the only ones kept.

    Args:
        trace: gcovr's JSON.
        places: folder, relative to the trace's root → folder in the repository.
    """
    files = []
    for file in trace["files"]:
        path = Path(file["file"])
        if place := places.get(str(path.parent)):
            files.append({**file, "file": f"{place}/{path.name}"})
    return {**trace, "files": files}


def _collect(build: Compiled, target: Path) -> int:
    """Copy the counters of our objects, each with its notes, away from a thousand others; say how many."""
    counters = sorted({path for name in build.names for path in build.objects.rglob(f"{name}.gcda")})
    for counter in counters:
        place = target / counter.parent.name
        place.mkdir(exist_ok=True)
        for path in (counter, counter.with_suffix(".gcno")):
            shutil.copy2(path, place)
    return len(counters)


def _gcovr(options: Sequence[str], *, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gcovr", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=GCOVR_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(
            "counting with gcovr", f"no end after {GCOVR_SECONDS:.0f} s", "try again on an idle machine"
        ) from error
    if "No module named gcovr" in done.stderr:
        raise SetupError("counting with gcovr", "it is not installed", "pip install gcovr, or use tox")
    # gcovr: 2 and 4, or both, for less than was asked for.
    if done.returncode and not (may_fail and done.returncode in {2, 4, 6}):
        seen = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ArtifactError("counting with gcovr", seen, "python -m harness coverage --reset, then run again")
    return done
