# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys, settings, pins, the SSH key, and how our files are laid over QEMU's source."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import paramiko
import pytest

from harness.artifacts import REPOSITORY, Artifacts, Flavour, Settings, settings
from harness.artifacts.cache import NotBuiltError, Store
from harness.artifacts.compile import Compiler, source_files, write_changed
from harness.artifacts.debian import Pins, Remote
from harness.artifacts.digest import key_of, sources_key
from harness.artifacts.kernel import module_needs, read_module, relocate_headers, with_needs
from harness.artifacts.keys import ssh_key
from harness.artifacts.progress import Progress
from harness.artifacts.qemu_overlay import PATCHED, TYPES_OF_QEMU, overlay
from harness.artifacts.qemu_source import SIGNS_OF_QEMU, Checkout, Tarball, given_source, ranked
from harness.errors import ArtifactError, SetupError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", Progress(io.StringIO()))


def test_a_key_depends_on_the_parts_and_their_borders() -> None:
    assert key_of("ab", "c") == key_of("ab", "c")
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("ab", "c", "")}) == 4


def test_sources_are_what_a_person_wrote(tmp_path: Path) -> None:
    for name in ("a.c", "a.h", "Makefile", "a.o", "x.mod.c", "notes.txt"):
        (tmp_path / name).write_text(name)
    assert [path.name for path in source_files(tmp_path)] == ["Makefile", "a.c", "a.h"]
    before = sources_key(tmp_path, source_files(tmp_path))
    (tmp_path / "b.o").write_text("built")
    os.utime(tmp_path / "a.c", (1, 1))
    assert sources_key(tmp_path, source_files(tmp_path)) == before
    (tmp_path / "a.h").write_text("other")
    assert sources_key(tmp_path, source_files(tmp_path)) != before


def test_settings_take_options_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "environment"))
    monkeypatch.setenv("HARNESS_JOBS", "3")
    for name in ("HARNESS_QEMU_SOURCE", "HARNESS_FLAVOUR"):
        monkeypatch.delenv(name, raising=False)
    assert Settings.from_environment() == Settings(tmp_path / "environment", None, 3)
    assert Settings.from_environment(cache_dir=tmp_path, jobs=1) == Settings(tmp_path, None, 1)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment(qemu_source=Path("q")).qemu_source == tmp_path / "q"


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_a_number_of_jobs_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch, jobs: str) -> None:
    monkeypatch.setenv("HARNESS_JOBS", jobs)
    with pytest.raises(SetupError, match=jobs):
        Settings.from_environment()


def test_missing_sources_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "REPOSITORY", tmp_path)
    with pytest.raises(SetupError, match="editable"):
        settings.source_folder("guest/driver")


def remote(version: str) -> Remote:
    return Remote("qemu", version, f"http://x/qemu_{version}.orig.tar.xz", 1, version)


def test_a_pin_is_asked_for_once_and_again_when_damaged(store: Store) -> None:
    pins, asked = Pins(store), []

    def answer() -> list[Remote]:
        asked.append(1)
        return [remote("1")]

    assert pins.get("qemu", "q", answer) == pins.get("qemu", "q", answer) == [remote("1")]
    assert len(asked) == 1
    pins.path("qemu", "q").write_text("[{")
    assert pins.get("qemu", "q", answer) == [remote("1")]
    assert len(asked) == 2
    pins.get("qemu", "another question", answer)
    assert len(asked) == 3
    pins.forget("qemu", "q")
    pins.get("qemu", "q", answer)
    assert len(asked) == 4


def test_a_look_at_an_empty_cache_touches_nothing(tmp_path: Path) -> None:
    looking = Store(tmp_path / "cache", Progress(io.StringIO()), building=False)
    with pytest.raises(NotBuiltError):
        Pins(looking).get("qemu", "q", list)
    assert not (tmp_path / "cache").exists()


def test_the_best_qemu_comes_first() -> None:
    versions = [
        "1:7.2+dfsg-7",
        "1:10.0.2+ds-2~bpo12+1",
        "1:11.1.0+ds-1",
        "1:10.0.13+ds-0+deb13u1",
        "1:10.1.0~rc1+ds-1",
    ]
    best = [candidate.version for candidate in ranked([remote(version) for version in versions])]
    assert best == ["1:10.0.13+ds-0+deb13u1", "1:10.0.2+ds-2~bpo12+1", "1:11.1.0+ds-1", "1:10.1.0~rc1+ds-1"]


def test_the_key_is_made_once_and_is_private(store: Store) -> None:
    first = ssh_key(store)
    assert first.private.stat().st_mode & 0o777 == 0o600
    loaded = paramiko.Ed25519Key.from_private_key_file(str(first.private))
    assert first.public_line.split()[1] == loaded.get_base64()
    assert ssh_key(store) == first
    first.private.write_text("damaged")
    assert ssh_key(store).public_line != first.public_line
    first.private.chmod(0o644)
    assert ssh_key(store).private.stat().st_mode & 0o777 == 0o600


