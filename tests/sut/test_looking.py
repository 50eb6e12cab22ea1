# SPDX-License-Identifier: GPL-2.0-or-later
"""A first manifest for a folder of sources: what is found in them, and what is left to whoever knows them."""

from __future__ import annotations

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
