# SPDX-License-Identifier: GPL-2.0-or-later
"""Where this machine gets Debian from, read from its own apt configuration and never written to it.

Both formats are read: deb822 (``*.sources``) and one entry a line (``*.list``).  Only entries of Debian's own
archive for this release are taken; other vendors have nothing that a guest is made of.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from debian.deb822 import Deb822

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

APT_FOLDER = Path("/etc/apt")
_SYMBOLIC = {"bookworm": ("oldstable",), "trixie": ("stable",)}
_PARTS_OF_A_SUITE = ("", "-updates", "-security", "/updates")
_ONE_LINE = re.compile(r"^(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)\s*$")


@dataclass(frozen=True)
class Source:
    """Some suites at some addresses.

    Attributes:
        uris: addresses of the archive, in any form that apt knows.
        suites: names of suites, such as ``bookworm-updates``.
        components: such as ``main``.
        options: further fields in deb822 spelling (``Signed-By``, ``Trusted``...), kept as they were.
        source: whether it was an entry for source packages only.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    source: bool = False

    def option(self, name: str) -> str:
        """Return a further field; empty when it is not there."""
        return next((value for key, value in self.options if key.lower() == name.lower()), "")

    def stanza(self, kind: str) -> str:
        """Return the entry in deb822 format for ``deb`` or ``deb-src``; only package lists are wanted."""
        fields = [
            ("Types", kind),
            ("URIs", " ".join(self.uris)),
            ("Suites", " ".join(self.suites)),
            ("Components", " ".join(self.components)),
            ("Targets", "Packages Sources"),
            *self.options,
        ]
        return "".join(f"{name}: {value}\n" for name, value in fields)


def host_codename(release: Mapping[str, str] | None = None) -> str:
    """Return the name of the Debian release that this machine runs ("bookworm").

    Raises:
        SetupError: it does not run Debian.
    """
    system = platform.freedesktop_os_release() if release is None else release
    codename = system.get("VERSION_CODENAME", "")
    if system.get("ID") != "debian" or not codename:
        raise SetupError(
            "looking for Debian's archive",
            f"this system is {system.get('PRETTY_NAME', 'unknown')}",
            "run the harness on Debian 12, for instance in a container",
        )
    return codename


def _deb822(text: str) -> Iterator[Source]:
    for paragraph in Deb822.iter_paragraphs(text.splitlines(keepends=True), use_apt_pkg=False):
        fields = {name.lower(): (name, value) for name, value in paragraph.items()}

        def words(name: str, fields: Mapping[str, tuple[str, str]] = fields) -> tuple[str, ...]:
            return tuple(fields.get(name, ("", ""))[1].split())

        if fields.get("enabled", ("", "yes"))[1].strip().lower() in {"no", "false", "off", "0", "without"}:
            continue
        known = {
            "types",
            "uris",
            "suites",
            "components",
            "enabled",
            "targets",
            "architectures",
            "description",
        }
        options = tuple(
            pair for name, pair in fields.items() if name not in known and not name.startswith("x-")
        )
        if words("types") and words("uris"):
            source = "deb" not in words("types")
            yield Source(words("uris"), words("suites"), words("components"), options, source=source)


_LONG_NAMES = {"signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match is None:
            continue
        kind, options, uri, suite, components = match.groups(default="")
        named = (option.partition("=") for option in options.split())
        kept = tuple(
            (_LONG_NAMES[name.lower()], value) for name, _, value in named if name.lower() in _LONG_NAMES
        )
        yield Source((uri,), (suite,), tuple(components.split()), kept, source=kind == "deb-src")


def read_sources(folder: Path = APT_FOLDER) -> list[Source]:
    """Return all enabled entries of an apt configuration."""
    lists = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    found = [source for path in lists if path.is_file() for source in _one_line(path.read_text())]
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        found += _deb822(path.read_text())
    return found


def _is_debians(source: Source) -> bool:
    signed = source.option("Signed-By")
    if signed.startswith("/") and "debian-archive" not in signed:
        return False
    # http://MIRROR/debian, https://MIRROR/debian-security, .../archive/debian/20250520T000000Z
    return any(re.search(r"/debian(-security)?(/|$)", uri) for uri in source.uris)


def debian_sources(codename: str, sources: Iterable[Source]) -> list[Source]:
    """Return Debian's own suites of a release among all entries, in order and without doubles.

    Raises:
        SetupError: there is none.
    """
    names = (codename, *_SYMBOLIC.get(codename, ()))
    wanted = {name + part for name in names for part in _PARTS_OF_A_SUITE}
    found: list[Source] = []
    for source in sources:
        suites = tuple(suite for suite in source.suites if suite.rstrip("/") in wanted)
        if suites and "main" in source.components and not source.source and _is_debians(source):
            entry = replace(source, suites=suites, components=("main",))
            if entry not in found:
                found.append(entry)
    if not found:
        raise SetupError(
            "looking for Debian's archive",
            f"no entry for Debian {codename} in {APT_FOLDER}/sources.list*",
            "add one to /etc/apt/sources.list.d and try again",
        )
    return found


def with_suite(sources: Iterable[Source], codename: str, suite: str) -> Source:
    """Return the entry of a release's main archive with another suite in its place."""
    names = (codename, *_SYMBOLIC.get(codename, ()))
    candidates = list(sources)
    main = [source for source in candidates if set(names) & set(source.suites)]
    return replace((main or candidates)[0], suites=(suite,))