def qemu_tree(folder: Path, version: str = "10.0.2") -> Path:
    for name in (*SIGNS_OF_QEMU, *TYPES_OF_QEMU, "pc-bios/meson.build"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"original {name}\n")
    (folder / "VERSION").write_text(f"{version}\n")
    return folder


@pytest.mark.parametrize(("version", "seen"), [("9.2.0", "too old"), (None, "there is no"), ("", "not QEMU")])
def test_a_qemu_source_that_is_none_is_one_line(tmp_path: Path, version: str | None, seen: str) -> None:
    if version is not None:
        qemu_tree(tmp_path / "q", version)
    if version == "":
        (tmp_path / "q" / "hw" / "virtio" / "Kconfig").unlink()
    with pytest.raises(SetupError, match=seen) as caught:
        given_source(tmp_path / "q", tmp_path / "log")
    assert "--qemu-source" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_our_files_over_a_checkout_leave_it_alone_and_touch_only_what_changed(tmp_path: Path) -> None:
    checkout = qemu_tree(tmp_path / "checkout")
    (checkout / ".git").mkdir()
    (checkout / ".git" / "HEAD").touch()
    ours = {
        "hw/virtio/cryptodev/device.c": tmp_path / "device.c",
        "hw/virtio/cryptodev/old.c": tmp_path / "old.c",
    }
    for path in ours.values():
        path.write_text(path.name)
    work = tmp_path / "work"

    def lay() -> None:
        source = Checkout(checkout)
        source.lay_out(work, PATCHED | ours.keys())
        overlay(source, work, ours)

    lay()
    assert (work / "hw/virtio/meson.build").read_text().endswith("subdir('cryptodev')\n")
    assert (work / "pc-bios/meson.build").read_text() == "roms = []\n"
    assert not (work / ".git").exists()
    assert (checkout / "hw/virtio/meson.build").read_text() == "original hw/virtio/meson.build\n"
    times = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}

    del ours["hw/virtio/cryptodev/old.c"]
    (tmp_path / "device.c").write_text("changed")
    (checkout / "configure").unlink()
    (checkout / "new").write_text("new")
    lay()
    changed = {
        path.relative_to(work).as_posix()
        for path in work.rglob("*")
        if path.is_file() and times.get(path) != path.stat().st_mtime_ns
    }
    assert changed == {"hw/virtio/cryptodev/device.c", "new"}
    assert not (work / "hw/virtio/cryptodev/old.c").exists()
    assert not (work / "configure").exists()
    assert Checkout(checkout).tree_key == Checkout(checkout).tree_key


def test_a_leak_of_qemu_is_mended_in_the_work_tree_alone(tmp_path: Path) -> None:
    checkout = qemu_tree(tmp_path / "checkout")
    (checkout / "leaks.c").write_text("keep(name);\n")
    (checkout / "mended.c").write_text("free(last); keep (name);\n")
    mends = dict.fromkeys(("leaks.c", "mended.c"), ("keep(", "free(last); keep("))
    source, work = Checkout(checkout), tmp_path / "work"
    for _ in range(2):
        source.lay_out(work, PATCHED | mends.keys())
        overlay(source, work, {}, mends)
        assert (work / "leaks.c").read_text() == "free(last); keep(name);\n"
        assert (work / "mended.c").read_text() == (checkout / "mended.c").read_text()
    assert (checkout / "leaks.c").read_text() == "keep(name);\n"


def test_a_tree_that_an_earlier_harness_unpacked_can_be_mended(tmp_path: Path) -> None:
    top = qemu_tree(tmp_path / "qemu-10.0.0")
    (top / "leaks.c").write_text("keep(name);\n")
    with tarfile.open(tmp_path / "q.tar", "w") as archive:
        archive.add(top, top.name)
    source = Tarball("q.tar", lambda: tmp_path / "q.tar", "key", tmp_path / "log")
    work = tmp_path / "work"
    mended: dict[str, tuple[str, str]] = {"leaks.c": ("keep(", "free(last); keep(")}
    for mends in ({}, mended):
        source.lay_out(work, PATCHED | mends.keys())
        overlay(source, work, {}, mends)
    assert (work / "leaks.c").read_text() == "free(last); keep(name);\n"
    assert source.read(work, "leaks.c") == "keep(name);\n"


def test_headers_work_from_any_place(tmp_path: Path) -> None:
    folder = tmp_path / "usr" / "src" / "linux-headers-6.1.0-1-cloud-amd64"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text("include /usr/src/linux-headers-6.1.0-1-common/Makefile\n")
    relocate_headers(tmp_path)
    text = (folder / "Makefile").read_text()
    assert text == "include $(dir $(lastword $(MAKEFILE_LIST)))../linux-headers-6.1.0-1-common/Makefile\n"


def test_modules_are_found_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "modules" / "6.1" / "kernel" / "drivers"
    folder.mkdir(parents=True)
    (folder / "rng-core.ko").write_bytes(b"module")
    assert read_module(tmp_path, "rng_core") == b"module"
    with pytest.raises(ArtifactError, match="virtio_none"):
        read_module(tmp_path, "virtio_none")


