# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the host's C was executed: counters of the flavour ``coverage``, and gcovr's pages over them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.artifacts import REPOSITORY, Flavour
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.artifacts import Artifacts

LINES_PERCENT, BRANCHES_PERCENT = 95, 90
GCOVR_SECONDS = 300.0
# Where our files lie in QEMU's source, and where in the repository.
DEVICE_FOLDER = Path("src", "hw", "virtio", "cryptodev")
_OBJECTS = ("*cryptodev*", "devcrypto_*")


def _folders(artifacts: Artifacts) -> dict[Path, dict[Path, str]]:
    """Return the folders of objects: in each, the folders of sources and what they are in the repository.

    Raises:
        SetupError: what is built does not count.
    """
    if not artifacts.settings.flavour.counts:
        cure = f"set HARNESS_FLAVOUR={Flavour.COVERAGE}"
        raise SetupError("looking for counters", f"the flavour is {artifacts.settings.flavour}", cure)
    qemu, library = artifacts.qemu(), artifacts.devcrypto()
    assert qemu.tree is not None  # noqa: S101 -- a build that counts has them
    assert library.objects is not None  # noqa: S101
    device = (qemu.tree / DEVICE_FOLDER).resolve()
    return {
        qemu.tree / "build": {device / "devcrypto": "host/devcrypto", device: "host/qemu"},
        library.objects: {(REPOSITORY / "host/devcrypto").resolve(): "host/devcrypto"},
    }


def reset(artifacts: Artifacts) -> int:
    """Forget what was counted so far; return how many counters there were."""
    stale = [path for folder in _folders(artifacts) for path in folder.rglob("*.gcda")]
    for path in stale:
        path.unlink()
    return len(stale)


def report(artifacts: Artifacts, target: Path) -> str:
    """Write pages over everything that was counted; return the summary as text.

    Args:
        artifacts: what was run.
        target: a folder for the pages; ``index.html`` is the first.

    Raises:
        ArtifactError: nothing was counted, or too few lines or branches were executed.
        SetupError: gcovr is missing.
    """
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        traces = []
        for number, (folder, sources) in enumerate(_folders(artifacts).items()):
            objects = Path(scratch) / str(number)
            objects.mkdir()
            if not _collect(folder, objects):
                cure = "run scenarios in this flavour first"
                raise ArtifactError("reading counters", f"there are none in {folder}", cure)
            trace = Path(scratch) / f"{number}.json"
            filters = [option for source in sources for option in ("--filter", f"{source}/")]
            _gcovr([*filters, "--root", "/", "--json", str(trace), str(objects)])
            trace.write_text(json.dumps(renamed(json.loads(trace.read_text()), sources)))
            traces += ["--add-tracefile", str(trace)]
        return _gcovr(
            [
                *(*traces, "--root", str(REPOSITORY), "--html-details", str(target / "index.html")),
                *("--html-title", "The host's C", "--txt", "-", "--txt-metric", "line"),
                *("--print-summary", "--exclude-throw-branches", "--exclude-unreachable-branches"),
                *("--fail-under-line", str(LINES_PERCENT), "--fail-under-branch", str(BRANCHES_PERCENT)),
            ]
        )


def renamed(trace: Mapping[str, Any], sources: Mapping[Path, str]) -> dict[str, Any]:
    """Return gcovr's trace with each file under its name in the repository; ours are the only ones kept.

    Args:
        trace: gcovr's JSON, its paths relative to the root of the file system.
        sources: folder of sources → folder in the repository; the first that fits counts.
    """
    files = []
    for file in trace["files"]:
        path = Path("/") / file["file"]
        for folder, place in sources.items():
            if path.parent == folder:
                files.append({**file, "file": f"{place}/{path.name}"})
                break
    return {**trace, "files": files}


def _collect(folder: Path, target: Path) -> int:
    """Copy the counters of our objects, each with its notes, away from a thousand others; say how many."""
    found = 0
    for counter in sorted(folder.rglob("*.gcda")):
        if any(counter.match(f"{pattern}.gcda") for pattern in _OBJECTS) or folder.name != "build":
            place = target / counter.parent.name
            place.mkdir(exist_ok=True)
            for path in (counter, counter.with_suffix(".gcno")):
                shutil.copy2(path, place)
            found += 1
    return found


def _gcovr(options: Sequence[str] | Iterable[str]) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gcovr", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=GCOVR_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError("counting with gcovr", f"no end after {GCOVR_SECONDS:.0f} s") from error
    if done.returncode:
        if "No module named" in done.stderr:
            raise SetupError("counting with gcovr", "it is not installed", "pip install gcovr, or use tox")
        seen = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ArtifactError("counting with gcovr", f"{done.stdout[-2000:]} {seen}")
    return done.stdout
