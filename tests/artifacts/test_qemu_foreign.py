# SPDX-License-Identifier: GPL-2.0-or-later
"""How a device that is not ours is laid over QEMU's source, with everything but the compiler."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.artifacts import REPOSITORY
from harness.artifacts.foreign import DeviceSources
from harness.artifacts.qemu_foreign import (
    compiled,
    device_overlay,
    finding,
    meson_build,
    not_known,
    registered,
    tapped_overlay,
)
from harness.artifacts.qemu_overlay import OUR_FOLDER, TYPES_OF_QEMU, Overlay
from harness.errors import SetupError

FOREIGN = REPOSITORY / "tests" / "foreign"
KCONFIG = REPOSITORY / "host" / "qemu" / "Kconfig"
GLUE = "compat/pci-glue.c"


def sources(folder: Path, **more: object) -> DeviceSources:
    told = {"type": "a-device", "pci": "a-pci"} | more
    return DeviceSources(folder=folder, **told)  # type: ignore[arg-type]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def text_of(laid: Overlay, name: str) -> str:
    return laid.files[f"{OUR_FOLDER}/{name}"].read_text()


@pytest.mark.parametrize(
    ("text", "glue"),
    [
        ('.name = "a-device"', True),
        ('.name = "a-pci"', False),
        ('.generic_name = "a-pci"', False),
        ('#define TYPE_PCI "a-pci"\nx = { .name          = TYPE_PCI }', False),
        ('#define TYPE_PCI "a-pci"\n', True),
        ('// .name = "a-pci"\n/* .name = "a-pci"\n */', True),
        ('error_report("no a-pci");', True),
    ],
    ids=["device", "literal", "generic", "macro", "macro alone", "comment", "message"],
)
def test_glue_is_supplied_where_nothing_registers_the_type(tmp_path: Path, text: str, glue: bool) -> None:
    device = sources(write(tmp_path / "d", {"a.c": text}))
    scratch = write(tmp_path / "scratch", {})
    scratch.mkdir()
    assert (GLUE in text_of(device_overlay(device, KCONFIG, scratch), "meson.build")) is glue


def test_a_macro_may_come_from_a_header_or_from_outside(tmp_path: Path) -> None:
    folder = write(
        tmp_path, {"d/a.c": ".name = IN_HEADER, .name = OUTSIDE", "i/x.h": '#define IN_HEADER "h"\n'}
    )
    device = sources(folder / "d", include=(folder / "i",), defines=('OUTSIDE="o"',))
    assert registered(device, compiled(device)) == {"h", "o"}


def test_a_copy_of_qemus_own_file_is_left_out(tmp_path: Path) -> None:
    files = {"a.c": "", "hw/virtio/virtio-pci.c": ".name = TYPE_VIRTIO_PCI,", "b/c.c": "", "b/d.S": ""}
    write(tmp_path, files)
    assert [path.name for path in compiled(sources(tmp_path))] == ["a.c", "c.c"]
    chosen = sources(tmp_path, sources=("hw/*/virtio-pci.c", "a.*"))
    assert [path.name for path in compiled(chosen)] == ["a.c", "virtio-pci.c"]


def test_sources_that_are_none_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no folder"):
        compiled(sources(tmp_path / "none"))
    with pytest.raises(SetupError, match=r"there is no \*\.c in"):
        compiled(sources(tmp_path))
    with pytest.raises(SetupError, match=r"there is no x\.c in"):
        compiled(sources(tmp_path, sources=("x.c",)))


@pytest.mark.parametrize("pattern", ["/etc/*.c", "", "../*.c", "linked/*.c", "words"])
def test_patterns_find_only_what_is_laid_out(tmp_path: Path, pattern: str) -> None:
    folder = write(tmp_path, {"d/a.c": "", "d/words": "", "b.c": ""}) / "d"
    (folder / "linked").symlink_to(tmp_path)
    with pytest.raises(SetupError):
        compiled(sources(folder, sources=(pattern,)))


def test_names_that_meson_cannot_have_are_one_line(tmp_path: Path) -> None:
    for number, name in enumerate((b"\xe1.c", b"a\nb.c")):
        folder = write(tmp_path, {f"{number}/x.h": ""}) / str(number)
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("")
        with pytest.raises(SetupError, match="name"):
            compiled(sources(folder))


def test_odd_texts_take_no_time(tmp_path: Path) -> None:
    texts = ("\n" * 400_000, "/* " * 200_000, '#include "' + "\n" * 400_000, "#define " * 100_000)
    folder = write(tmp_path / "d", {f"{number}.c": text for number, text in enumerate(texts)})
    (tmp_path / "scratch").mkdir()
    start = time.process_time()
    device_overlay(sources(folder), KCONFIG, tmp_path / "scratch")
    assert time.process_time() - start < 5


def test_their_headers_come_before_qemus(tmp_path: Path) -> None:
    device = '#include "hw/virtio/virtio-crypto.h"\n#include "hw/virtio/virtio.h"\n#include "own.h"\n'
    folder = write(
        tmp_path / "x", {"d/sub/a.c": device, "d/sub/own.h": "", "i/hw/virtio/virtio-crypto.h": ""}
    )
    (tmp_path / "scratch").mkdir()
    laid = device_overlay(sources(folder / "d", include=(folder / "i",)), KCONFIG, tmp_path / "scratch")
    beside = "device/sub/hw/virtio/virtio-crypto.h"
    assert '#include "../../../../include-0/hw/virtio/virtio-crypto.h"' in text_of(laid, beside)
    written = [name for name in laid.files if name.startswith(f"{OUR_FOLDER}/device/")]
    assert sorted(written) == sorted(
        f"{OUR_FOLDER}/{name}" for name in ("device/sub/a.c", "device/sub/own.h", beside)
    )


def test_what_meson_is_told(tmp_path: Path) -> None:
    told = meson_build(sources(tmp_path, defines=("A=1",)), [Path("it's.c")], ["device"], glue=False)
    assert "files(\n    'device/it\\'s.c'), genh" in told
    assert "'-include', here / 'compat/qemu-compat.h'" in told
    assert "'-iquote', here / 'device', '-I' + here / 'device'" in told
    assert ("qemu-compat.c" in told, GLUE in told, "-DA=1" in told) == (True, False, False)
    plain = meson_build(sources(tmp_path, compat=False, defines=("A=1",)), [Path("a.c")], [], glue=True)
    assert "qemu-compat" not in plain
    assert all(part in plain for part in ("compat/wiretap.h", "'-DA=1'", GLUE))


def test_defines_win_over_qemus_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", {"a.c": ""})
    (tmp_path / "scratch").mkdir()
    device = sources(folder, defines=("VIRTIO_ID_CRYPTO=13", "LOUD", "F(x)=x"), virtio_id=13)
    laid = device_overlay(device, KCONFIG, tmp_path / "scratch")
    lines = text_of(laid, "compat/defines.h").splitlines()[1:]
    assert lines == [
        *("#undef VIRTIO_ID_CRYPTO", "#define VIRTIO_ID_CRYPTO 13", "#undef LOUD", "#define LOUD 1"),
        *("#undef F", "#define F(x) x"),
    ]
    assert "#define HARNESS_VIRTIO_ID 13\n" in text_of(laid, "compat/names.h")


def test_qemus_own_types_give_way() -> None:
    (name, path) = ("virtio-crypto-pci", "hw/virtio/virtio-crypto-pci.c")
    assert path in TYPES_OF_QEMU
    assert Overlay({}, sources(FOREIGN, pci=name)).renames == {path: (f'"{name}"', f'"qemu-{name}"')}
    assert Overlay({}, sources(FOREIGN)).renames == Overlay({}).renames == {}


@pytest.mark.parametrize("name", ["old", "otherwire", "nobuild"])
def test_nothing_of_theirs_is_written_to(name: str, tmp_path: Path) -> None:
    folder = FOREIGN / name / "qemu"
    laid = device_overlay(sources(folder), KCONFIG, tmp_path)
    assert laid.tapped
    for path in folder.rglob("*.[ch]"):
        assert laid.files[f"{OUR_FOLDER}/device/{path.relative_to(folder)}"] == path


def test_our_own_device_with_the_tap(tmp_path: Path) -> None:
    ours = REPOSITORY / "host" / "qemu"
    files = {f"{OUR_FOLDER}/{path.name}": path for path in ours.iterdir() if path.is_file()}
    laid = tapped_overlay(files, tmp_path)
    assert laid.tapped
    assert laid.device is None
    header = text_of(laid, "virtio-cryptodev.h")
    assert header == (ours / "virtio-cryptodev.h").read_text() + '\n#include "compat/wiretap.h"\n'
    assert "files('compat/wiretap.c')" in text_of(laid, "meson.build")
    same = set(files) - {f"{OUR_FOLDER}/{name}" for name in ("virtio-cryptodev.h", "meson.build")}
    assert all(laid.files[name] == files[name] for name in same)


def said(target: str, *lines: str) -> str:
    return "\n".join(
        ("[3/9] Compiling x.o", f"FAILED: [code=1] {target} ", "cc -c x", *lines, "[4/9] other", "")
    )


def test_what_is_said_against_them(tmp_path: Path) -> None:
    device, library = (
        sources(tmp_path, include=(tmp_path / "inc",)),
        f"{OUR_FOLDER}/libharness-device.a.p/x.o",
    )
    theirs = said(library, f"../src/{OUR_FOLDER}/device/sub/a.c:7:1: error: bad")
    found = finding(device, theirs, "log")
    assert found is not None
    assert (found.file, found.line, found.message) == ("sub/a.c", 7, "bad")
    header = finding(device, said(library, f"/b/src/{OUR_FOLDER}/include-0/a.h:7:1: error: bad"), "log")
    assert header is not None
    assert header.file == "inc/a.h"
    qemus = finding(device, said(library, f"/c/work/qemu-{'0a' * 8}/src/include/a.h:7:1: error: bad"), "log")
    assert qemus is not None
    assert qemus.file == "include/a.h"
    linked = finding(device, said("qemu-system-x86_64", "a.c:(.text+0x1): undefined reference to `f'"), "log")
    assert linked is not None
    assert linked.message == "undefined reference to `f'"


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (f"{OUR_FOLDER}/libharness-compat.a.p/x.o", f"../src/{OUR_FOLDER}/compat/qemu-compat.c"),
        (f"{OUR_FOLDER}/libharness-device.a.p/x.o", f"/b/src/{OUR_FOLDER}/compat/qemu-compat.h"),
        ("libqemu-x86_64-softmmu.a.p/x.o", "../src/hw/virtio/virtio.c"),
    ],
    ids=["helper", "header", "QEMU"],
)
def test_what_is_no_fault_of_theirs(tmp_path: Path, target: str, place: str) -> None:
    assert finding(sources(tmp_path), said(target, f"{place}:7:1: error: bad"), "log") is None


def test_a_device_that_qemu_does_not_know(tmp_path: Path) -> None:
    device, one = sources(tmp_path), 'Misc devices:\nname "a-device", bus virtio-bus\n'
    missing = not_known(device, one)
    assert str(missing) == "building the device: does not build: QEMU knows no device 'a-pci' after the build"
    assert not_known(device, one + 'name "a-pci", bus PCI\n') is None
