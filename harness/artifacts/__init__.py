# SPDX-License-Identifier: GPL-2.0-or-later
"""From sources to what a guest needs: each artifact is built once, kept by content, and checked when used."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import filelock

from harness.artifacts.cache import NotBuiltError, Store
from harness.artifacts.compile import BenchPrograms, Compiler, Devcrypto, Driver, Programs
from harness.artifacts.debug_kernel import DebugKernelBuilder
from harness.artifacts.durations import FOLDER as DURATIONS
from harness.artifacts.durations import Durations
from harness.artifacts.flavour import Flavour, joined
from harness.artifacts.foreign import DeviceSources, DoesNotBuildError, DriverSources
from harness.artifacts.foreign_driver import ForeignDriverBuilder
from harness.artifacts.guest import saved_guest
from harness.artifacts.image import Image, ImageBuilder
from harness.artifacts.kernel import GENERIC_PACKAGE, PACKAGE, Kernel, KernelBuilder
from harness.artifacts.kernel_kind import KernelKind
from harness.artifacts.keys import SshKey, ssh_key
from harness.artifacts.packages import PackageSource
from harness.artifacts.progress import Progress
from harness.artifacts.qemu import NOTHING, QemuBuild, QemuBuilder
from harness.artifacts.settings import REPOSITORY, Settings, source_folder
from harness.artifacts.storage import disk_errors, remove, tree_bytes
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

# Everything that may lie in a cache; a folder that is not one of these was put there by someone else.
CACHE_CONTENT = ("store", "staging", "work", "pins", "apt", "logs", "keys", "accelerator", "locks", DURATIONS)


@dataclass(frozen=True)
class Replaced:
    """What differs from what a guest's image has; None where nothing does."""

    driver: Driver | None
    programs: Programs | None


@dataclass(frozen=True)
class Unstripped:
    """A module with its debug information, and what it was made of.

    Attributes:
        module: the file.
        sources: the folder of its sources.
        changed: those that are not as in the folder: name from there on → text.
    """

    module: Path
    sources: Path
    changed: Mapping[str, str]


@dataclass(frozen=True)
class NotOurs:
    """Sources that stand in the place of ours.

    Attributes:
        driver: the guest's module.
        device: QEMU's device.
        tapped: whether QEMU writes down the descriptor chains that its device is given, ours too.
    """

    driver: DriverSources | None = None
    device: DeviceSources | None = None
    tapped: bool = False


ALL_OURS = NotOurs()


