# SPDX-License-Identifier: GPL-2.0-or-later
"""The store: whole entries or none, made once, checked when used."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from harness.artifacts.cache import NotBuiltError, Recipe, Store
from harness.artifacts.progress import Progress
from harness.errors import ArtifactError, SetupError

WAIT_SECONDS = 20.0


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def store(tmp_path: Path, told: io.StringIO) -> Store:
    return Store(tmp_path / "cache", Progress(told))


def fresh(store: Store, told: io.StringIO) -> Store:
    """Return the store as another process sees it: nothing is known to be whole yet."""
    return Store(store.root, Progress(told))


def writes(text: str = "content") -> Recipe:
    def make(staging: Path) -> None:
        (staging / "sub").mkdir()
        (staging / "sub" / "file").write_text(text)
        (staging / "link").symlink_to("sub/file")

    return Recipe("thing", "k1", "the thing", make)


def refuses(_: Path) -> None:
    raise AssertionError("made again although it is there")


def leftovers(store: Store) -> list[Path]:
    found = [path for folder in ("staging", "store") for path in (store.root / folder).glob("*")]
    return sorted(found)


def test_an_entry_is_made_once_and_found_again(store: Store, told: io.StringIO) -> None:
    entry = store.get(writes())
    assert (entry / "sub" / "file").read_text() == "content"
    again = fresh(store, told).get(Recipe("thing", "k1", "the thing", refuses))
    assert again == entry
    assert leftovers(store) == [entry]


def test_another_key_is_another_entry(store: Store) -> None:
    first = store.get(writes())
    second = store.get(Recipe("thing", "k2", "the thing", writes("other").make))
    assert (first / "sub" / "file").read_text() == "content"
    assert (second / "sub" / "file").read_text() == "other"


@pytest.mark.parametrize("harm", ["bytes", "shorter", "file gone", "manifest gone", "manifest torn", "link"])
def test_a_damaged_entry_is_told_of_and_made_again(store: Store, told: io.StringIO, harm: str) -> None:
    entry = store.get(writes())
    file, manifest = entry / "sub" / "file", entry / "manifest.json"
    file.chmod(0o644)
    match harm:
        case "bytes":
            file.write_text("CONTENT")
        case "shorter":
            file.write_text("con")
        case "file gone":
            file.unlink()
        case "manifest gone":
            manifest.unlink()
        case "manifest torn":
            manifest.write_text(manifest.read_text()[:40])
        case "link":
            (entry / "link").unlink()
            (entry / "link").symlink_to("/etc/passwd")
    again = fresh(store, told).get(writes())
    assert (again / "sub" / "file").read_text() == "content"
    assert (again / "link").readlink() == Path("sub/file")
    assert "thing-k1 is damaged" in told.getvalue()
    assert leftovers(store) == [entry]


def test_a_tree_is_counted_and_not_read(store: Store, told: io.StringIO) -> None:
    def make(staging: Path) -> None:
        (staging / "usr" / "src").mkdir(parents=True)
        for number in range(20):
            (staging / "usr" / "src" / f"{number}.h").write_text("x")

    recipe = Recipe("headers", "k", "headers", make, trees=("usr/src",))
    entry = store.get(recipe)
    (entry / "usr" / "src" / "3.h").unlink()
    fresh(store, told).get(recipe)
    assert (entry / "usr" / "src" / "3.h").exists()
    assert "usr/src has other files" in told.getvalue()


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), ArtifactError("building", "no")])
def test_what_is_interrupted_leaves_nothing(store: Store, stop: BaseException) -> None:
    def make(staging: Path) -> None:
        (staging / "half").write_text("half")
        raise stop

    with pytest.raises(type(stop)):
        store.get(Recipe("thing", "k1", "the thing", make))
    assert leftovers(store) == []
    store.get(writes())


def test_a_full_disk_is_one_line_and_leaves_nothing(store: Store) -> None:
    def make(staging: Path) -> None:
        (staging / "half").write_text("half")
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(SetupError) as caught:
        store.get(Recipe("thing", "k1", "the thing", make))
    assert "No space left" in str(caught.value)
    assert "--cache-dir" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert leftovers(store) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_an_unwritable_cache_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SetupError, match="--cache-dir") as caught:
        store.get(writes())
    assert str(store.root) in str(caught.value)


def test_a_cache_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="--cache-dir"):
        Store(tmp_path / "file" / "cache", Progress(io.StringIO())).get(writes())


def test_looking_makes_nothing(tmp_path: Path) -> None:
    looking = Store(tmp_path / "cache", Progress(io.StringIO()), building=False)
    with pytest.raises(NotBuiltError):
        looking.get(writes())
    assert not (tmp_path / "cache").exists()


def _make_slowly(root: Path, going: object, made: Path) -> None:
    def make(staging: Path) -> None:
        with made.open("a") as log:
            log.write("made\n")
        going.set()  # type: ignore[attr-defined]
        time.sleep(0.5)
        (staging / "file").write_text("x")

    told = io.StringIO()
    Store(root, Progress(told)).get(Recipe("thing", "k", "the thing", make))
    made.with_name(f"told-{os.getpid()}").write_text(told.getvalue())


def test_two_processes_make_it_once_and_the_other_says_what_it_waits_for(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    going, made = spawn.Event(), tmp_path / "made"
    arguments = (tmp_path / "cache", going, made)
    first = spawn.Process(target=_make_slowly, args=arguments)
    first.start()
    assert going.wait(WAIT_SECONDS)
    second = spawn.Process(target=_make_slowly, args=arguments)
    second.start()
    for process in (first, second):
        process.join(WAIT_SECONDS)
        assert process.exitcode == 0
    assert made.read_text() == "made\n"
    told = (tmp_path / f"told-{second.pid}").read_text()
    # A slow start of the second process may let it find the entry made.
    assert told == "" or f"waiting for process {first.pid}, which makes the thing" in told


def _dies_in_the_middle(root: Path) -> None:
    def make(staging: Path) -> None:
        (staging / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    Store(root, Progress(io.StringIO())).get(Recipe("dead", "k", "the thing", make))


def test_what_a_killed_process_left_is_swept_by_the_next(store: Store) -> None:
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_dies_in_the_middle, args=(store.root,))
    process.start()
    process.join(WAIT_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in leftovers(store)] == ["dead-k"]
    entry = store.get(writes())
    assert leftovers(store) == [entry]
