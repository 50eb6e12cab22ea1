# SPDX-License-Identifier: GPL-2.0-or-later
"""A cache of another version, of another user, damaged; and what is still to be fetched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.artifacts import Artifacts, KernelKind, Progress, Settings
from harness.artifacts.cache import FORMAT, Recipe, Store
from harness.doctor import caches, examine
from harness.doctor.check import Status
from tests.doctor.staged import stage


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Make a cache with three entries."""
    root = tmp_path / "cache"
    store = Store(root, Progress())
    for key in ("a", "b", "c"):
        store.get(Recipe("thing", key, "a thing", lambda folder: _write(folder / "file")))
    return root


def _write(path: Path) -> None:
    path.write_text("content")


def reformat(cache: Path, entry: str, version: object) -> None:
    path = cache / "store" / entry / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": version}))


def test_there_is_none(tmp_path: Path) -> None:
    assert (
        caches.content(stage(tmp_path), tmp_path / "none").line()
        == "ok      cache content: there is none yet"
    )


def test_a_whole_cache(tmp_path: Path, cache: Path) -> None:
    check = caches.content(stage(tmp_path), cache)
    assert (check.status, check.seen) == (Status.OK, f"3 entries of this version's format ({FORMAT})")
    deep = caches.content(stage(tmp_path), cache, Artifacts(Settings(cache, None, 1), Progress()).damaged)
    assert (deep.status, "every byte" in deep.seen) == (Status.OK, True)


def test_a_cache_of_another_version(tmp_path: Path, cache: Path) -> None:
    reformat(cache, "thing-b", 7)
    check = caches.content(stage(tmp_path), cache)
    assert check.status is Status.WARN
    assert "format 7 of another version (this one: 1): thing-b" in check.seen
    assert "--cache-dir" in check.cure
    assert "python -m harness clean" in check.cure


def test_an_entry_without_a_manifest(tmp_path: Path, cache: Path) -> None:
    (cache / "store" / "thing-c" / "manifest.json").unlink()
    check = caches.content(stage(tmp_path), cache)
    assert (check.status, check.seen) == (Status.WARN, "no manifest: thing-c")


def test_only_a_deep_look_sees_other_bytes(tmp_path: Path, cache: Path) -> None:
    path = cache / "store" / "thing-a" / "file"
    path.chmod(0o644)
    path.write_text("CONTENT")
    damaged = Artifacts(Settings(cache, None, 1), Progress()).damaged
    assert caches.content(stage(tmp_path), cache).status is Status.OK
    check = caches.content(stage(tmp_path), cache, damaged)
    assert (check.status, check.seen) == (Status.WARN, "damaged: thing-a (file has other bytes)")


def test_what_is_not_the_harnesss(tmp_path: Path, cache: Path) -> None:
    (cache / "holiday.jpg").touch()
    check = caches.content(stage(tmp_path), cache)
    assert (check.status, "holiday.jpg" in check.seen) == (Status.WARN, True)


@pytest.mark.parametrize(("uid", "status"), [(1000, Status.FAIL), (0, Status.WARN)])
def test_entries_of_another_user(tmp_path: Path, cache: Path, uid: int, status: Status) -> None:
    def owner(path: Path) -> int:
        return 54321 if path.name == "thing-b" else uid

    check = caches.content(stage(tmp_path, uid=uid, owner=owner), cache)
    assert check.status is status
    assert check.seen == "of user 54321, not alice: store/thing-b"
    assert f"chown -R alice {cache}" in check.cure
    assert check.cure.startswith("sudo ") is (uid != 0)


def test_a_folder_that_is_not_writable(tmp_path: Path, cache: Path) -> None:
    check = caches.content(stage(tmp_path, writable=lambda path: path.name != "store"), cache)
    assert (check.status, check.seen) == (Status.FAIL, "not writable: store")
    assert check.cure.startswith(f"chmod -R u+rwX {cache}")


def test_many_names_are_cut_short(tmp_path: Path, cache: Path) -> None:
    for number in range(9):
        (cache / f"other{number}").touch()
    assert "other0, other1, other2 and 6 more" in caches.content(stage(tmp_path), cache).seen


def test_an_unreadable_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> str:
        raise PermissionError(13, "Permission denied", os.fspath(self))

    here = stage(tmp_path)
    monkeypatch.setattr(Path, "read_text", refuse)
    check = caches.content(here, cache)
    assert check.status is Status.FAIL
    assert "manifest.json cannot be read" in check.seen


def test_a_cache_in_somebody_elses_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> os.stat_result:
        if "home" in self.parts:
            raise PermissionError(13, "Permission denied", os.fspath(self))
        return os.stat(self)  # noqa: PTH116 -- the method is what is replaced

    here, cache = stage(tmp_path), tmp_path / "home" / "cache"
    monkeypatch.setattr(Path, "stat", refuse)
    check = caches.content(here, cache)
    assert (check.status, check.seen) == (Status.FAIL, f"{cache} cannot be read")
    assert not caches.to_be_fetched(Settings(cache, None, 1))
    assert here.place(cache) == tmp_path
    checks = examine(Artifacts(Settings(cache, None, 1), Progress()), "auto", here=here)
    assert len(checks) == 22


def pin(cache: Path, group: str, *, fetched: bool) -> None:
    digest = group.encode().hex().ljust(64, "0")[:64]
    (cache / "pins").mkdir(parents=True, exist_ok=True)
    (cache / "pins" / f"{group}-0123456789ab.json").write_text(json.dumps([{"sha256": digest}]))
    if fetched:
        (cache / "store" / f"download-{digest[:32]}").mkdir(parents=True)


def test_what_is_to_be_fetched(tmp_path: Path) -> None:
    ours = Settings(tmp_path, None, 1)
    theirs = Settings(tmp_path, tmp_path / "qemu.tar.xz", 1)
    debug = Settings(tmp_path, None, 1, kernel=KernelKind.DEBUG)
    assert caches.to_be_fetched(ours)
    for group in ("firmware", "image", "kernel"):
        pin(tmp_path, group, fetched=True)
    assert caches.to_be_fetched(ours)
    assert not caches.to_be_fetched(theirs)
    pin(tmp_path, "qemu-source", fetched=False)
    assert caches.to_be_fetched(ours)
    pin(tmp_path, "qemu-source", fetched=True)
    assert not caches.to_be_fetched(ours)
    # The pin of the kernel is not the one of the debug kernel's source.
    assert caches.to_be_fetched(debug)
    (tmp_path / "pins" / "kernel-0123456789ab.json").write_text("{")
    assert caches.to_be_fetched(ours)
