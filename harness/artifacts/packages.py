# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages that a guest is made of: pinned, and unpacked without installing them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from harness.artifacts.debian import Archive, Downloads, GoneError, Pins, Remote
from harness.artifacts.process import Job, run
from harness.artifacts.sources import debian_sources, host_codename, read_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.artifacts.cache import Store
    from harness.artifacts.sources import Source

UNPACK_SECONDS = 120.0
# Packages beside the metapackage that it leads to: these are only dependencies on a compiler.
_NOT_FETCHED = re.compile(r"linux-compiler-")


class PackageSource:
    """Debian's archive as this machine knows it, and what was pinned of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.downloads = Downloads(store)
        self.pins = Pins(store)

    @cached_property
    def codename(self) -> str:
        """The name of the Debian release of this machine."""
        return host_codename()

    @cached_property
    def sources(self) -> list[Source]:
        """The entries of Debian's archive for this release."""
        return debian_sources(self.codename, read_sources())

    @cached_property
    def archive(self) -> Archive:
        """The archive of this release's packages."""
        return Archive(self.store, self.codename, self.sources, "deb")

    def _question(self, names: Sequence[str]) -> str:
        return f"{self.archive.key} {' '.join(names)}"

    def pinned(
        self, group: str, names: Sequence[str], resolve: Callable[[Archive], list[Remote]] | None = None
    ) -> list[Remote]:
        """Return the files of a group of packages: as they were pinned, else as the archive has them now.

        Args:
            group: names the pin.
            names: the packages; ``a | b`` takes the first that the archive has.
            resolve: answers for the group where the names alone do not.
        """

        def answer() -> list[Remote]:
            self.archive.update()
            if resolve is not None:
                return resolve(self.archive)
            return [self.archive.binary(self.archive.candidate(*_alternatives(name))) for name in names]

        return self.pins.get(group, self._question(names), answer)

    def forget(self, group: str, names: Sequence[str]) -> None:
        """Drop the pin of a group."""
        self.pins.forget(group, self._question(names))

    def unpack(self, remotes: Sequence[Remote], target: Path) -> None:
        """Fetch packages and unpack them over one another into a folder.

        Raises:
            GoneError: the archive no longer has one of them.
        """
        files = [self.downloads.get(remote) for remote in remotes]
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            job = Job(f"unpacking {file.name}", self.store.root / "logs" / "unpack.log", UNPACK_SECONDS)
            run(["dpkg-deb", "--extract", file, target], job)


def _alternatives(name: str) -> list[str]:
    return [alternative.strip() for alternative in name.split("|")]


def resolve_kernel(meta: str) -> Callable[[Archive], list[Remote]]:
    """Return what finds the kernel behind a metapackage: its image first, then its headers."""

    def resolve(archive: Archive) -> list[Remote]:
        found = re.search(r"linux-image-\d\S*", archive.candidate(meta).get("Depends", ""))
        image = archive.candidate(found[0] if found else meta)
        headers = archive.candidate(image["Package"].replace("linux-image-", "linux-headers-"))
        needed = re.findall(r"linux-[a-z]+-[^\s,]+", headers.get("Depends", ""))
        further = [archive.candidate(name) for name in needed if not _NOT_FETCHED.match(name)]
        return [archive.binary(package) for package in (image, headers, *further)]

    return resolve


__all__ = ["GoneError", "PackageSource", "resolve_kernel"]
