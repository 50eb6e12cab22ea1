# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compiled from the repository besides QEMU: the module, the programs, the library."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.artifacts.cache import Recipe, Store
from harness.artifacts.digest import key_of, sources_key
from harness.artifacts.flavour import Flavour
from harness.artifacts.process import Job, run
from harness.artifacts.settings import source_folder
from harness.artifacts.storage import locked, remove
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.artifacts.kernel import Kernel

PATTERNS = ("Makefile", "Kbuild", "Kconfig", "meson.build", "*.c", "*.h", "*.S")
MAKE_SECONDS = 600.0
INSTALL_CURE = "python -m harness doctor --install"


@dataclass(frozen=True)
class Driver:
    """The guest's kernel module; ``identity`` names what it was built from."""

    module: Path
    identity: str


@dataclass(frozen=True)
class Programs:
    """The chat and the tools, as dynamic programs for this machine and for the guest."""

    chat_client: Path
    chat_server: Path
    cryptoctl: Path
    wirecap: Path
    identityd: Path
    identity: str


@dataclass(frozen=True)
class BenchPrograms:
    """What measures how fast encryption is: ``guest`` in a guest, ``host`` here; see ``guest/bench``."""

    guest: Path
    host: Path
    identity: str


@dataclass(frozen=True)
class Devcrypto:
    """The semantics of /dev/crypto as a library, and in the form that is preloaded into programs.

    ``objects`` is where they were compiled, if that still exists.  ``runtime`` is the sanitizers' own
    library; it comes first in a program that loads one of these.
    """

    library: Path
    preload: Path
    identity: str
    objects: Path | None = None
    runtime: Path | None = None

    def environment(self, *before: Path) -> dict[str, str]:
        """Return what a program is started with, besides the usual, for it to find /dev/crypto.

        Args:
            before: further libraries to preload, in front of this one.
        """
        if self.runtime is None:
            return {"LD_PRELOAD": ":".join(map(str, (*before, self.preload)))}
        libraries = ":".join(map(str, (self.runtime, *before, self.preload)))
        # The programs are not ours, or end without tidying up: what they leave says nothing of the library.
        return {"LD_PRELOAD": libraries, "ASAN_OPTIONS": "detect_leaks=0"}


def source_files(folder: Path) -> list[Path]:
    """Return the sources in a folder, without what a build by hand may have left there."""
    found = {path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file()}
    return sorted(path for path in found if not path.name.endswith(".mod.c"))


def write_changed(sources: Path, target: Path) -> None:
    """Make the sources of a folder those of another; what is right already keeps its time, for make."""
    wanted = {path.relative_to(sources): path.read_bytes() for path in source_files(sources)}
    for stale in source_files(target):
        if stale.relative_to(target) not in wanted:
            stale.unlink()
    for name, content in wanted.items():
        place = target / name
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            # Now and not when the other was written: an object may be younger than that.
            place.write_bytes(content)


def compiler_version(compiler: str) -> str:
    """Return the first line of a compiler's version.

    Raises:
        SetupError: there is no such compiler.
    """
    try:
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError("looking for a compiler", f"{compiler} does not run", INSTALL_CURE) from error
    return done.stdout.partition("\n")[0]


