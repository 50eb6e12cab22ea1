# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's kernel: a kernel of Debian's, its modules, and the headers that modules are built against.

The cloud kernel is what guests run.  The generic one is larger and has what the other leaves out, such as a
driver for QEMU's own virtio-crypto.
"""

from __future__ import annotations

import lzma
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifacts.cache import Recipe
from harness.artifacts.debian import GoneError
from harness.artifacts.digest import key_of
from harness.artifacts.packages import PackageSource, resolve_kernel
from harness.artifacts.storage import remove
from harness.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.artifacts.debian import Remote

PACKAGE = "linux-image-cloud-amd64"
GENERIC_PACKAGE = "linux-image-amd64"
VMLINUX = "vmlinux"
LAYOUT = "2"  # goes up when the layout of the entries changes


@dataclass(frozen=True)
class Kernel:
    """A guest kernel.

    Attributes:
        image: the bootable kernel.
        release: what ``uname -r`` says in the guest.
        modules: folder that has ``lib/modules/RELEASE``.
        headers: the folder to give to make as ``KDIR``.
        identity: names its content.
        module_options: what make is given besides, where a module is built for this kernel.
    """

    image: Path
    release: str
    modules: Path
    headers: Path
    identity: str
    module_options: tuple[str, ...] = ()

    @property
    def symbols(self) -> Path | None:
        """The kernel as a debugger wants it; None where it was not kept."""
        path = self.modules / VMLINUX
        return path if path.is_file() else None


class KernelBuilder:
    """Takes the kernel out of its packages; ``package`` is the metapackage that leads to them."""

    def __init__(self, packages: PackageSource, package: str = PACKAGE) -> None:
        self._packages, self._package = packages, package

    def get(self) -> Kernel:
        """Return the kernel, fetched if need be.

        Raises:
            HarnessError: the archive cannot be reached, or its packages look different from what we know.
        """
        try:
            return self._get()
        except GoneError as error:
            self._packages.store.progress.note(f"{error.seen}: the archive has a newer kernel, taking that")
            self._packages.forget("kernel", [self._package])
            return self._get()

    def _get(self) -> Kernel:
        pinned = self._packages.pinned("kernel", [self._package], resolve_kernel(self._package))
        release = pinned[0].package.removeprefix("linux-image-").removesuffix("-unsigned")
        store = self._packages.store
        identity = key_of("kernel", LAYOUT, pinned[0].sha256)
        entry = store.get(
            Recipe(
                kind="kernel",
                key=identity,
                what=f"the guest's kernel {release}",
                make=lambda staging: self._make_kernel(pinned[0], release, staging),
                trees=("lib/modules",),
            )
        )
        headers = store.get(
            Recipe(
                kind="headers",
                key=key_of("headers", LAYOUT, *(remote.sha256 for remote in pinned[1:])),
                what=f"the headers of the guest's kernel {release}",
                make=lambda staging: self._make_headers(pinned[1:], staging),
                trees=("usr",),
            )
        )
        return Kernel(
            image=entry / "vmlinuz",
            release=release,
            modules=entry,
            headers=headers / "usr" / "src" / f"linux-headers-{release}",
            identity=identity,
        )

    def _make_kernel(self, remote: Remote, release: str, staging: Path) -> None:
        unpacked = staging / "unpacked"
        self._packages.unpack([remote], unpacked)
        trees = [unpacked / place / release for place in ("lib/modules", "usr/lib/modules")]
        tree = next((tree for tree in trees if tree.is_dir()), None)
        image = unpacked / "boot" / f"vmlinuz-{release}"
        if tree is None or not image.is_file():
            seen = "it has no kernel or no modules where they used to be"
            raise ArtifactError(
                f"unpacking {remote.name}", seen, "take Debian 12, for instance in a container"
            )
        image.rename(staging / "vmlinuz")
        (staging / "lib" / "modules").mkdir(parents=True)
        tree.rename(staging / "lib" / "modules" / release)
        remove(unpacked)

    def _make_headers(self, remotes: list[Remote], staging: Path) -> None:
        self._packages.unpack(remotes, staging)
        relocate_headers(staging)
        for folder in ("lib", "usr/share"):
            remove(staging / folder)


def relocate_headers(root: Path) -> None:
    """Make unpacked headers work where they are: Debian's makefile names the common part by absolute path."""
    for makefile in (root / "usr" / "src").glob("linux-headers-*/Makefile"):
        text = makefile.read_text()
        if len(text) < 1000:
            here = "$(dir $(lastword $(MAKEFILE_LIST)))../"
            makefile.write_text(re.sub(r"(?m)^include /usr/src/", f"include {here}", text))


def read_module(modules: Path, name: str) -> bytes:
    """Return a module's bytes, unpacked, by its name; ``-`` and ``_`` are the same in it.

    Raises:
        ArtifactError: the kernel has no such module.
    """
    wanted = _plain(name)
    for path in sorted(modules.glob("lib/modules/*/kernel/**/*.ko*")):
        if _plain(path.name.partition(".ko")[0]) == wanted:
            data = path.read_bytes()
            return lzma.decompress(data) if path.suffix == ".xz" else data
    seen = "the guest's kernel has none of this name"
    raise ArtifactError(f"looking for the module {name}", seen, f"see what is in {modules}")


def module_needs(module: bytes) -> list[str]:
    """Return the names of the modules that a module needs itself: the field ``depends`` of its ``.modinfo``.

    The kernel's include/linux/module.h has the fields; scripts/mod/modpost.c writes this one.
    """
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found[1].decode("ascii").split(",") if name] if found else []


def with_needs(modules: Path, names: Iterable[str], present: Iterable[str] = ()) -> dict[str, bytes]:
    """Return modules and all that they need, unpacked, in an order in which they can be loaded.

    Args:
        modules: folder that has ``lib/modules/RELEASE``.
        names: what is wanted; what is part of the kernel itself is left out.
        present: what is loaded already.

    Raises:
        ArtifactError: the kernel has no such module.
    """
    done = {_plain(name) for name in present} | _builtin(modules)
    order: dict[str, bytes] = {}

    def take(name: str) -> None:
        if _plain(name) in done:
            return
        done.add(_plain(name))
        module = read_module(modules, name)
        for needed in module_needs(module):
            take(needed)
        order[_plain(name)] = module

    for name in names:
        take(name)
    return order


def modules_to_load(modules: Path, names: Iterable[str]) -> list[str]:
    """Return those of some modules that are not part of the kernel itself, in the same order."""
    builtin = _builtin(modules)
    return [name for name in names if _plain(name) not in builtin]


def _builtin(modules: Path) -> set[str]:
    text = "".join(path.read_text() for path in modules.glob("lib/modules/*/modules.builtin"))
    return {_plain(line.rpartition("/")[2].partition(".ko")[0]) for line in text.splitlines()}


def _plain(name: str) -> str:
    return name.replace("-", "_")
