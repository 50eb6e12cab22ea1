# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU with the device: our files laid over its source, a small configuration, and a build that is kept warm.

The work tree (source and build folder) stays in ``work/`` and is shared by all versions of the device: ninja
compiles what changed.  What comes out is copied into the store.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.artifacts.cache import NotBuiltError, Recipe
from harness.artifacts.compile import INSTALL_CURE, compiler_version, source_files
from harness.artifacts.debian import GoneError
from harness.artifacts.digest import file_digest, key_of
from harness.artifacts.flavour import Flavour, joined
from harness.artifacts.foreign import DoesNotBuildError
from harness.artifacts.process import Job, run
from harness.artifacts.qemu_foreign import WHAT, device_overlay, finding, not_known, tapped_overlay
from harness.artifacts.qemu_overlay import DEVICES, FIRMWARE, MENDS, OUR_FOLDER, PATCHED, Overlay, overlay
from harness.artifacts.qemu_source import DebianQemu, QemuSource, given_source, version_of
from harness.artifacts.settings import REPOSITORY, Settings, source_folder
from harness.artifacts.storage import FullDiskError, locked, remove
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.artifacts.foreign import DeviceSources
    from harness.artifacts.packages import PackageSource
    from harness.artifacts.progress import Step

LAYOUT = "1"
BINARY = "qemu-system-x86_64"
CONFIGURE = (
    "--target-list=x86_64-softmmu",
    "--without-default-features",
    "--without-default-devices",
    "--with-devices-x86_64=harness",
    "--enable-tcg",
    "--enable-kvm",
    "--enable-slirp",
    "--enable-gcrypt",
    "--enable-fdt=system",
    "--disable-docs",
    "--disable-tools",
    "--disable-install-blobs",
    "--disable-debug-info",
)
TOOLS = ("meson==1.8.5", "ninja==1.13.0", "pycotap==1.3.1")
FIRMWARE_PACKAGES = ("seabios", "qemu-system-data")
# Files of devcrypto that QEMU's part of it does without.
NOT_IN_QEMU = ("preload", "fuzz")
PIP_SECONDS = 300.0
CONFIGURE_SECONDS = 300.0
BUILD_SECONDS = 5400.0
LIST_SECONDS = 60.0
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class QemuBuild:
    """A QEMU that has the device.

    Attributes:
        binary: the program.
        firmware: the folder for its option ``-L``.
        version: QEMU's version ("10.0.2").
        identity: names all that it was built from.
        environment: names and values that it has to be started with.
        last_words: whether it has something to say or to write when it ends in good order: leaks, counters.
        tree: where it was compiled; its source is in ``src``, its objects are in ``build``.
        tapped: whether it writes what goes over the device's queues into the file that the environment
            variable ``HARNESS_WIRETAP`` names.
    """

    binary: Path
    firmware: Path
    version: str
    identity: str
    environment: tuple[tuple[str, str], ...] = ()
    tree: Path | None = None
    last_words: bool = False
    tapped: bool = False