def sanitizer_runtime(compiler: str) -> Path:
    """Return AddressSanitizer's runtime library of a compiler.

    Raises:
        SetupError: the compiler has none.
    """
    command = [compiler, "-print-file-name=libasan.so"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError("looking for a compiler", f"{compiler} does not run", INSTALL_CURE) from error
    # What it does not find it prints as it was asked for.
    runtime = Path(done.stdout.strip())
    if not runtime.is_absolute() or not runtime.exists():
        raise SetupError("looking for the sanitizers", f"{compiler} has no libasan.so", INSTALL_CURE)
    return runtime


def kernel_compiler(headers: Path, which: Callable[[str], str | None] = shutil.which) -> str:
    """Return the compiler that a kernel's headers ask for, or plain gcc where ``which`` finds none."""
    try:
        text = (headers / ".kernelvariables").read_text()
    except FileNotFoundError:
        text = ""
    asked = re.search(r"(?m)^\s*(?:override\s+)?CC\s*:?=.*?(gcc-\d+)\s*$", text)
    return asked[1] if asked and which(asked[1]) else "gcc"


class Compiler:
    """Runs the makefiles of the repository; each result is one entry of the store."""

    def __init__(
        self,
        store: Store,
        jobs: int,
        flavour: Flavour = Flavour.PLAIN,
        changes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Build into ``store``.

        Args:
            store: where to.
            jobs: how many compilers run at once.
            flavour: how the library is built.
            changes: texts that stand for files of ours: path in the repository → text.
        """
        self._store, self._jobs, self._flavour, self._changes = store, jobs, flavour, changes

    @contextlib.contextmanager
    def _sources(self, *names: str) -> Iterator[list[Path]]:
        """Lend folders of the repository as they are to be compiled: themselves, or copies with changes."""
        folders = [source_folder(name) for name in names]
        if not any(path.startswith(f"{name}/") for path in self._changes for name in names):
            yield folders
            return
        with TemporaryDirectory() as root:
            copies = [Path(root) / name for name in names]
            for folder, copy in zip(folders, copies, strict=True):
                for file in source_files(folder):
                    place = copy / file.relative_to(folder)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, place)
            for path, text in self._changes.items():
                if (Path(root) / path).exists():
                    (Path(root) / path).write_text(text, "utf-8")
            yield copies

    def driver(self, kernel: Kernel) -> Driver:
        """Return the module for a kernel, built if need be."""
        with self._sources("guest/driver") as [folder]:
            # Of a changed driver many versions are built: what they share is compiled once.
            return self._driver(folder, kernel, warm=folder != source_folder("guest/driver"))

    def _driver(self, folder: Path, kernel: Kernel, *, warm: bool) -> Driver:
        compiler = kernel_compiler(kernel.headers)
        sources = sources_key(folder, source_files(folder))
        identity = key_of(
            "driver", "2", sources, kernel.identity, compiler_version(compiler), *kernel.module_options
        )

        def make_in(build: Path, sources: Path, staging: Path) -> None:
            # Paths of this machine would make each build a different one.
            maps = f"-ffile-prefix-map={build}=driver -ffile-prefix-map={kernel.headers.parent}=kernel"
            arguments = [f"KDIR={kernel.headers}", f"O={build}", f"CC={compiler}", f"KCFLAGS={maps}"]
            arguments += kernel.module_options
            self._make(
                sources, arguments, f"the guest's driver for {kernel.release}", f"driver-{identity[:8]}"
            )
            shutil.copy(build / "virtio_cryptodev.ko", staging)

        def make(staging: Path) -> None:
            build = staging / "build"
            build.mkdir()
            make_in(build, folder, staging)
            remove(build)

        def make_warm(staging: Path) -> None:
            root, key = self._store.root, key_of(kernel.identity, compiler_version(compiler))
            build = root / "work" / f"driver-{key[:16]}"
            with locked(root / "locks" / f"{build.name}.lock", "the guest's driver", self._store.progress):
                write_changed(folder, build)
                make_in(build, build, staging)

        entry = self._store.get(Recipe("driver", identity, "the guest's driver", make_warm if warm else make))
        return Driver(entry / "virtio_cryptodev.ko", identity)

    def programs(self) -> Programs:
        """Return the programs, built if need be."""
        names = ("chat-client", "chat-server", "cryptoctl", "wirecap", "identityd")
        folders = ["guest/chat", "guest/tools"]
        entry, identity = self._build("programs", folders, names, "the guest's programs", ["guest/include"])
        client, server, cryptoctl, wirecap, identityd = (entry / name for name in names)
        return Programs(client, server, cryptoctl, wirecap, identityd, identity)

    def bench_programs(self) -> BenchPrograms:
        """Return the programs that measure, built if need be; devcrypto in them is as users run it."""
        names = ("cryptobench", "cryptobench-host")
        headers = ["guest/include", "host/devcrypto"]
        entry, identity = self._build("bench", ["guest/bench"], names, "the programs that measure", headers)
        return BenchPrograms(entry / names[0], entry / names[1], identity)

    def devcrypto(self) -> Devcrypto:
        """Return the library, built if need be."""
        names = ("libdevcrypto.so", "libdevcrypto-preload.so")
        if self._flavour.counts:
            return self._counting_devcrypto(names)
        entry, identity = self._build(
            "devcrypto", ["host/devcrypto"], names, "the devcrypto library", flavour=self._flavour
        )
        runtime = sanitizer_runtime("cc") if self._flavour is Flavour.ASAN else None
        return Devcrypto(entry / names[0], entry / names[1], identity, runtime=runtime)

    def _counting_devcrypto(self, names: tuple[str, str]) -> Devcrypto:
        """Return the library where it was compiled: what it counts belongs to the very objects beside it."""
        folder, root = source_folder("host/devcrypto"), self._store.root
        if any(path.startswith("host/devcrypto/") for path in self._changes):
            seen = f"the flavour {self._flavour} counts for our own library"
            raise SetupError("building a changed library", seen, "take another --flavour")
        flags = self._flavour.compiler_flags
        identity = key_of(compiler_version("cc"), flags)
        build = root / "work" / f"devcrypto-{identity[:16]}"
        what = "the devcrypto library"
        with locked(root / "locks" / f"{build.name}.lock", what, self._store.progress):
            self._make(folder, [f"O={build}"], what, build.name, flags)
        return Devcrypto(build / names[0], build / names[1], sources_key(folder, source_files(folder)), build)

    def _build(
        self,
        kind: str,
        folders: Sequence[str],
        names: Sequence[str],
        what: str,
        headers: Sequence[str] = (),
        flavour: Flavour = Flavour.PLAIN,
    ) -> tuple[Path, str]:
        with self._sources(*folders, *headers) as inputs:
            paths = inputs[: len(folders)]
            keys = (sources_key(path, source_files(path)) for path in inputs)
            flags = flavour.compiler_flags
            identity = key_of(kind, "2", *keys, compiler_version("cc"), *([flags] if flags else []))

            def make(staging: Path) -> None:
                build = staging / "build"
                for path in paths:
                    # A folder for each: their object files may have the same names.
                    self._make(path, [f"O={build / path.name}"], what, f"{kind}-{identity[:8]}", flags)
                for name in names:
                    built = next(build.glob(f"*/{name}"), None)
                    if built is None:
                        raise ArtifactError(
                            f"building {what}",
                            f"the makefiles made no {name}",
                            "see the makefiles in guest/ and host/",
                        )
                    built.rename(staging / name)
                remove(build)

            return self._store.get(Recipe(kind, identity, what, make)), identity

    def _make(self, folder: Path, arguments: list[str], what: str, log: str, more: str = "") -> None:
        doing = f"building {what}"
        flags = {
            "CFLAGS": f"-O2 -g -ffile-prefix-map={folder}={folder.name} {more}".rstrip(),
            "LDFLAGS": f"-Wl,--build-id=none {more}".rstrip(),
        }
        # The make that runs us, if any, has nothing to say to this one.
        clean = {"MAKEFLAGS": "", "MAKELEVEL": "", "MFLAGS": ""}
        with self._store.progress.step(doing):
            job = Job(
                doing, self._store.root / "logs" / f"{log}.log", MAKE_SECONDS, environment=flags | clean
            )
            run(["make", "-C", folder, f"-j{self._jobs}", *arguments], job)
