# SPDX-License-Identifier: GPL-2.0-or-later
"""What lies in the cache: whose it is, which version wrote it, whether it is whole, what is to be fetched."""

from __future__ import annotations

import json
import pwd
from typing import TYPE_CHECKING

from harness.artifacts import CACHE_CONTENT, KernelKind
from harness.artifacts.cache import FORMAT, MANIFEST
from harness.doctor.check import Check, bad, doubtful, good

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from harness.artifacts import Settings
    from harness.doctor.surroundings import Surroundings

NAME = "cache content"
ELSEWHERE = "choose another place with --cache-dir"
SHOWN = 3


def content(here: Surroundings, root: Path, damaged: Callable[[], Mapping[str, str]] | None = None) -> Check:
    """Look into the cache.

    Args:
        here: the machine.
        root: the cache; it need not be there.
        damaged: reads every byte, and tells which entries are not as they were made; None: do not.
    """
    try:
        if not root.is_dir():
            return good(NAME, "there is none yet")
        found = _access(here, root) or _versions(root)
    except PermissionError as error:
        cure = f"make it yours (as root: chown -R {here.user} {root}), or {ELSEWHERE}"
        return bad(NAME, f"{error.filename} cannot be read", cure)
    if found is not None:
        return found
    number = sum(1 for _ in root.glob("store/*-*"))
    if damaged is None:
        return good(NAME, f"{number} entries of this version's format ({FORMAT})")
    if broken := damaged():
        told = [f"{name} ({why})" for name, why in broken.items()]
        cure = "none needed: each is made anew when it is used; or: python -m harness clean"
        return doubtful(NAME, f"damaged: {_some(told)}", cure)
    return good(NAME, f"{number} entries of format {FORMAT}, every byte as it was made")


def _access(here: Surroundings, root: Path) -> Check | None:
    """Look for what this user cannot change."""
    strangers: dict[int, list[str]] = {}
    for path in _surface(root):
        try:
            owner = here.owner(path)
        except FileNotFoundError:
            continue  # another run has just replaced it
        if owner != here.uid:
            strangers.setdefault(owner, []).append(path.relative_to(root).as_posix())
    if strangers:
        names = [name for found in strangers.values() for name in found]
        users = ", ".join(map(_user, strangers))
        seen = f"of {users}, not {here.user}: {_some(names)}"
        cure = f"{here.sudo}chown -R {here.user} {root}, or {ELSEWHERE}"
        return doubtful(NAME, seen, cure) if here.uid == 0 else bad(NAME, seen, cure)
    fixed = [path.name for path in root.iterdir() if path.is_dir() and not here.writable(path)]
    if fixed:
        return bad(NAME, f"not writable: {_some(fixed)}", f"chmod -R u+rwX {root}, or {ELSEWHERE}")
    return None


def _surface(root: Path) -> Iterator[Path]:
    """Yield the cache's folder and what lies in the two levels below it."""
    yield root
    for path in root.iterdir():
        yield path
        if path.name in CACHE_CONTENT and path.is_dir():
            yield from path.iterdir()


def _versions(root: Path) -> Check | None:
    """Look for what another version of the harness, or something else, has written."""
    others: dict[str, list[str]] = {}
    unreadable = []
    for entry in sorted(root.glob("store/*-*")):
        try:
            version = json.loads((entry / MANIFEST).read_text())["format"]
        except PermissionError:
            raise
        except (OSError, ValueError, KeyError, TypeError):
            unreadable.append(entry.name)
            continue
        if version != FORMAT:
            others.setdefault(str(version), []).append(entry.name)
    if others:
        names = [name for found in others.values() for name in found]
        seen = f"format {', '.join(others)} of another version (this one: {FORMAT}): {_some(names)}"
        cure = "give each version a --cache-dir of its own, or: python -m harness clean"
        return doubtful(NAME, seen, cure)
    if unreadable:
        cure = "none needed: each is made anew when it is used; or: python -m harness clean"
        return doubtful(NAME, f"no manifest: {_some(unreadable)}", cure)
    foreign = sorted(path.name for path in root.iterdir() if path.name not in CACHE_CONTENT)
    if foreign:
        seen = f"in {root}, and not of this version: {_some(foreign)}"
        cure = f"none needed if another version of the harness made it; else move it away, or {ELSEWHERE}"
        return doubtful(NAME, seen, cure)
    return None


def to_be_fetched(settings: Settings) -> bool:
    """Say whether something of Debian's archive would have to be fetched for a build.

    Each group of packages is pinned, and each file of a pin is in the store: then nothing has to.
    """
    root = settings.cache_dir
    groups = ["firmware", "image", "kernel"]
    if settings.qemu_source is None:
        groups.append("qemu-source")
    if settings.kernel is KernelKind.DEBUG:
        groups.append("kernel-source")
    try:
        return not all(_is_fetched(root, group) for group in groups)
    except PermissionError:
        return False  # the cache is not ours: another is needed first


def _is_fetched(root: Path, group: str) -> bool:
    """Say whether all files of a group of packages are in the store."""
    # A pin has the digest of its question behind the group's name; the digest has no dash.
    pins = [path for path in root.glob(f"pins/{group}-*.json") if path.stem.rpartition("-")[0] == group]
    try:
        sums = [[remote["sha256"] for remote in json.loads(path.read_text())] for path in pins]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return any(all((root / "store" / f"download-{digest[:32]}").is_dir() for digest in pin) for pin in sums)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