def _modules(root: Path, **needs: str) -> Path:
    folder = root / "lib" / "modules" / "6.1" / "kernel" / "crypto"
    folder.mkdir(parents=True)
    for name, text in needs.items():
        info = f"license=GPL\0depends={text}\0name={name}\0"
        (folder / f"{name.replace('_', '-')}.ko").write_bytes(b"\x7fELF\0" + info.encode())
    builtin = root / "lib" / "modules" / "6.1" / "modules.builtin"
    builtin.write_text("kernel/crypto/cbc.ko\nkernel/lib/aes-generic.ko\n")
    return root


def test_a_module_says_what_it_needs(tmp_path: Path) -> None:
    modules = _modules(tmp_path, simd="cryptd,aes_generic", cryptd="")
    assert module_needs(read_module(modules, "simd")) == ["cryptd", "aes_generic"]
    assert module_needs(read_module(modules, "cryptd")) == []
    assert module_needs(b"no module at all") == []


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    modules = _modules(
        tmp_path, aesni_intel="simd,virtio", simd="cryptd,aes_generic", cryptd="", other="simd"
    )
    found = with_needs(modules, ["aesni-intel", "cbc", "other"], ["virtio"])
    assert list(found) == ["cryptd", "simd", "aesni_intel", "other"]
    assert b"name=simd" in found["simd"]


def test_a_module_that_needs_what_there_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cryptd"):
        with_needs(_modules(tmp_path, simd="cryptd"), ["simd"])


def test_clean_removes_ours_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "store" / "x").mkdir(parents=True)
    (tmp_path / "store" / "x" / "file").write_bytes(bytes(1000))
    artifacts = Artifacts(Settings(tmp_path, None, 1), Progress(io.StringIO()))
    assert artifacts.clean() == 1000
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "mine").unlink()
    artifacts.clean()
    artifacts.clean()


def test_a_flavour_comes_from_the_option_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_FLAVOUR", "coverage")
    assert Settings.from_environment(cache_dir=tmp_path).flavour is Flavour.COVERAGE
    assert Settings.from_environment(cache_dir=tmp_path, flavour="asan").flavour is Flavour.ASAN
    monkeypatch.setenv("HARNESS_FLAVOUR", "vanilla")
    with pytest.raises(SetupError, match="no 'vanilla' -- it is one of plain, asan, coverage"):
        Settings.from_environment(cache_dir=tmp_path)


def test_options_of_ones_own_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASAN_OPTIONS", "fast_unwind_on_malloc=0")
    monkeypatch.setenv("UBSAN_OPTIONS", "")
    names = dict(Flavour.ASAN.environment(tmp_path))
    assert names["ASAN_OPTIONS"].endswith(":print_legend=0:fast_unwind_on_malloc=0")
    assert names["UBSAN_OPTIONS"] == "halt_on_error=1:print_stacktrace=1"


def test_only_a_sanitized_program_needs_an_environment(tmp_path: Path) -> None:
    assert Flavour.PLAIN.environment(tmp_path) == Flavour.COVERAGE.environment(tmp_path) == ()
    names = dict(Flavour.ASAN.environment(tmp_path))
    assert f"suppressions='{tmp_path}/host/lsan.supp':" in names["LSAN_OPTIONS"]
    assert "halt_on_error=1" in names["UBSAN_OPTIONS"]
    assert (Path(__file__).parents[2] / "host/lsan.supp").is_file()


def test_only_what_changed_is_compiled_again(tmp_path: Path) -> None:
    ours, warm = tmp_path / "ours", tmp_path / "warm"
    for folder in (ours, warm):
        folder.mkdir()
    for name in ("a.c", "b.c", "Kbuild"):
        (ours / name).write_text(name)
    write_changed(ours, warm)
    (warm / "a.o").write_text("object")
    old = 1_000_000_000
    for path in warm.iterdir():
        os.utime(path, (old, old))
    (ours / "a.c").write_text("changed")
    # Its time is older than that of the object, and yet it is another.
    os.utime(ours / "a.c", (old - 1, old - 1))
    (ours / "b.c").unlink()
    write_changed(ours, warm)
    assert sorted(path.name for path in warm.iterdir()) == ["Kbuild", "a.c", "a.o"]
    assert (warm / "a.c").read_text() == "changed"
    assert (warm / "a.c").stat().st_mtime > old
    assert (warm / "Kbuild").stat().st_mtime == old


def test_changed_sources_are_compiled_from_copies(store: Store) -> None:
    changes = {"guest/driver/main.c": "changed\n"}
    compiler = Compiler(store, 1, changes=changes)
    with compiler._sources("guest/driver", "guest/chat") as [driver, chat]:
        assert (driver / "main.c").read_text() == "changed\n"
        assert (driver / "Kbuild").is_file()
        assert (chat / "client.c").is_file()
        assert driver.parent.parent != REPOSITORY
    assert not driver.exists()
    assert (REPOSITORY / "guest/driver/main.c").read_text() != "changed\n"
    with compiler._sources("guest/chat") as [chat]:
        assert chat == REPOSITORY / "guest" / "chat"