class QemuBuilder:
    """Builds QEMU with our device."""

    def __init__(self, packages: PackageSource, settings: Settings) -> None:
        self._packages, self._settings, self._store = packages, settings, packages.store
        self._logs = self._store.root / "logs"
        self._mends = dict(MENDS) if settings.flavour is Flavour.ASAN else {}

    def get(
        self,
        changes: Mapping[str, str] = NOTHING,
        device: DeviceSources | None = None,
        *,
        tapped: bool = False,
    ) -> QemuBuild:
        """Return a QEMU made of the source, our configuration and our files as they are now.

        Args:
            changes: texts that stand for files of ours: path in the repository → text.
            device: sources that are built in place of ours, with a tap.
            tapped: whether ours is built with a tap.

        Raises:
            DoesNotBuildError: the sources of ``device`` do not build.
            HarnessError: the source cannot be had, or the build failed.
        """
        if (changes or device or tapped) and self._settings.flavour.counts:
            what = "a changed device" if changes else "another device" if device else "a device with a tap"
            seen = f"the flavour {self._settings.flavour} counts for our own device"
            raise SetupError(f"building {what}", seen, "take another --flavour")
        with TemporaryDirectory() as folder:
            scratch = Path(folder)
            if device is not None:
                return self._newest(device_overlay(device, source_folder("host/qemu") / "Kconfig", scratch))
            ours = self._our_files()
            for number, (name, text) in enumerate(changes.items()):
                if _is_elsewhere(name):
                    continue
                changed = scratch / f"{number}-{Path(name).name}"
                changed.write_text(text)
                ours[_place_of(name, ours)] = changed
            return self._newest(tapped_overlay(ours, scratch) if tapped else Overlay(ours))

    def _newest(self, ours: Overlay) -> QemuBuild:
        try:
            return self._get(ours)
        except GoneError as error:
            self._store.progress.note(f"{error.seen}: looking what the archive has instead")
            self._packages.forget("firmware", FIRMWARE_PACKAGES)
            DebianQemu(self._packages).forget()
            return self._get(ours)

    def _source(self) -> tuple[QemuSource, str]:
        if self._settings.qemu_source is None:
            return DebianQemu(self._packages).get()
        return given_source(self._settings.qemu_source, self._logs / "qemu-unpack.log"), ""

    def _get(self, ours: Overlay) -> QemuBuild:
        source, version = self._source()
        firmware = self._packages.pinned("firmware", FIRMWARE_PACKAGES)
        flavour = self._settings.flavour
        configuration = key_of(DEVICES, *CONFIGURE, *flavour.configure, *TOOLS)
        machine = key_of(platform.machine(), self._packages.codename, compiler_version("cc"))
        identity = key_of(
            *("qemu", LAYOUT, source.key, configuration, machine),
            *(f"{name} {file_digest(path)}" for name, path in sorted(ours.files.items())),
            *(key_of(name, *texts) for name, texts in {**self._mends, **ours.renames}.items()),
            *(remote.sha256 for remote in firmware),
        )
        tree = self._store.root / "work" / f"qemu-{key_of(source.tree_key, configuration, machine)[:16]}"

        if flavour.counts:
            return self._counting(source, tree, ours, version, identity)

        def make(staging: Path) -> None:
            with locked(self._store.root / "locks" / f"{tree.name}.lock", "QEMU", self._store.progress):
                self._build(source, tree, ours)
                (staging / "version").write_text(version_of(tree / "src", tree))
                shutil.copy2(tree / "build" / BINARY, staging / BINARY)
                if ours.device is not None:
                    self._look_for(ours.device, staging / BINARY, tree)
                self._lay_firmware(tree / "src" / "pc-bios", staging)

        entry = self._store.get(Recipe("qemu", identity, "QEMU with the device", make))
        return QemuBuild(
            binary=entry / BINARY,
            firmware=entry / "firmware",
            version=version or (entry / "version").read_text(),
            identity=identity,
            environment=flavour.environment(REPOSITORY),
            tree=tree,
            last_words=flavour is not Flavour.PLAIN,
            tapped=ours.tapped,
        )

    def _counting(
        self, source: QemuSource, tree: Path, ours: Overlay, version: str, identity: str
    ) -> QemuBuild:
        """Return the program in the tree itself: what it counts belongs to the very objects beside it."""
        whole = tree / ".counting"

        def is_there() -> bool:
            return whole.is_file() and whole.read_text() == identity

        if not is_there() and not self._store.building:
            raise NotBuiltError("looking for QEMU", "not built yet", "python -m harness build")
        if not is_there():
            with locked(self._store.root / "locks" / f"{tree.name}.lock", "QEMU", self._store.progress):
                if not is_there():
                    whole.unlink(missing_ok=True)
                    self._build(source, tree, ours)
                    remove(tree / "firmware")
                    self._lay_firmware(tree / "src" / "pc-bios", tree)
                    # What other objects counted says nothing about these.
                    for stale in (tree / "build").rglob("*.gcda"):
                        stale.unlink()
                    whole.write_text(identity)
        return QemuBuild(
            binary=tree / "build" / BINARY,
            firmware=tree / "firmware",
            version=version or version_of(tree / "src", tree),
            identity=identity,
            tree=tree,
            last_words=True,
        )

    @staticmethod
    def _our_files() -> dict[str, Path]:
        """Return what is laid over QEMU's source: path in the source → our file."""
        device, library = source_folder("host/qemu"), source_folder("host/devcrypto")
        files = {f"{OUR_FOLDER}/{path.relative_to(device)}": path for path in source_files(device)}
        for path in source_files(library):
            if path.suffix in {".c", ".h"} and not path.name.startswith(NOT_IN_QEMU):
                files[f"{OUR_FOLDER}/devcrypto/{path.name}"] = path
        return files

    def _build(self, source: QemuSource, tree: Path, ours: Overlay) -> None:
        """Bring the work tree up to date; the caller holds its lock."""
        try:
            self._make(source, tree, ours)
        except (FullDiskError, OSError):
            # Any file of the tree may be cut short.
            remove(tree)
            raise

    def _make(self, source: QemuSource, tree: Path, ours: Overlay) -> None:
        progress = self._store.progress
        with progress.step("laying out QEMU's source"):
            source.lay_out(tree / "src", PATCHED | self._mends.keys() | ours.files.keys())
            overlay(source, tree / "src", ours.files, {**self._mends, **ours.renames})
        build = tree / "build"
        if not (build / ".configured").is_file():
            tools = self._tools()
            remove(build)
            build.mkdir()
            with progress.step("configuring QEMU"):
                self._configure(tree, tools, offline=source.offline)
            (build / ".configured").touch()
        with progress.step("building QEMU") as step:
            self._ninja(tree, ours.device, step)

    def _configure(self, tree: Path, tools: Path, *, offline: bool) -> None:
        job = Job(
            "configuring QEMU",
            self._logs / f"{tree.name}-configure.log",
            CONFIGURE_SECONDS,
            cwd=tree / "build",
            environment=_path_of(tools),
            cure=f"when it misses a library: {INSTALL_CURE}",
        )
        download = ["--disable-download"] if offline else []
        options = [*CONFIGURE, *self._settings.flavour.configure, *download]
        run([tree / "src" / "configure", *options, f"--python={tools}/bin/python"], job)

    def _ninja(self, tree: Path, device: DeviceSources | None, step: Step) -> None:
        tools = self._tools()
        log = self._logs / f"{tree.name}-build.log"
        job = Job(
            "building QEMU",
            log,
            BUILD_SECONDS,
            environment=_path_of(tools),
            step=step,
            explain=lambda output: finding(device, output, str(log)) if device else None,
        )
        run([tools / "bin" / "ninja", "-C", tree / "build", f"-j{self._settings.jobs}", BINARY], job)

    def _look_for(self, device: DeviceSources, binary: Path, tree: Path) -> None:
        """See whether QEMU has a device; two of one name end it at once."""

        def explain(output: str) -> DoesNotBuildError:
            said = next((line for line in output.splitlines() if line.strip()), "")
            return DoesNotBuildError(WHAT, f"QEMU ends at once: {said}", log=str(log))

        log = self._logs / f"{tree.name}-devices.log"
        flavour = self._settings.flavour.environment(REPOSITORY)
        environment = dict(joined(flavour, [("ASAN_OPTIONS", "detect_leaks=0")]))
        job = Job("asking QEMU for its devices", log, LIST_SECONDS, environment=environment, explain=explain)
        missing = not_known(device, run([binary, "-machine", "none", "-device", "help"], job))
        if missing is not None:
            raise missing

    def _tools(self) -> Path:
        """Return a Python environment that has what QEMU's configure wants, made once."""
        python = f"{sys.base_prefix} {sys.version}"
        tools = self._store.root / "work" / f"tools-{key_of(*TOOLS, python)[:16]}"
        whole = tools / ".complete"
        if whole.is_file():
            return tools
        progress, log = self._store.progress, self._logs / "tools.log"
        with locked(self._store.root / "locks" / f"{tools.name}.lock", "meson and ninja", progress):
            if whole.is_file():
                return tools
            doing = "fetching meson and ninja from PyPI"
            remove(tools)
            try:
                with progress.step(doing):
                    venv = Job(doing, log, PIP_SECONDS, cure=INSTALL_CURE)
                    run([sys.executable, "-m", "venv", tools], venv)
                    pip = Job(doing, log, PIP_SECONDS, cure="check the network and pip's configuration")
                    options = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
                    run([tools / "bin" / "python", "-m", "pip", "install", *options, *TOOLS], pip)
                whole.touch()
            finally:
                if not whole.is_file():
                    remove(tools)
        return tools

    def _lay_firmware(self, own: Path, staging: Path) -> None:
        """Put QEMU's firmware into the entry: its own if its source has it, else Debian's."""
        firmware = staging / "firmware"
        firmware.mkdir()
        unpacked = staging / "unpacked"
        if not all((own / name).is_file() for name in FIRMWARE):
            self._packages.unpack(self._packages.pinned("firmware", FIRMWARE_PACKAGES), unpacked)
        for name in FIRMWARE:
            places = [own / name, *sorted(unpacked.rglob(name))]
            file = next((place for place in places if place.is_file()), None)
            if file is None:
                seen = f"no {name} in {FIRMWARE_PACKAGES}"
                raise ArtifactError("looking for QEMU's firmware", seen, "bring a QEMU with --qemu-source")
            shutil.copy(file, firmware / name)
        remove(unpacked)


def _is_elsewhere(name: str) -> bool:
    """Whether a file is of devcrypto, by its path in the repository, and yet not of the device."""
    return Path(name).parent.name == "devcrypto" and Path(name).name.startswith(NOT_IN_QEMU)


def _place_of(name: str, ours: Mapping[str, Path]) -> str:
    """Return the path in QEMU's source of a file of ours, by its path in the repository."""
    file = source_folder(str(Path(name).parent)) / Path(name).name
    for place, path in ours.items():
        if path == file:
            return place
    raise ArtifactError("changing the device", f"{name} is not part of it", "change a file of host/")


def _path_of(tools: Path) -> dict[str, str]:
    return {"PATH": f"{tools / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
