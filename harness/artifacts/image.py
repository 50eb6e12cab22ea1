# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's root file system: an initramfs made from the recipe in ``images/initramfs.toml``.

Its first part is the same bit for bit wherever it is built from the same packages and sources.  A second,
tiny archive with this cache's SSH key is appended: the kernel unpacks one after the other.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.artifacts import cpio
from harness.artifacts.cache import Recipe
from harness.artifacts.debian import GoneError
from harness.artifacts.digest import file_digest, key_of
from harness.artifacts.kernel import modules_to_load, read_module
from harness.artifacts.process import Job, run
from harness.artifacts.settings import source_folder
from harness.artifacts.storage import remove
from harness.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.artifacts.compile import Driver, Programs
    from harness.artifacts.debian import Remote
    from harness.artifacts.kernel import Kernel
    from harness.artifacts.keys import SshKey
    from harness.artifacts.packages import PackageSource

LAYOUT = "2"
MODULE_FOLDER = "lib/modules/harness"
STRIP_SECONDS = 60.0


@dataclass(frozen=True)
class Image:
    """A guest's root file system.

    Attributes:
        initramfs: what QEMU boots: ``base`` and the key.
        base: the part that is reproducible.
        kernel_args: what the kernel's command line should have besides the console, for a quick boot.
        identity: names all that it was made from, without the key.
    """

    initramfs: Path
    base: Path
    kernel_args: tuple[str, ...]
    identity: str


@dataclass(frozen=True)
class ImageRecipe:
    """The content of ``initramfs.toml``.

    Attributes:
        packages: Debian packages that files are taken from.
        modules: kernel modules in the order in which they are loaded.
        kernel_args: see :class:`Image`.
        files: path in the image → path in the unpacked packages (a pattern; the first match is taken).
        texts: path in the image → content.
        links: path in the image → where it points.
        folders: path in the image → permissions, in octal.
    """

    packages: tuple[str, ...]
    modules: tuple[str, ...]
    kernel_args: tuple[str, ...]
    files: dict[str, str]
    texts: dict[str, str]
    links: dict[str, str]
    folders: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> ImageRecipe:
        """Read a recipe.

        Raises:
            ArtifactError: it is no TOML, or something is missing in it.
        """
        try:
            content: dict[str, Any] = tomllib.loads(path.read_text())
            return cls(
                packages=tuple(content["packages"]),
                modules=tuple(content["modules"]),
                kernel_args=tuple(content["kernel_args"]),
                **{name: dict(content[name]) for name in ("files", "texts", "links", "folders")},
            )
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"reading {path}", f"{type(error).__name__}: {error}", "mend it") from error


