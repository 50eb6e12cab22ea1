# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages and source packages out of Debian's archive, through an apt configuration of our own.

Nothing of the system's configuration is changed and nothing is installed.  What was resolved once is pinned
in the cache (``pins/``): later runs need no network, and builds change only when their inputs do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from debian.deb822 import Packages, Sources
from debian.debian_support import Version

from harness.artifacts.cache import NotBuiltError, Recipe, Store
from harness.artifacts.digest import file_digest, key_of
from harness.artifacts.process import Job, run
from harness.artifacts.storage import disk_errors, locked, remove
from harness.errors import ArtifactError, HarnessError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from harness.artifacts.progress import Step
    from harness.artifacts.sources import Source

APT_HELPER = "/usr/lib/apt/apt-helper"
FRESH_SECONDS = 600.0
UPDATE_SECONDS = 300.0
DOWNLOAD_SECONDS = 1800.0
QUERY_SECONDS = 60.0
GONE_CURE = "try again in some minutes, or take another mirror"
NETWORK_CURE = "check the network, and the proxy in /etc/apt/apt.conf.d if you need one"
_PRINTED_URI = re.compile(r"^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$", re.MULTILINE)
_NO_NETWORK = re.compile(
    r"Temporary failure resolving|Could not resolve|Could not connect|Unable to connect|connection failed|"
    r"Connection failed|Connection timed out|Network is unreachable|Failed to fetch",
)


@dataclass(frozen=True)
class Remote:
    """One file of the archive.

    Attributes:
        package: its package's name.
        version: its package's version.
        uri: where it is.
        size: in bytes.
        sha256: in hex.
    """

    package: str
    version: str
    uri: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return unquote(self.uri.rpartition("/")[2])


class GoneError(ArtifactError):
    """The archive no longer has a file that it had when it was asked: newer ones took its place."""


