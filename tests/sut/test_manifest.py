# SPDX-License-Identifier: GPL-2.0-or-later
"""A manifest: what it says, and the one line about what is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.artifacts import REPOSITORY
from harness.errors import SetupError
from harness.sut import Feature, Kind
from harness.sut.foreign import Guests, system_of
from harness.sut.manifest import load, schema

PAIR = """
name = "theirs"
kind = "pair"
features = ["write-iv"]
virtio_id = 13
[driver]
folder = "guest"
nodes = "mknod"
major = 61
minors = 2
needs = ["cbc"]
parameters = "debug=1"
[device]
folder = "qemu"
include = ["qemu/include"]
type = "virtio-crypt"
device = "virtio-crypt-pci,vectors=0"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("guest", "qemu/include", "chat", "empty"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("guest", "qemu"):
        (tmp_path / name / "crypto.c").touch()
    return tmp_path


def _written(folder: Path, text: str) -> Path:
    path = folder / "sut.toml"
    path.write_text(text)
    return path


def test_a_pair(folder: Path) -> None:
    file = load(_written(folder, PAIR))
    assert (file.name, file.kind, file.features) == ("theirs", Kind.PAIR, frozenset({Feature.WRITE_IV}))
    assert file.driver is not None
    assert file.device is not None
    assert file.driver.folder == folder / "guest"
    assert file.device.include == (folder / "qemu/include",)
    assert (file.device.type, file.device.pci, file.device.virtio_id) == (
        "virtio-crypt",
        "virtio-crypt-pci",
        13,
    )
    assert file.chat is None


def test_what_a_guest_is_told_of_a_pair(folder: Path) -> None:
    system = system_of(load(_written(folder, PAIR)), "virtio-crypt")
    assert system.load() == (
        "insmod /run/sut/virtio-crypt.ko debug=1"
        " && { test -e /dev/cryptodev0 || mknod -m 666 /dev/cryptodev0 c 61 0; }"
        " && { test -e /dev/cryptodev1 || mknod -m 666 /dev/cryptodev1 c 61 1; }"
    )
    assert system.unload() == "rmmod virtio_crypt"
    assert system.needs == ("/run/sut/cbc.ko",)
    assert not system.makes_nodes


def test_halves_of_a_pair(folder: Path) -> None:
    file = load(_written(folder, PAIR))
    driver, device = file.only(Kind.DRIVER), file.only(Kind.DEVICE)
    assert (driver.kind, driver.device, device.kind, device.driver) == (Kind.DRIVER, None, Kind.DEVICE, None)
    assert system_of(driver, "virtio_crypt").device == "virtio-cryptodev-pci,calls=off,queues=1,virtio-id=13"
    ours = system_of(device)
    assert ours.load() == "insmod /lib/modules/harness/virtio_cryptodev.ko virtio_id=13"
    assert ours.device == "virtio-crypt-pci,vectors=0"
    with pytest.raises(SetupError, match="it is a driver, not a pair"):
        driver.only(Kind.DEVICE)


def test_machines_of_a_pair(folder: Path) -> None:
    guests = Guests(system_of(load(_written(folder, PAIR)), "virtio_crypt"), b"", {})
    restored = guests.machine({"cpus": 2}, booted=False)
    # A device that is not ours is in no saved guest: it is plugged in.
    assert restored == {"cpus": 2, "kernel_args": ("harness.noload", "nosmap"), "devices": ()}
    booted = guests.machine({"smap": True}, booted=True)
    assert booted == {"kernel_args": ("harness.noload",), "devices": ("virtio-crypt-pci,vectors=0",)}


DEVICE = "name = 'd'\nkind = 'device'\n[device]\nfolder = 'qemu'\n"
NATIVE = 'name = "n"\nkind = "native"\n[driver]\nfolder = "guest"\n'


def test_a_native_module(folder: Path) -> None:
    file = load(_written(folder, NATIVE))
    system = system_of(file, "crypto")
    assert (system.node, system.device, system.kind) == ("/dev/crypto", "", Kind.NATIVE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = 'native'\n[driver]\nfolder='guest'\n", "the key name is missing"),
        ("name = 'x'\n", "the key kind is missing"),
        (NATIVE + "modul = 'x'\n", "there is no key driver.modul"),
        ("name = 'x'\nkind = 'trio'\n", "kind = 'trio': input should be 'pair', 'driver'"),
        ("name = 'x'\nkind = 'pair'\n[driver]\nfolder='guest'\n", "a pair needs the table [device]"),
        (NATIVE + "[device]\nfolder = 'qemu'\n", "a native has no table [device]"),
        (NATIVE.replace("guest", "nowhere"), "[driver] names the folder 'nowhere', and there is none"),
        (NATIVE + "major = 0\n", "driver.major = 0: input should be greater than or equal to 1"),
        (NATIVE + "node = '/tmp/x'\n", "driver.node = '/tmp/x': string should match"),
        (NATIVE + "parameters = '; reboot'\n", "driver.parameters = '; reboot': string should match"),
        ("features = ['all']\n" + NATIVE, "features.0 = 'all': input should be 'ciphers'"),
        ("name = ", "it is no TOML"),
        ("name = 'x'\nkind = 'chat'\n[chat]\nprot = 1\n", "there is neither client nor"),
        (NATIVE.replace("guest", r"a\u0000b"), r"[driver] names the folder 'a\x00b', and there is none"),
        (NATIVE.replace("guest", "a" * 300), "and there is none"),
        (NATIVE.replace("guest", ""), "[driver] names the folder '', and there is none"),
        (NATIVE + "sources = ['/etc/*.c']\n", "driver.sources.0 = '/etc/*.c': it is no pattern of"),
        (NATIVE + "sources = ['../*.c']\n", "driver.sources.0 = '../*.c': it is no pattern of files below"),
        (NATIVE + "sources = ['**.c']\n", "driver.sources.0 = '**.c': it is no pattern of files below"),
        (NATIVE + "sources = ['']\n", "driver.sources.0 = '': it is no pattern of files below"),
        (NATIVE + "module = '-f'\n", "driver.module = '-f': string should match"),
        (NATIVE + "node = '/dev/../etc/passwd'\n", "driver.node = '/dev/../etc/passwd': string should match"),
        (NATIVE.replace('"n"', r'"\u001b[2J"'), "name = '\\x1b[2J': string should match"),
        (NATIVE.replace('"n"', r'"two\nlines"'), "name = 'two\\nlines': string should match"),
        (DEVICE + "device = ''\n", "device.device = '': string should match"),
        (DEVICE + "device = 'x,vectors'\n", "device.device = 'x,vectors': string should match"),
        (DEVICE + "device = 'x y'\n", "device.device = 'x y': string should match"),
        (DEVICE + "device = 'x,a=b,id=c'\n", "device.device = 'x,a=b,id=c': the harness gives the id"),
        (DEVICE + "type = '-x'\n", "device.type = '-x': string should match"),
        (NATIVE + "major = true\n", "driver.major = True: input should be a valid integer"),
        (NATIVE + "minors = '3'\n", "driver.minors = '3': input should be a valid integer"),
        (NATIVE + "compat = 'yes'\n", "driver.compat = 'yes': input should be a valid boolean"),
        (NATIVE + "sources = ['*.zz']\n", "is called *.zz"),
        (DEVICE + "sources = ['*.zz']\n", "there is no *.zz in "),
        (NATIVE.replace("guest", "empty"), "is called **/*.c"),
        ("virtio_id = " + "1" * 5000 + "\n" + NATIVE, "Exceeds the limit"),
        ("a = " + "[" * 5000, "it is nested too deeply"),
    ],
    ids=["name", "kind", "unknown", "kinds", "table", "spare", "folder", "number", "node", "options",
         "feature", "toml", "chat", "nul", "long", "no folder", "absolute", "above", "stars", "no pattern",
         "module", "above /dev", "escape", "lines", "no device", "no value", "space", "id", "type",
         "flag for a number", "text for a number", "text for a flag", "no driver's source",
         "no device's source", "no source", "digits", "deep"],
)  # fmt: skip
def test_what_is_wrong_is_one_line(folder: Path, text: str, said: str) -> None:
    with pytest.raises(SetupError) as caught:
        load(_written(folder, text))
    line = str(caught.value)
    assert said in line
    assert "\n" not in line
    assert "sut.toml" in line


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"reading no\.toml: No such file or directory"):
        load(tmp_path / "no.toml")


def test_a_folder_in_place_of_a_manifest() -> None:
    with pytest.raises(SetupError, match=r"reading \.: Is a directory"):
        load(Path())


def test_the_schema_is_the_one_that_is_published() -> None:
    published = REPOSITORY / "docs" / "sut.schema.json"
    assert json.loads(published.read_text()) == json.loads(json.dumps(schema()))
