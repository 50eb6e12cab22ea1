# SPDX-License-Identifier: GPL-2.0-or-later
"""Where QEMU is built and when, with everything but the compiler."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import Flavour, NotBuiltError, QemuBuild, Settings
from harness.artifacts.cache import Store
from harness.artifacts.packages import PackageSource
from harness.artifacts.progress import Progress
from harness.artifacts.qemu import BINARY, QemuBuilder
from harness.artifacts.qemu_overlay import FIRMWARE, Overlay
from harness.artifacts.qemu_source import SIGNS_OF_QEMU
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.artifacts.debian import Remote
    from harness.artifacts.qemu_source import QemuSource

COUNTER = "device.c.gcda"
REQUEST = "host/qemu/virtio-cryptodev-request.c"


class NoPackages(PackageSource):
    """The firmware is QEMU's own, so nothing is asked of an archive."""

    codename = "none"

    def pinned(self, *_: object) -> list[Remote]:
        return []


class Builder(QemuBuilder):
    """Compiles nothing; ``fails`` is raised in the middle instead."""

    built = 0
    fails: Exception | None = None

    def _make(self, source: QemuSource, tree: Path, ours: Overlay) -> None:
        assert ours.files
        source.lay_out(tree / "src", frozenset())
        (tree / "build").mkdir(exist_ok=True)
        (tree / "build" / BINARY).write_text("")
        if self.fails:
            raise self.fails
        (tree / "build" / BINARY).write_text(f"program {type(self).built}")
        type(self).built += 1


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for name in (*SIGNS_OF_QEMU, "pc-bios/meson.build", *(f"pc-bios/{file}" for file in FIRMWARE)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "VERSION").write_text("10.0.2\n")
    return folder


@pytest.fixture
def builder(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Flavour, bool], Builder]:
    monkeypatch.setattr("harness.artifacts.qemu.compiler_version", lambda _: "cc 1")
    monkeypatch.setattr(Builder, "built", 0)

    def make(flavour: Flavour = Flavour.COVERAGE, building: bool = True) -> Builder:
        store = Store(tmp_path / "cache", Progress(io.StringIO()), building=building)
        return Builder(NoPackages(store), Settings(store.root, source, 1, flavour))

    return make


def counter_of(build: QemuBuild) -> Path:
    assert build.tree is not None
    return build.tree / "build" / COUNTER


@pytest.mark.parametrize("flavour", Flavour)
def test_a_look_builds_nothing_in_any_flavour(
    builder: Callable[..., Builder], tmp_path: Path, flavour: Flavour
) -> None:
    with pytest.raises(NotBuiltError):
        builder(flavour, building=False).get()
    assert Builder.built == 0
    assert not (tmp_path / "cache").exists()
    built = builder(flavour).get()
    assert builder(flavour, building=False).get() == built
    assert Builder.built == 1


def test_a_program_that_counts_stays_beside_its_objects(builder: Callable[..., Builder]) -> None:
    build = builder().get()
    assert build.binary == counter_of(build).with_name(BINARY)
    assert [path.name for path in sorted(build.firmware.iterdir())] == sorted(FIRMWARE)
    assert (build.version, build.last_words) == ("10.0.2", True)
    counter_of(build).touch()
    assert builder().get() == build
    assert Builder.built == 1
    assert counter_of(build).exists()


def test_what_another_program_counted_is_forgotten(builder: Callable[..., Builder], source: Path) -> None:
    before = builder().get()
    counter_of(before).touch()
    (source / "more.c").write_text("more")
    after = builder().get()
    assert (after.identity != before.identity, Builder.built) == (True, 2)
    assert not counter_of(after).exists()


def test_what_failed_halfway_is_made_again(builder: Callable[..., Builder], source: Path) -> None:
    first = builder().get()
    (source / "more.c").write_text("more")
    broken = builder()
    broken.fails = ArtifactError("building QEMU", "an error")
    with pytest.raises(ArtifactError, match="an error"):
        broken.get()
    with pytest.raises(NotBuiltError):
        builder(building=False).get()
    assert builder().get().binary.read_text() == "program 1"
    (source / "more.c").write_text("even more")
    broken.fails = OSError("no space")
    with pytest.raises(OSError, match="no space"):
        broken.get()
    assert first.tree is not None
    assert not first.tree.exists()


def test_a_changed_device_is_not_counted_with_ours(builder: Callable[..., Builder]) -> None:
    with pytest.raises(SetupError, match="coverage counts for our own device -- take another --flavour"):
        builder().get({REQUEST: "int x;"})
    ours, other = builder(Flavour.PLAIN).get(), builder(Flavour.PLAIN).get({REQUEST: "int x;"})
    assert ours.identity != other.identity
    assert ours.binary.read_text() != other.binary.read_text()


def test_each_flavour_has_a_tree_of_its_own(builder: Callable[..., Builder]) -> None:
    builds = [builder(flavour).get() for flavour in Flavour]
    assert len({build.tree for build in builds}) == len({build.identity for build in builds}) == len(Flavour)
    assert [build.last_words for build in builds] == [False, True, True]
    assert [bool(build.environment) for build in builds] == [False, True, False]