class Archive:
    """One private apt configuration: some sources, their package lists, nothing else.

    Args:
        name: names its folder in the cache.
        sources: its entries.
        kind: ``deb`` or ``deb-src``.
    """

    def __init__(self, store: Store, name: str, sources: Sequence[Source], kind: str) -> None:
        self.stanzas = "\n".join(source.stanza(kind) for source in sources)
        self.key = key_of(self.stanzas)
        self._store, self._what = store, f"Debian {name}"
        self._root = store.root / "apt" / f"{name}-{self.key[:8]}"
        self._log = store.root / "logs" / f"apt-{name}.log"

    def _prepare(self) -> list[str]:
        """Write the configuration; return the options that make apt use it."""
        root = self._root
        for folder in ("parts", "lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "parts" / "archive.sources").write_text(self.stanzas)
        (root / "status").touch()
        lines = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": f"{root}/parts",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": f"{root}/lists",
            "Dir::State::Status": f"{root}/status",
            "Dir::State::Extended_States": f"{root}/extended_states",
            "Dir::Cache": f"{root}/cache",
            # Images for containers switch these off; without them each question takes a second.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Get::List-Cleanup": "true",
            "Acquire::Languages": "none",
            "Acquire::Retries": "1",
            "Acquire::http::Timeout": "15",
            "Acquire::https::Timeout": "15",
        }
        if os.geteuid() == 0:
            # The cache may be a folder that the user _apt cannot enter.
            lines["APT::Sandbox::User"] = "root"
        text = "".join(f'{name} "{value}";\n' for name, value in lines.items())
        # The machine's hooks (desktop catalogues, clean-up) are about the machine's own lists.
        hooks = ("APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "APT::Update::Pre-Invoke")
        text = "#clear APT::Architectures;\n" + text + "".join(f"#clear {name};\n" for name in hooks)
        (root / "apt.conf").write_text(text)
        return ["-c", str(root / "apt.conf")]

    def update(self) -> None:
        """Fetch the lists of packages, if they are older than ten minutes.

        Raises:
            ArtifactError: the archive cannot be reached.
        """
        progress, stamp = self._store.progress, self._root / "updated"
        lock = self._store.root / "locks" / f"apt-{self._root.name}.lock"
        what = "the lists of packages"
        with disk_errors(f"fetching {what}", self._root), locked(lock, what, progress):
            options = self._prepare()
            if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < FRESH_SECONDS:
                return
            stamp.unlink(missing_ok=True)
            doing = f"fetching {what} ({self._what})"
            # Any: a mirror that does not answer must not pass for one that has no news.
            strict = ["-o", "APT::Update::Error-Mode=any"]
            with progress.step(doing):
                job = Job(doing, self._log, UPDATE_SECONDS, explain=lambda log: _explain(doing, log))
                run(["apt-get", *options, *strict, "-q", "update"], job)
            stamp.touch()

    def ask(self, *arguments: str) -> str:
        """Return what a query prints on standard output; empty when it fails."""
        program, *rest = arguments
        done = subprocess.run(
            [program, "-c", str(self._root / "apt.conf"), *rest],
            capture_output=True,
            text=True,
            check=False,
            timeout=QUERY_SECONDS,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return done.stdout if done.returncode == 0 else ""

    def candidate(self, *names: str) -> Packages:
        """Return the newest version of the first of some packages that the archive has.

        Raises:
            ArtifactError: it has none of them.
        """
        for name in names:
            found = list(Packages.iter_paragraphs(self.ask("apt-cache", "show", name), use_apt_pkg=False))
            if found:
                return max(found, key=lambda package: Version(package["Version"]))
        raise ArtifactError(
            f"looking for {names[0]}", "the archive has no such package", "see the file apt.conf.d"
        )

    def binary(self, package: Packages) -> Remote:
        """Return the file of a package.

        Raises:
            ArtifactError: apt does not tell it.
        """
        name, version = package["Package"], package["Version"]
        printed = _PRINTED_URI.search(self.ask("apt-get", "download", "--print-uris", f"{name}={version}"))
        if printed is None:
            raise ArtifactError(
                f"looking for {name} {version}", "apt-get does not tell its address", NETWORK_CURE
            )
        return Remote(name, version, printed[1], int(printed[3]), printed[4])

    def sources_of(self, name: str) -> list[Remote]:
        """Return the ``.orig.tar`` of each version of a source package, newest first."""
        text = self.ask("apt-cache", "showsrc", "--only-source", name)
        versions = {str(entry["Version"]) for entry in Sources.iter_paragraphs(text, use_apt_pkg=False)}
        found = []
        for version in sorted(versions, key=Version, reverse=True):
            asked = ("source", "--print-uris", "--only-source", f"{name}={version}")
            for uri, file, size, sha256 in _PRINTED_URI.findall(self.ask("apt-get", *asked)):
                if re.search(r"\.orig\.tar\.\w+$", file):
                    found.append(Remote(name, version, uri, int(size), sha256))
        return found


def _explain(doing: str, log: str) -> HarnessError | None:
    """Say in one line why apt could not reach the archive."""
    for line in log.splitlines():
        if re.match(r"E: .*Permission denied", line):
            return SetupError(
                doing, line[3:], "make it writable for you, or choose another place with --cache-dir"
            )
    for line in log.splitlines():
        if re.search(r"\b404\b|Hash Sum mismatch|Hashes of expected file|unexpected size", line):
            return GoneError(doing, line.removeprefix("E: ").strip(), GONE_CURE)
    for pattern in (r"^\s+\S.*(?:resolv|connect|unreachable|timed out)", _NO_NETWORK.pattern, r"^E: "):
        for line in log.splitlines():
            if re.search(pattern, line):
                return ArtifactError(doing, line.removeprefix("E: ").strip(), NETWORK_CURE)
    return None


class Downloads:
    """Files of the archive, kept in the store by their checksum."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, remote: Remote) -> Path:
        """Return the path of a file, fetched and checked; it keeps its name.

        Raises:
            GoneError: the archive has it no more, or has other bytes in its place.
            ArtifactError: the archive cannot be reached.
        """
        recipe = Recipe(
            kind="download",
            key=remote.sha256[:32],
            what=remote.name,
            make=lambda staging: self._fetch(remote, staging / remote.name),
        )
        return self._store.get(recipe) / remote.name

    def _fetch(self, remote: Remote, target: Path) -> None:
        doing = f"fetching {remote.name} ({remote.size / 1e6:.1f} MB)"
        options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        options += ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30"]
        with self._store.progress.step(doing) as step:
            job = Job(
                doing,
                self._store.root / "logs" / "downloads.log",
                DOWNLOAD_SECONDS,
                cwd=target.parent,
                tick=lambda: _measure(target.parent, remote.size, step),
                explain=lambda log: _explain(doing, log),
            )
            run([APT_HELPER, *options, "download-file", remote.uri, target, f"SHA256:{remote.sha256}"], job)
        # apt-helper ends with 0 on some mismatches of the size.
        if target.stat().st_size != remote.size or file_digest(target) != remote.sha256:
            raise GoneError(doing, "the archive gave other bytes than its index tells", NETWORK_CURE)
        for leftover in target.parent.iterdir():
            if leftover != target:
                remove(leftover)


def _measure(folder: Path, size: int, step: Step) -> None:
    try:
        step.advance(sum(path.stat().st_size for path in folder.iterdir() if path.is_file()), size)
    except FileNotFoundError:
        return  # apt renames the file at the end


class Pins:
    """What was resolved once: lists of the archive's files, in ``pins/`` in the cache."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str, question: str, answer: Callable[[], Iterable[Remote]]) -> list[Remote]:
        """Return the files pinned under a name, asking for them if they are not.

        Args:
            name: names the file of the pin.
            question: what was asked (sources and package names); another question makes another pin.
            answer: asks the archive; needs the network.

        Raises:
            NotBuiltError: there is no pin, and this cache is only looked at.
            HarnessError: what ``answer`` raises.
        """
        path = self.path(name, question)
        pinned = self._read(path)
        if pinned is not None:
            return pinned
        if not self._store.building:
            raise NotBuiltError(f"looking for {name}", "not fetched yet", "python -m harness build")
        lock = self._store.root / "locks" / f"pin-{path.stem}.lock"
        with disk_errors(f"pinning {name}", path.parent), locked(lock, name, self._store.progress):
            pinned = self._read(path)
            if pinned is None:
                pinned = list(answer())
                self._write(path, pinned)
        return pinned

    def path(self, name: str, question: str) -> Path:
        """Return the file of a pin."""
        return self._store.root / "pins" / f"{name}-{key_of(question)[:12]}.json"

    def forget(self, name: str, question: str) -> None:
        """Drop a pin whose files the archive no longer has."""
        with disk_errors(f"dropping the pin of {name}", self._store.root):
            self.path(name, question).unlink(missing_ok=True)

    def _read(self, path: Path) -> list[Remote] | None:
        try:
            return [Remote(**entry) for entry in json.loads(path.read_text())]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            self._store.progress.note(f"the pin {path.name} is damaged ({error}): asking again")
            return None

    @staticmethod
    def _write(path: Path, remotes: list[Remote]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            fresh.write_text(json.dumps([asdict(remote) for remote in remotes], indent=1))
            fresh.rename(path)
        finally:
            fresh.unlink(missing_ok=True)


__all__ = ["Archive", "Downloads", "GoneError", "Pins", "Remote"]
