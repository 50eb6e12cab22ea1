# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are kept and what is built from: options first, then the environment, then defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import harness
from harness.artifacts.flavour import Flavour
from harness.artifacts.kernel_kind import KernelKind
from harness.errors import SetupError

CACHE_VARIABLE = "HARNESS_CACHE_DIR"
QEMU_SOURCE_VARIABLE = "HARNESS_QEMU_SOURCE"
JOBS_VARIABLE = "HARNESS_JOBS"
FLAVOUR_VARIABLE = "HARNESS_FLAVOUR"
KERNEL_VARIABLE = "HARNESS_KERNEL"
APPLICATION = "virtio-cryptodev-harness"

# The C sources and the image's recipe lie beside the package: it is installed as editable.
REPOSITORY = Path(harness.__file__ or __file__).resolve().parent.parent


def source_folder(name: str) -> Path:
    """Return a folder of the repository, for example ``guest/driver``.

    Raises:
        SetupError: the folder is not there: the package was installed without its repository.
    """
    folder = REPOSITORY / name
    if not folder.is_dir():
        raise SetupError(
            "looking for the sources",
            f"there is no {folder}",
            "install the harness from its repository as editable (pip install -e .), or run tox there",
        )
    return folder


def _jobs(text: str) -> int:
    try:
        jobs = int(text)
    except ValueError:
        jobs = 0
    if jobs < 1:
        seen = f"{text!r} is not a number of 1 or more"
        raise SetupError(f"reading {JOBS_VARIABLE} or --jobs", seen, "set it to 2, for example")
    return jobs


def _flavour(text: str) -> Flavour:
    try:
        return Flavour(text)
    except ValueError as error:
        cure = f"it is one of {', '.join(Flavour)}"
        raise SetupError(f"reading {FLAVOUR_VARIABLE} or --flavour", f"there is no {text!r}", cure) from error


def _kernel(text: str) -> KernelKind:
    try:
        return KernelKind(text)
    except ValueError as error:
        cure = f"it is one of {', '.join(KernelKind)}"
        raise SetupError(f"reading {KERNEL_VARIABLE} or --kernel", f"there is no {text!r}", cure) from error


def _available_cores() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Settings:
    """What the builds depend on besides the sources.

    Attributes:
        cache_dir: absolute folder that holds everything that is built; it need not exist yet.
        qemu_source: a tarball or checkout of QEMU; None takes Debian's source package.
        jobs: how many compilers run at once.
        flavour: the way in which the host's C is built.
        kernel: what the guests run.
    """

    cache_dir: Path
    qemu_source: Path | None
    jobs: int
    flavour: Flavour = Flavour.PLAIN
    kernel: KernelKind = KernelKind.PLAIN

    @classmethod
    def from_environment(
        cls,
        cache_dir: Path | None = None,
        qemu_source: Path | None = None,
        jobs: int | None = None,
        flavour: str | None = None,
        kernel: str | None = None,
    ) -> Settings:
        """Make settings from options; one that is None comes from its environment variable or its default.

        Raises:
            SetupError: the number of jobs is none, or there is no such flavour or kernel.
        """
        cache = cache_dir or os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path(APPLICATION)
        source = qemu_source or os.environ.get(QEMU_SOURCE_VARIABLE) or None
        count = str(jobs) if jobs is not None else os.environ.get(JOBS_VARIABLE) or str(_available_cores())
        return cls(
            cache_dir=Path(cache).expanduser().absolute(),
            qemu_source=Path(source).expanduser().absolute() if source else None,
            jobs=_jobs(count),
            flavour=_flavour(flavour or os.environ.get(FLAVOUR_VARIABLE) or Flavour.PLAIN),
            kernel=_kernel(kernel or os.environ.get(KERNEL_VARIABLE) or KernelKind.PLAIN),
        )
