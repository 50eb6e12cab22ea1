# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine has, what it lacks, and the one line that cures it.

Each check is a function of :class:`Surroundings`, which tests stage; :func:`examine` makes them all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from harness.doctor import basics, caches, disks, kvm, limits, network, orphans, packages, toolchain
from harness.doctor.check import Check, Status, as_json, bad, good, worst
from harness.doctor.orphans import Leftovers
from harness.doctor.packages import install_line, install_packages, missing_packages
from harness.doctor.surroundings import Surroundings
from harness.errors import HarnessError
from harness.into import kept
from harness.machine.rundir import runtime_root
from harness.room import prove_accelerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.artifacts import Artifacts
    from harness.into.kept import KeptGuest

KEPT = "kept guests"


def examine(
    artifacts: Artifacts,
    accelerator: str,
    *,
    ask_network: bool = False,
    deep: bool = False,
    here: Surroundings | None = None,
) -> list[Check]:
    """Look at everything; a check that fails does not stop the others.

    Args:
        artifacts: whose cache is looked at; nothing is fetched or built.
        accelerator: ``auto``, ``kvm`` or ``tcg``.
        ask_network: ask the mirrors even where nothing would have to be fetched.
        deep: read every byte of the cache.
        here: the machine, if not this one.
    """
    here = here or Surroundings()
    settings = artifacts.settings
    cache, jobs, looking = settings.cache_dir, settings.jobs, artifacts.looking()
    # First: the slowest of all, and the others depend on it.
    with ThreadPoolExecutor() as pool:
        installed = pool.submit(_guarded, packages.NAME, lambda: packages.look(here))
        tox = pool.submit(_guarded, "tox", lambda: basics.tox(here))
        built = _are_built(artifacts)
        asked = ask_network or (not built and caches.to_be_fetched(settings))
        mirrors = pool.submit(network.mirrors, here) if asked else None
        index = pool.submit(network.index, here) if asked else None
        prove = (lambda: prove_accelerator(artifacts, accelerator)) if built else None
        looks: dict[str, Callable[[], Check]] = {
            "system": lambda: basics.system(here),
            "host kernel": lambda: basics.host_kernel(here),
            "python": lambda: basics.python(here),
            "tox": tox.result,
            "packages": installed.result,
            "compiler": lambda: toolchain.compiler(here, _headers(looking)),
            network.NAME: lambda: mirrors.result().check if mirrors else _not_asked(network.NAME),
            network.INDEX: lambda: index.result() if index else _not_asked(network.INDEX),
            "clock": lambda: basics.clock(
                here, basics.dated_files(cache, here), mirrors.result().server if mirrors else None
            ),
            "cache": lambda: disks.cache(here, cache, built=built, debug=settings.kernel == "debug"),
            caches.NAME: lambda: caches.content(here, cache, artifacts.damaged if deep else None),
            "run directories": lambda: disks.run_directories(here, jobs),
            "temporary files": lambda: disks.temporary(here),
            "shared memory": lambda: disks.shared_memory(here),
            orphans.NAME: lambda: orphans.look(orphans.find(here, cache)),
            "open files": lambda: limits.open_files(here),
            "processes": lambda: limits.processes(here, jobs),
            "sizes": lambda: limits.sizes(here, settings.flavour),
            "memory": lambda: limits.memory(here, jobs),
            "namespaces": lambda: basics.namespaces(here),
            kvm.NAME: lambda: kvm.device(here, accelerator),
            kvm.PROOF: lambda: kvm.accelerator(accelerator, prove),
        }
        if guests := kept.living(runtime_root(here.variables)):
            looks[KEPT] = lambda: good(KEPT, _kept(guests))
        return [_guarded(name, look) for name, look in looks.items()]


def _kept(guests: list[KeptGuest]) -> str:
    names = ", ".join(guest.name for guest in guests)
    return f"{len(guests)} of failed tests still run ({names}); {kept.COMMAND} says how to enter and end them"


def leftovers(cache: Path, here: Surroundings | None = None) -> Leftovers:
    """Return what crashed runs left on this machine; see :func:`clean_up`."""
    return orphans.find(here or Surroundings(), cache)


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except HarnessError as error:
        return bad(name, f"{error.doing}: {error.seen}", error.cure)
    except OSError as error:
        return bad(name, str(error), "choose another place with --cache-dir")


def _are_built(artifacts: Artifacts) -> bool:
    """Say whether a guest can be booted; what is in the way is told by the checks."""
    try:
        return artifacts.are_built()
    except (HarnessError, OSError):
        return False


def _headers(looking: Artifacts) -> Path | None:
    try:
        return looking.kernel().headers
    except (HarnessError, OSError):
        return None  # not fetched yet, or in a cache that is told of elsewhere


def _not_asked(name: str) -> Check:
    return good(name, "not asked: nothing has to be fetched (--network asks)")


clean_up = orphans.clean_up

__all__ = [
    "Check",
    "Leftovers",
    "Status",
    "Surroundings",
    "as_json",
    "clean_up",
    "examine",
    "install_line",
    "install_packages",
    "leftovers",
    "missing_packages",
    "worst",
]
