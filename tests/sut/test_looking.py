# SPDX-License-Identifier: GPL-2.0-or-later
"""A first manifest for a folder of sources: what is found in them, and what is left to whoever knows them."""

from __future__ import annotations

import resource
import tomllib
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.sut.looking import first_manifest, write
from harness.sut.manifest import load

if TYPE_CHECKING:
    from pathlib import Path

DRIVER = """
#define CRYPTO_CHRDEV_MAJOR 60
#define VIRTIO_ID_CRYPTODEV 13
/* misc_register() is not for us */
static int __init init(void) { return register_virtio_driver(&drv); }
module_init(init);
"""
DEVICE = """
#include "hw/virtio/virtio-cryptodev.h"
static const TypeInfo info = { .name = TYPE_VIRTIO_CRYPTODEV, .parent = TYPE_VIRTIO_DEVICE, };
type_init(r)
"""
HEADER = '#define TYPE_VIRTIO_CRYPTODEV "virtio-cryptodev"\n'
COMMON = '#define TCP_PORT 35001\n#define KEY "hellhellhellhell"\n#define IV "llehllehllehlleh"\n'


def _laid(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_what_cannot_be_meant_is_left_to_who_knows(tmp_path: Path) -> None:
    """A major number that the kernel gives, a port and a key that are none: the manifest is written."""
    root = tmp_path / ("😀" * 60)
    programs = "int main(void) { connect(s); CIOCCRYPT; accept(s); }\n#define PORT 99999\n"
    _laid(
        root,
        {
            "driver/a.c": DRIVER.replace("MAJOR 60", "MAJOR 0").replace("CRYPTODEV 13", "CRYPTODEV 99"),
            "chat/a.c": programs + '#define SHM_KEY 0x1234\n#define IV "short"\n',
        },
    )
    text = write(root).read_text()
    file = load(root / "sut.toml")
    assert file.name == root.name
    assert "# major = 60" in text
    assert "# port = 35001" in text
    assert '# key = "…"' in text
    assert '# iv = "…"' in text


def test_a_pair(tmp_path: Path) -> None:
    _laid(
        tmp_path,
        {
            "guest/crypto-module.c": DRIVER,
            "guest/Makefile": "obj-m := virtio_crypto.o\nvirtio_crypto-objs := crypto-module.o\n",
            "qemu/hw/virtio/virtio-cryptodev.c": DEVICE,
            "qemu/include/hw/virtio/virtio-cryptodev.h": HEADER,
        },
    )
    told = tomllib.loads(first_manifest(tmp_path))
    assert told == {
        "name": tmp_path.name,
        "kind": "pair",
        "features": [],
        "virtio_id": 13,
        "driver": {"folder": "guest", "module": "virtio_crypto", "nodes": "mknod", "major": 60},
        "device": {
            "folder": "qemu/hw/virtio",
            "include": ["qemu/include"],
            "type": "virtio-cryptodev",
            "device": "virtio-cryptodev-pci",
        },
    }


def test_a_native_module(tmp_path: Path) -> None:
    source = (
        'static struct miscdevice m = { .minor = 1, .name = "crypto" };\n'
        "long f(int c) { switch (c) { case CRIOGET: case CIOCGSESSINFO: return COP_FLAG_WRITE_IV; } }\n"
        "static struct file_operations o = { .compat_ioctl = f };\n"
        "int i(void) { return misc_register(&m); }\nmodule_init(i);\n"
    )
    told = tomllib.loads(first_manifest(_laid(tmp_path, {"crypto.c": source})))
    assert told["kind"] == "native"
    assert told["features"] == ["write-iv", "info", "clone", "compat"]
    assert told["driver"] == {"folder": ".", "node": "/dev/crypto"}


def test_a_chat(tmp_path: Path) -> None:
    program = (
        '#include "common.h"\nint main(int argc, char **argv) {{ return {}(0, 0, 0) + ioctl(f, CIOCCRYPT); }}'
    )
    told = tomllib.loads(
        first_manifest(
            _laid(
                tmp_path,
                {
                    "client.c": program.format("connect"),
                    "server.c": program.format("accept"),
                    "common.h": COMMON,
                },
            )
        )
    )
    assert told["kind"] == "chat"
    assert told["chat"] == {
        "where": "host",
        "folder": ".",
        "client": ["client.c"],
        "server": ["server.c"],
        "port": 35001,
        "encrypted": True,
        "key": "hellhellhellhell",
        "iv": "llehllehllehlleh",
    }


@pytest.mark.parametrize(
    ("files", "said"),
    [({}, "there is no C file in it"), ({"a.c": "int x;\n"}, "no virtio driver, no module")],
    ids=["empty", "nothing"],
)
def test_a_folder_with_nothing_to_test(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        first_manifest(_laid(tmp_path, files))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    _laid(tmp_path, {"guest/x.c": DRIVER})
    path = write(tmp_path)
    assert load(path).name == tmp_path.name
    path.write_text("mine")
    with pytest.raises(SetupError, match=r"there is a sut\.toml already"):
        write(tmp_path)
    assert path.read_text() == "mine"


# Each value with what was taken for it before: the next struct's name, a version, a flag.
MISC = """
#define DEVICE_NAME "vcrypt0"
static struct miscdevice misc = { .minor = 1, .fops = &(struct f){ .name = "no" }, .name = %s };
static struct virtio_driver drv = { .driver = { .name = "virtio_vcrypt", }, };
static int i(void) { misc_register(&misc); return register_virtio_driver(&drv); }
"""
CHAT = "int main(void) { connect(s); accept(s); ioctl(f, CIOCCRYPT); }\n"


def _driver(folder: Path, source: str) -> str:
    return first_manifest(_laid(folder, {"drv/main.c": source}))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ('"vcrypt0"', 'node = "/dev/vcrypt0"'),
        ("DEVICE_NAME", 'node = "/dev/vcrypt0"'),
        ('"my/vcrypt", .nodename = "crypto/v"', 'node = "/dev/crypto/v"'),
        ("KBUILD_MODNAME", '# node = "/dev/cryptodev0"  # not found: the sources say KBUILD_MODNAME'),
        ('PREFIX "vcrypt0"', '# node = "/dev/cryptodev0"  # not found'),
        ('"a b"', '# node = "/dev/cryptodev0"  # not found: the sources say "a b"'),
    ],
)
def test_a_miscdevice_has_the_name_of_its_own_braces(tmp_path: Path, name: str, line: str) -> None:
    text = _driver(tmp_path, MISC % name)
    tomllib.loads(text)
    assert line in text.splitlines()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('static struct miscdevice m[] = { { .name = "a" }, { .name = "a" } };', 'node = "/dev/a"'),
        (
            'static struct miscdevice m[] = { { .name = "b" }, { .name = "a" } };',
            '# node = "/dev/cryptodev0"  # which one of "a", "b"',
        ),
        ('struct v { struct miscdevice misc; };\nvoid f(void) { v->misc.name = "a"; }', 'node = "/dev/a"'),
        (
            'void f(struct miscdevice *m);\nvoid g(struct alg *m) { m->name = "a"; }',
            '# node = "/dev/cryptodev0"  # not found',
        ),
        ('void f(void) { v->misc = (struct miscdevice) { .name = "a" }; }', 'node = "/dev/a"'),
        (
            'static struct miscdevice m;\nstruct x y = { .name = "a" };',
            '# node = "/dev/cryptodev0"  # not found',
        ),
    ],
    ids=["same", "several", "assigned", "pointer", "literal", "none"],
)
def test_miscdevices_elsewhere(tmp_path: Path, source: str, line: str) -> None:
    assert line in _driver(tmp_path, f"{source}\nmodule_init(misc_register(m));\n").splitlines()