class ImageBuilder:
    """Makes the image from packages, the module and the programs."""

    def __init__(self, packages: PackageSource) -> None:
        self._packages, self._store = packages, packages.store

    def get(self, kernel: Kernel, driver: Driver, programs: Programs, key: SshKey) -> Image:
        """Return the image, made if need be.

        Raises:
            HarnessError: a package cannot be had, or the recipe asks for what is not there.
        """
        folder = source_folder("images")
        recipe = ImageRecipe.load(folder / "initramfs.toml")
        try:
            return self._get(folder, recipe, (kernel, driver, programs, key))
        except GoneError as error:
            self._store.progress.note(f"{error.seen}: the archive has a newer one, taking that")
            self._packages.forget("image", recipe.packages)
            return self._get(folder, recipe, (kernel, driver, programs, key))

    def _get(
        self, folder: Path, recipe: ImageRecipe, parts: tuple[Kernel, Driver, Programs, SshKey]
    ) -> Image:
        kernel, driver, programs, key = parts
        pinned = self._packages.pinned("image", recipe.packages)
        identity = key_of(
            *("image", LAYOUT, kernel.identity, driver.identity, programs.identity),
            *(file_digest(folder / name) for name in ("initramfs.toml", "init")),
            *(remote.sha256 for remote in pinned),
        )

        def make_base(staging: Path) -> None:
            with self._store.progress.step("making the guest's image"):
                nodes = self._nodes(folder, recipe, pinned, (kernel, driver, programs), staging)
                (staging / "base.cpio").write_bytes(cpio.archive(nodes))
                remove(staging / "work")

        base = self._store.get(Recipe("image", identity, "the guest's image", make_base)) / "base.cpio"

        def make_bootable(staging: Path) -> None:
            (staging / "initramfs.cpio").write_bytes(base.read_bytes() + key_archive(key.public_line))

        what = "the guest's image with the key"
        bootable = self._store.get(Recipe("boot", key_of(identity, key.public_line), what, make_bootable))
        return Image(bootable / "initramfs.cpio", base, recipe.kernel_args, identity)

    def _nodes(
        self,
        folder: Path,
        recipe: ImageRecipe,
        pinned: Sequence[Remote],
        parts: tuple[Kernel, Driver, Programs],
        staging: Path,
    ) -> list[cpio.Node]:
        kernel, driver, programs = parts
        unpacked = staging / "work" / "packages"
        self._packages.unpack(pinned, unpacked)
        modules = modules_to_load(kernel.modules, recipe.modules)
        stripped = self._stripped(driver, programs, staging / "work" / "stripped")
        return [
            *recipe_nodes(recipe, unpacked),
            cpio.regular("init", (folder / "init").read_bytes(), 0o755),
            # The kernel opens it for init before there is a devtmpfs.
            cpio.character_device("dev/console", 5, 1),
            *(
                cpio.regular(f"{MODULE_FOLDER}/{name}.ko", read_module(kernel.modules, name))
                for name in modules
            ),
            cpio.regular(f"{MODULE_FOLDER}/order", "".join(f"{name}\n" for name in modules).encode()),
            *stripped,
        ]

    def _stripped(self, driver: Driver, programs: Programs, work: Path) -> Iterator[cpio.Node]:
        """Yield the module and the programs without what only a debugger wants."""
        work.mkdir(parents=True)
        files = {
            f"{MODULE_FOLDER}/virtio_cryptodev.ko": (driver.module, "--strip-debug"),
            "usr/bin/chat-client": (programs.chat_client, "--strip-all"),
            "usr/bin/chat-server": (programs.chat_server, "--strip-all"),
            "usr/bin/cryptoctl": (programs.cryptoctl, "--strip-all"),
            "usr/bin/wirecap": (programs.wirecap, "--strip-all"),
            "usr/sbin/identityd": (programs.identityd, "--strip-all"),
        }
        for name, (path, option) in files.items():
            small = work / path.name
            job = Job(f"stripping {path.name}", self._store.root / "logs" / "image.log", STRIP_SECONDS)
            run(["strip", option, "-o", small, path], job)
            yield cpio.regular(name, small.read_bytes(), 0o644 if path.suffix == ".ko" else 0o755)


def recipe_nodes(recipe: ImageRecipe, unpacked: Path) -> Iterator[cpio.Node]:
    """Yield what the recipe itself asks for: folders, links, texts, and files out of unpacked packages.

    Raises:
        ArtifactError: no package has a file that the recipe asks for.
    """
    for path, mode in recipe.folders.items():
        yield cpio.directory(path, int(mode, 8))
    for path, target in recipe.links.items():
        yield cpio.symlink(path, target)
    for path, text in recipe.texts.items():
        yield cpio.regular(path, text.encode())
    for path, pattern in recipe.files.items():
        found = next((file for file in sorted(unpacked.glob(pattern)) if file.is_file()), None)
        if found is None:
            seen = f"no package has {pattern} for {path}"
            raise ArtifactError("making the guest's image", seen, "mend the recipe in images/")
        yield cpio.regular(path, found.read_bytes(), 0o755)


def key_archive(public_line: str) -> bytes:
    """Return the archive that lets the owner of a key in."""
    return cpio.archive(
        [
            cpio.directory("root", 0o700),
            cpio.directory("root/.ssh", 0o700),
            cpio.regular("root/.ssh/authorized_keys", f"{public_line}\n".encode(), 0o600),
        ]
    )