class Artifacts:
    """All artifacts of one cache; each is looked for once in a process and built when it is missing.

    Every method raises a :class:`harness.errors.HarnessError` of one line when it fails.
    """

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        *,
        building: bool = True,
        changes: Mapping[str, str] = NOTHING,
        kernel: str | None = None,
        not_ours: NotOurs = ALL_OURS,
    ) -> None:
        """Use the cache of ``settings``.

        Args:
            settings: where and how.
            progress: is told what goes on.
            building: with False, what is missing raises NotBuiltError.
            changes: parts that differ from ours: path in the repository → text of that file.
            kernel: Debian's metapackage of the kernel that the guest runs, whatever ``settings`` say.
            not_ours: somebody else's sources.
        """
        self._not_ours = not_ours
        if progress.durations is None:
            progress.durations = Durations(settings.cache_dir)
        self._hopeless: dict[str, DoesNotBuildError] = {}
        self.settings, self._changes, self._kernel_package = settings, changes, kernel
        self._store = Store(settings.cache_dir, progress, building=building)
        self._packages = PackageSource(self._store)
        self._compiler = Compiler(self._store, settings.jobs, settings.flavour, changes)
        # Guests start with our own driver and programs; others replace them there: no image is made anew.
        self._own = Compiler(self._store, settings.jobs, settings.flavour)

    def qemu(self) -> QemuBuild:
        """Return QEMU with the device.

        Raises:
            DoesNotBuildError: the device is somebody else's, and its sources do not build.
        """
        return self._once("device", lambda: self._qemu)

    def kernel(self) -> Kernel:
        """Return the guest's kernel, its modules and its headers."""
        return self._kernel

    def driver(self) -> Driver:
        """Return the guest's kernel module."""
        return self._driver

    def foreign_driver(self) -> Driver:
        """Return somebody else's kernel module.

        Raises:
            DoesNotBuildError: its sources do not build.
        """
        return self._once("driver", lambda: self._foreign_driver)

    def unstripped(self) -> Unstripped:
        """Return the module under test as a debugger wants it.

        Raises:
            DoesNotBuildError: it is somebody else's, and its sources do not build.
        """
        if (theirs := self._not_ours.driver) is not None:
            return Unstripped(self.foreign_driver().module, theirs.folder, NOTHING)
        place = "guest/driver/"
        own = {name[len(place) :]: text for name, text in self._changes.items() if name.startswith(place)}
        return Unstripped(self.driver().module, source_folder("guest/driver"), own)

    def programs(self) -> Programs:
        """Return the chat and the tools; the same files run on this machine and in the guest."""
        return self._programs

    def bench_programs(self) -> BenchPrograms:
        """Return the programs that measure how fast encryption is; nothing else needs them."""
        return self._on_disk("the programs that measure", self._compiler.bench_programs)

    def devcrypto(self) -> Devcrypto:
        """Return the library that gives /dev/crypto's semantics."""
        return self._devcrypto

    def image(self) -> Image:
        """Return the guest's root file system; it has our own driver and programs, see :meth:`replaced`."""
        return self._image

    def replaced(self) -> Replaced:
        """Return what a guest has to be given that is not in its image, because it differs from ours."""

        def changed(*folders: str) -> bool:
            return any(str(Path(name).parent) in folders for name in self._changes)

        driver = self.driver() if changed("guest/driver") else None
        return Replaced(driver, self.programs() if changed("guest/chat", "guest/tools") else None)

    def ssh_key(self) -> SshKey:
        """Return the key by which this cache's guests are entered."""
        return self._ssh_key

    def guest(self, key: str, make: Callable[[Path], object]) -> Path:
        """Return the folder of a saved guest, kept beside what it was made of.

        Args:
            key: names all that it depends on.
            make: saves it into the folder that it is given; called once for all processes.
        """
        return self._on_disk("the ready guest", lambda: saved_guest(self._store, key, make))

    def are_built(self) -> bool:
        """Say whether a guest can be booted without fetching or building anything."""
        looking = self.looking()
        try:
            looking.qemu()
            looking.image()
        except NotBuiltError:
            return False
        return True

    def looking(self) -> Artifacts:
        """Return the same artifacts, of which what is missing raises NotBuiltError."""
        return Artifacts(
            self.settings,
            Progress(),
            building=False,
            changes=self._changes,
            kernel=self._kernel_package,
            not_ours=self._not_ours,
        )

    def damaged(self) -> dict[str, str]:
        """Return the names of the cache's entries that are not as they were made, and what is wrong.

        Every byte is read, except in trees that are only counted.
        """
        return self._store.damaged()

    def clean(self) -> int:
        """Remove everything that the harness put into the cache; return how many bytes that frees.

        Raises:
            SetupError: another process is building in it, or something cannot be removed.
        """
        root = self.settings.cache_dir
        with disk_errors("cleaning the cache", root), contextlib.ExitStack() as held:
            for path in sorted((root / "locks").glob("*.lock")):
                try:
                    held.enter_context(filelock.FileLock(path).acquire(timeout=0))
                except filelock.Timeout as error:
                    seen = f"another process is making {path.stem}"
                    raise SetupError("cleaning the cache", seen, "wait for it or end it") from error
            freed = sum(tree_bytes(root / name) for name in CACHE_CONTENT)
            for name in CACHE_CONTENT:
                remove(root / name)
            with contextlib.suppress(OSError):
                root.rmdir()  # only when nothing of somebody else's lies in it
        return freed

    # What was found is kept for this process.

    @cached_property
    def _qemu(self) -> QemuBuild:
        device = {name: text for name, text in self._changes.items() if name.startswith("host/")}
        theirs = self._not_ours.device
        builder = QemuBuilder(self._packages, self.settings)
        qemu = self._on_disk("QEMU", lambda: builder.get(device, device=theirs, tapped=self._not_ours.tapped))
        if theirs is None:
            return qemu
        # It opens the host's /dev/crypto.
        preloaded = self.devcrypto().environment().items()
        return dataclasses.replace(qemu, environment=joined(qemu.environment, preloaded))

    @cached_property
    def _kernel(self) -> Kernel:
        if self._kernel_package is None and self.settings.kernel is KernelKind.DEBUG:
            builder = DebugKernelBuilder(self._packages, self.settings.jobs)
            return self._on_disk("the debug kernel", builder.get)
        package = self._kernel_package or PACKAGE
        return self._on_disk("the kernel", KernelBuilder(self._packages, package).get)

    @cached_property
    def _driver(self) -> Driver:
        kernel = self.kernel()
        return self._on_disk("the driver", lambda: self._compiler.driver(kernel))

    @cached_property
    def _foreign_driver(self) -> Driver:
        sources = self._not_ours.driver
        if sources is None:
            raise SetupError("building the driver under test", "it is ours", "name a sut.toml that has one")
        kernel, builder = self.kernel(), ForeignDriverBuilder(self._store, self.settings.jobs)
        return self._on_disk("the driver under test", lambda: builder.get(sources, kernel))

    @cached_property
    def _programs(self) -> Programs:
        return self._on_disk("the programs", self._compiler.programs)

    @cached_property
    def _devcrypto(self) -> Devcrypto:
        return self._on_disk("the devcrypto library", self._compiler.devcrypto)

    @cached_property
    def _image(self) -> Image:
        kernel, key = self.kernel(), self.ssh_key()

        def make() -> Image:
            parts = kernel, self._own.driver(kernel), self._own.programs(), key
            return ImageBuilder(self._packages).get(*parts)

        return self._on_disk("the image", make)

    @cached_property
    def _ssh_key(self) -> SshKey:
        return self._on_disk("the SSH key", lambda: ssh_key(self._store))

    def _once(self, what: str, build: Callable[[], T]) -> T:
        """Return what is built; what does not build is not tried a second time."""
        if what in self._hopeless:
            raise self._hopeless[what]
        try:
            return build()
        except DoesNotBuildError as error:
            self._hopeless[what] = error
            raise

    def _on_disk(self, what: str, build: Callable[[], T]) -> T:
        with disk_errors(f"making {what}", self.settings.cache_dir):
            return build()


__all__ = [
    "ALL_OURS",
    "GENERIC_PACKAGE",
    "NOTHING",
    "PACKAGE",
    "REPOSITORY",
    "Artifacts",
    "BenchPrograms",
    "Devcrypto",
    "DeviceSources",
    "DoesNotBuildError",
    "Driver",
    "DriverSources",
    "Durations",
    "Flavour",
    "Image",
    "Kernel",
    "KernelKind",
    "NotBuiltError",
    "NotOurs",
    "Programs",
    "Progress",
    "QemuBuild",
    "Replaced",
    "Settings",
    "SshKey",
    "Unstripped",
]