@pytest.mark.parametrize(
    ("macros", "line"),
    [
        ("#define VCRYPT_VERSION_MAJOR 2\n#define VCRYPT_CHRDEV_MAJOR 60", "major = 60"),
        ("#define VCRYPT_MAJOR_VER 2", "# major = 60  # not found"),
        ("#define A_MAJOR 61\n#define B_MAJOR 61 // as A\n#define C_MAJOR 0", "major = 61"),
        ("#define A_MAJOR 61\n#define B_MAJOR 62", "# major = 60  # which one of A_MAJOR = 61, B_MAJOR = 62"),
        ("#define A_MAJOR (B)\n#define B 0x3d", "major = 61"),
        ("#define A_MAJOR B_MAJOR\n#define B_MAJOR A_MAJOR", "# major = 60  # not found"),
        ("#define A_MAJOR 2 + 58", "# major = 60  # not found"),
        (f"#define A_MAJOR {'1' * 5000}", "# major = 60  # not found"),
    ],
    ids=["version", "ver", "same", "several", "chain", "cycle", "sum", "long"],
)
def test_a_major_number_is_not_guessed(tmp_path: Path, macros: str, line: str) -> None:
    text = _driver(tmp_path, f"{macros}\nmodule_virtio_driver(d);\n")
    tomllib.loads(text)
    assert line in text.splitlines()


@pytest.mark.parametrize(
    ("macros", "lines"),
    [
        ("#define DIGESTS_SUPPORTED 1\n#define TCP_PORT 35001", ["port = 35001"]),
        ('#define PORT "35002"\n#define PORT_LEN 6', ["port = 35002"]),
        (
            "#define A_PORT 1\n#define B_PORT 2\n",
            ["# port = 35001  # which one of A_PORT = 1, B_PORT = 2"],
        ),
        (
            '#define KEY "hellhellhellhell"\n#define MAC_KEY "hallhallhallhall"\n#define IV 1234567890123456',
            [
                '# key = "…"  # which one of KEY = "hellhellhellhell", MAC_KEY = "hallhallhallhall"',
                '# iv = "…"  # not found',
            ],
        ),
        (
            '#define KEY "//helohelohelo//"\n#define IV "hex:11llehllehll"\n',
            ['key = "//helohelohelo//"', 'iv = "hex:6865783a31316c6c65686c6c65686c6c"'],
        ),
        (
            '#define KEY "\\x01\\x02\\x03\\x04"\n#define IV "hell\x7fellhellhell"',
            ['iv = "hell\\u007fellhellhell"'],
        ),
    ],
    ids=["word", "text", "ports", "keys", "quotes", "control"],
)
def test_a_port_and_a_key_are_not_guessed(tmp_path: Path, macros: str, lines: list[str]) -> None:
    path = write(_laid(tmp_path, {"chat.c": f"{CHAT}{macros}\n"}))
    assert load(path).chat is not None
    assert set(lines) <= set(path.read_text().splitlines())


