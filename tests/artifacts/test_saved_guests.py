# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved guests in the store: made once, found again, and not too many of them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import guest
from harness.artifacts.cache import MANIFEST, Store
from harness.artifacts.guest import saved_guest
from harness.artifacts.progress import Progress
from harness.errors import MachineError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, Progress())


def save(folder: Path) -> None:
    (folder / "memory").mkdir()
    (folder / "memory" / "ram").write_bytes(bytes(100))
    (folder / "state").write_bytes(b"state")


def used_ago(entry: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(entry / MANIFEST, (at, at))


def test_it_is_made_once(store: Store) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        save(folder)

    first = saved_guest(store, "k", make)
    assert saved_guest(store, "k", make) == first
    assert saved_guest(Store(store.root, Progress()), "k", make) == first
    assert len(made) == 1
    assert (first / "state").read_bytes() == b"state"


def test_one_that_could_not_be_made_leaves_nothing(store: Store) -> None:
    def make(folder: Path) -> None:
        save(folder)
        raise MachineError("booting", "it did not")

    with pytest.raises(MachineError, match="it did not"):
        saved_guest(store, "k", make)
    assert not list(store.root.glob("s*/guest-*"))


def test_a_memory_that_lost_bytes_is_made_anew(store: Store) -> None:
    entry = saved_guest(store, "k", save)
    (entry / "memory" / "ram").write_bytes(b"")
    again = saved_guest(Store(store.root, Progress()), "k", save)
    assert (again / "memory" / "ram").stat().st_size == 100


def test_the_ones_unused_longest_make_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "MOST", 2)
    old = [saved_guest(store, f"old{number}", save) for number in range(2)]
    for number, entry in enumerate(old):
        used_ago(entry, 2 * guest.UNUSED_SECONDS + number)
    other = store.root / "store" / "qemu-x"
    other.mkdir()
    saved_guest(store, "new", save)
    assert [entry.exists() for entry in old] == [True, False]
    assert other.exists()


def test_what_is_in_use_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "MOST", 1)
    first = saved_guest(store, "first", save)
    used_ago(first, 2 * guest.UNUSED_SECONDS)
    assert saved_guest(Store(store.root, Progress()), "first", save) == first  # used just now
    saved_guest(store, "second", save)
    assert first.exists()
