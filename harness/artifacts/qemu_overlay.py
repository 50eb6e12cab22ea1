# SPDX-License-Identifier: GPL-2.0-or-later
"""What is laid over QEMU's source, and what is changed in QEMU's own files for that."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.artifacts.foreign import DeviceSources
    from harness.artifacts.qemu_source import QemuSource

DEVICES = "".join(
    f"CONFIG_{name}=y\n"
    for name in (
        "Q35",
        "MICROVM",
        "PCIE_PORT",
        "VIRTIO_PCI",
        "VIRTIO_NET",
        "VIRTIO_SERIAL",
        "VIRTIO_RNG",
        "VIRTIO_CRYPTO",
        "VIRTIO_CRYPTODEV",
    )
)
FIRMWARE = ("bios-256k.bin", "bios-microvm.bin", "kvmvapic.bin", "linuxboot_dma.bin")
OUR_FOLDER = "hw/virtio/cryptodev"
# What is appended to files of QEMU's own.
ADDITIONS = {
    "hw/virtio/meson.build": "\nsubdir('cryptodev')\n",
    "hw/virtio/Kconfig": "\nsource cryptodev/Kconfig\n",
}
ROMS = "pc-bios/meson.build"
DEVICES_FILE = "configs/devices/x86_64-softmmu/harness.mak"
# Types of QEMU's own that others have called theirs: they give way.  Path → the type that it names.
TYPES_OF_QEMU = {
    "include/hw/virtio/virtio-crypto.h": "virtio-crypto-device",
    "hw/virtio/virtio-crypto-pci.c": "virtio-crypto-pci",
}
# What is changed in QEMU's own tree besides our folder.
PATCHED = frozenset((*ADDITIONS, *TYPES_OF_QEMU, ROMS, DEVICES_FILE))
# Leaks of QEMU's own that LeakSanitizer cannot be told to leave out: glib keeps no frame pointers, so that
# nothing of the stack is known but g_malloc().  Path → text, and what is there instead when sanitizers watch.
MENDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # The name of the file that a machine was saved to before: a second save forgets it.
        "migration/file.c": (
            "    outgoing_args.fname = g_strdup(",
            "    g_free(outgoing_args.fname);\n    outgoing_args.fname = g_strdup(",
        ),
        # Why saving failed, asked for by query-migrate: both halves of the answer tell it.
        "migration/migration.c": (
            "        info->error_desc = g_strdup(error_get_pretty(s->error));\n    }\n}\n\n"
            "static void fill_destination_migration_info",
            "        g_free(info->error_desc);\n"
            "        info->error_desc = g_strdup(error_get_pretty(s->error));\n    }\n}\n\n"
            "static void fill_destination_migration_info",
        ),
    }
)


@dataclass(frozen=True)
class Overlay:
    """A device that QEMU is built with.

    Attributes:
        files: path in QEMU's source → the file that lies there.
        device: whose device it is, where it is not ours.
        tapped: whether it writes down what goes over its queues.
    """

    files: Mapping[str, Path]
    device: DeviceSources | None = None
    tapped: bool = False

    @property
    def renames(self) -> Mapping[str, tuple[str, str]]:
        """What has to be changed in QEMU's own files for the names of the device's types to be free."""
        wanted = (self.device.type, self.device.pci) if self.device else ()
        return {
            path: (f'"{name}"', f'"qemu-{name}"') for path, name in TYPES_OF_QEMU.items() if name in wanted
        }


def overlay(
    source: QemuSource,
    target: Path,
    ours: Mapping[str, Path],
    mends: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> None:
    """Lay our files over a source tree; files that are right already keep their times, for ninja's sake.

    Args:
        source: tells how QEMU's own files look without us.
        target: the work tree's source.
        ours: path in the tree → our file.
        mends: path in the tree → a text in QEMU's own file, and what replaces it; it need not be there.
    """
    for name, path in ours.items():
        _write_if_other(target / name, path.read_bytes())
    for stale in (target / OUR_FOLDER).rglob("*"):
        if stale.is_file() and stale.relative_to(target).as_posix() not in ours:
            stale.unlink()
    changed = {name: source.read(target, name) + addition for name, addition in ADDITIONS.items()}
    for name in (*TYPES_OF_QEMU, *mends):
        old, new = mends.get(name, ("", ""))
        changed[name] = source.read(target, name).replace(old, new)
    has_firmware = (target / "pc-bios" / FIRMWARE[0]).is_file()
    # Debian removes the binary firmware from the source: its meson.build must not ask for it.
    changed[ROMS] = source.read(target, ROMS) if has_firmware else "roms = []\n"
    changed[DEVICES_FILE] = DEVICES
    for name, text in changed.items():
        _write_if_other(target / name, text.encode())


def _write_if_other(path: Path, content: bytes) -> None:
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