def test_a_type_is_not_guessed(tmp_path: Path) -> None:
    """Two types on a bus: both are named, and no name on PCI is made of one of them."""
    other = DEVICE.replace("info", "more").replace("TYPE_VIRTIO_CRYPTODEV", '"virtio-other"')
    text = first_manifest(_laid(tmp_path, {"a.c": HEADER + DEVICE + other}))
    assert '# type = "virtio-cryptodev"  # which one of "virtio-cryptodev", "virtio-other"' in text
    assert '# device = "virtio-cryptodev-pci"  # not found' in text


def test_a_type_that_the_manifest_does_not_take(tmp_path: Path) -> None:
    path = write(_laid(tmp_path, {"a.c": DEVICE.replace("TYPE_VIRTIO_CRYPTODEV", '"virtio cryptodev"')}))
    assert '# type = "virtio-cryptodev"  # not found: the sources say "virtio cryptodev"' in path.read_text()


@pytest.mark.parametrize(
    ("makefile", "line"),
    [
        ("obj-m := a.o b.o", '# module = "…"  # which one of a, b'),
        ("obj-m := a.o \\\n  b.o # c.o", '# module = "…"  # which one of a, b'),
        ("obj-$(CONFIG_A) += sub/ sub/a.o\n# obj-m := b.o", 'module = "a"'),
        ("obj-m := $(NAME).o", '# module = "…"  # not found: the sources say $(NAME)'),
        (
            "obj-m := a.o\nobj-m += $(patsubst %.c, %.o, \x01)",
            '# module = "…"  # which one of $(patsubst %.c, %.o, ?), a',
        ),
        ("obj-m := é.o", '# module = "…"  # not found: the sources say é'),
    ],
    ids=["two", "continued", "configured", "variable", "function", "foreign"],
)
def test_every_object_of_a_makefile_counts(tmp_path: Path, makefile: str, line: str) -> None:
    path = write(_laid(tmp_path, {"drv/a.c": DRIVER, "drv/Makefile": f"{makefile}\n"}))
    assert load(path).driver is not None
    assert line in path.read_text().splitlines()


@pytest.mark.parametrize(
    ("makefiles", "folder"),
    [
        ({"drv/Makefile": "obj-m := vc.o\nvc-y := core/main.o io/io.o\n"}, "drv"),
        ({"drv/Kbuild": "obj-m := vc.o\n", "Makefile": "obj-m := all.o\n"}, "drv"),
        ({"drv/Makefile": "obj-m := vc.o\n", "drv/core/Kbuild": "obj-m := core.o\n"}, "drv/core"),
        ({"drv/Makefile": "all:\n\tmake -C core\n"}, "drv/core"),
        ({"Makefile": "obj-m := vc.o\n"}, "."),
    ],
    ids=["above", "nearest", "own", "none", "root"],
)
def test_a_module_is_built_where_its_makefile_is(
    tmp_path: Path, makefiles: dict[str, str], folder: str
) -> None:
    io = "int f(int c) { switch (c) { case CRIOGET: return COP_FLAG_WRITE_IV; } }\n"
    above = _laid(tmp_path, {"Makefile": "obj-m := above.o\n"})
    root = _laid(above / "root", {"drv/core/main.c": DRIVER, "drv/io/io.c": io, **makefiles})
    told = tomllib.loads(first_manifest(root))
    assert told["driver"]["folder"] == folder
    assert told["features"] == ([] if folder == "drv/core" else ["write-iv", "clone"])


def test_a_name_that_cannot_be_written(tmp_path: Path) -> None:
    """It is said which one, and no file is left."""
    for folder, name, odd in (("a\udcff", "c/x.c", "udcff"), ("b", "\udcfe/x.c", "udcfe")):
        root = _laid(tmp_path / folder, {name: DRIVER})
        with pytest.raises(SetupError, match=rf"a name that is no UTF-8 .*\\{odd}"):
            write(root)
        assert not (root / "sut.toml").exists()


def test_a_name_that_the_manifest_does_not_take(tmp_path: Path) -> None:
    root = _laid(tmp_path / "a\nb", {"x.c": DRIVER})
    with pytest.raises(SetupError, match="what is found makes no manifest: name = "):
        write(root)
    assert not (root / "sut.toml").exists()


def test_half_a_manifest_is_not_left(tmp_path: Path) -> None:
    """A disk that is full, as far as this process can see."""
    root = _laid(tmp_path, {"x.c": DRIVER})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(SetupError, match=r"writing .*sut\.toml: File too large"):
            write(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (root / "sut.toml").exists()
