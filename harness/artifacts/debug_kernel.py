# SPDX-License-Identifier: GPL-2.0-or-later
"""The debug kernel: Debian's source of the guest's kernel, small, with all that finds faults in a driver.

``images/debug.config`` says what is in it.  The work tree stays in ``work/`` until it is whole: an
interrupted build goes on where it was.  What guests and modules need of it is copied into the store.
"""

from __future__ import annotations

import re
import shutil
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.artifacts.cache import Recipe
from harness.artifacts.compile import INSTALL_CURE, compiler_version
from harness.artifacts.debian import GoneError
from harness.artifacts.digest import file_digest, key_of
from harness.artifacts.kernel import VMLINUX, Kernel
from harness.artifacts.process import Job, run
from harness.artifacts.settings import source_folder
from harness.artifacts.storage import locked, remove
from harness.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.artifacts.debian import Archive, Remote
    from harness.artifacts.packages import PackageSource
    from harness.artifacts.progress import Step

_CURE = "take the kernel of Debian 12, for instance in a container"
LAYOUT = "1"
META_PACKAGE = "linux-source"
ARCHITECTURE = "x86"
UNPACK_SECONDS = 900.0
CONFIGURE_SECONDS = 300.0
BUILD_SECONDS = 7200.0
# What is changed in the source: path → text, and what is there instead.
MENDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # How old an object has to be to count as leaked: nobody waits five seconds after each test.
        "mm/kmemleak.c": ("#define MSECS_MIN_AGE\t\t5000\t", "#define MSECS_MIN_AGE\t\t500\t"),
    }
)
# About as many lines as a whole build prints: for the progress, nothing else.
BUILD_LINES = 2300
# A module under test is watched for undefined behaviour, and tells which of its code was reached.  A debugger
# finds its lines, which the kernel itself is built without.
MODULE_OPTIONS = ("UBSAN_SANITIZE=y", "KCOV_INSTRUMENT=y", "CFLAGS_MODULE=-g")
# Whoever builds it, wherever and whenever: the same bytes.
_SAME = {
    "KBUILD_BUILD_TIMESTAMP": "@0",
    "KBUILD_BUILD_USER": "harness",
    "KBUILD_BUILD_HOST": "harness",
    "KBUILD_BUILD_VERSION": "1",
    # The make that runs us, if any, has nothing to say to this one.
    "MAKEFLAGS": "",
    "MAKELEVEL": "",
    "MFLAGS": "",
}
# What building a module takes of the tree; of the folders, the files that are no object files.
_FOR_MODULES = ("include", "scripts", f"arch/{ARCHITECTURE}/include", "tools/objtool/objtool")
_SINGLE_FILES = (".config", "Makefile", "Module.symvers", "System.map")
_LEFT_OUT = shutil.ignore_patterns("*.o", "*.a", ".*.cmd", ".*.d")


class DebugKernelBuilder:
    """Builds the debug kernel with ``jobs`` compilers at once."""

    def __init__(self, packages: PackageSource, jobs: int) -> None:
        self._packages, self._store, self._jobs = packages, packages.store, jobs

    def get(self) -> Kernel:
        """Return the kernel, built if need be.

        Raises:
            HarnessError: the archive cannot be reached, the build failed, or it ignores what was configured.
        """
        try:
            return self._get()
        except GoneError as error:
            self._store.progress.note(f"{error.seen}: the archive has a newer kernel, taking that")
            self._packages.forget("kernel-source", [META_PACKAGE])
            return self._get()

    def _get(self) -> Kernel:
        (remote,) = self._packages.pinned("kernel-source", [META_PACKAGE], resolve_source)
        config = source_folder("images") / "debug.config"
        identity = key_of(
            "debug-kernel",
            LAYOUT,
            remote.sha256,
            file_digest(config),
            compiler_version("gcc"),
            *_SAME.values(),
            *(key_of(name, *texts) for name, texts in MENDS.items()),
        )
        tree = self._store.root / "work" / f"kernel-{identity[:16]}"

        def make(staging: Path) -> None:
            with locked(self._store.root / "locks" / f"{tree.name}.lock", "the kernel", self._store.progress):
                self._lay_out(remote, tree)
                mend(tree)
                self._configure(tree, config)
                self._build(tree)
                _keep(tree, staging)
                remove(tree)

        trees = ("build", "lib/modules")
        entry = self._store.get(Recipe("debug-kernel", identity, "the debug kernel", make, trees))
        release = (entry / "release").read_text()
        return Kernel(entry / "vmlinuz", release, entry, entry / "build", identity, MODULE_OPTIONS)

    def _lay_out(self, remote: Remote, tree: Path) -> None:
        """Unpack the source; a tree that is there is whole."""
        if tree.is_dir():
            return
        fresh = tree.with_name(tree.name + ".new")
        remove(fresh)
        try:
            with self._store.progress.step("unpacking the kernel's source"):
                self._packages.unpack([remote], fresh / "package")
                packed = next(fresh.glob("package/usr/src/linux-source-*.tar.*"), None)
                if packed is None:
                    seen = "it has no archive of the source where it used to be"
                    raise ArtifactError(f"unpacking {remote.name}", seen, _CURE)
                (fresh / "source").mkdir()
                options: list[str | Path] = [
                    "--strip-components=1",
                    "--no-same-owner",
                    "--directory",
                    fresh / "source",
                ]
                job = Job(f"unpacking {packed.name}", self._log(tree), UNPACK_SECONDS)
                run(["tar", "--extract", "--file", packed, *options], job)
            (fresh / "source").rename(tree)
        finally:
            remove(fresh)

    def _configure(self, tree: Path, config: Path) -> None:
        """Make the configuration of what is asked for and what that needs; all else is off."""
        job = self._job("configuring the debug kernel", tree, CONFIGURE_SECONDS)
        command = ["make", "-s", f"ARCH={ARCHITECTURE}", f"KCONFIG_ALLCONFIG={config}", "allnoconfig"]
        run(command, job)
        refused = list(unmet(config.read_text(), (tree / ".config").read_text()))
        if refused:
            seen = f"this kernel does not take {', '.join(refused)}"
            raise ArtifactError("configuring the debug kernel", seen, f"see {config}")

    def _build(self, tree: Path) -> None:
        doing = "building the debug kernel"
        log = self._log(tree)
        begin = log.stat().st_size
        with self._store.progress.step(doing, at_once=True) as step:
            job = self._job(doing, tree, BUILD_SECONDS, tick=lambda: _count(log, begin, step))
            run(["make", f"-j{self._jobs}", f"ARCH={ARCHITECTURE}", "bzImage", "modules"], job)

    def _job(self, doing: str, tree: Path, seconds: float, tick: Callable[[], None] | None = None) -> Job:
        cure = f"when a tool is missing: {INSTALL_CURE}"
        return Job(doing, self._log(tree), seconds, tree, _SAME, tick=tick, cure=cure)

    def _log(self, tree: Path) -> Path:
        return self._store.root / "logs" / f"{tree.name}.log"


def resolve_source(archive: Archive) -> list[Remote]:
    """Find the package with the source of the release's kernel, behind the metapackage."""
    meta = archive.candidate(META_PACKAGE)
    found = re.search(r"linux-source-\d[\w.]*", meta.get("Depends", ""))
    if found is None:
        raise ArtifactError(f"looking for {META_PACKAGE}", "it does not lead to a source", _CURE)
    return [archive.binary(archive.candidate(found[0]))]


def mend(tree: Path) -> None:
    """Change what is changed in the source; a file that is right already keeps its time, for make's sake.

    Raises:
        ArtifactError: the source is another one than we know.
    """
    for name, (old, new) in MENDS.items():
        text = (tree / name).read_text()
        if new not in text:
            if old not in text:
                raise ArtifactError(f"changing the kernel's {name}", f"it has no {old!r}", _CURE)
            (tree / name).write_text(text.replace(old, new))


def unmet(wanted: str, made: str) -> Iterator[str]:
    """Yield the lines of a fragment of a configuration that the whole configuration does not have."""
    has = set(made.splitlines())
    switched_on = {line.partition("=")[0] for line in has if line.startswith("CONFIG_")}
    for line in wanted.splitlines():
        off = re.fullmatch(r"# (CONFIG_\w+) is not set", line)
        if (line.startswith("CONFIG_") and line not in has) or (off and off[1] in switched_on):
            yield line


def _count(log: Path, begin: int, step: Step) -> None:
    with log.open("rb") as file:
        file.seek(begin)
        step.advance(min(file.read().count(b"\n"), BUILD_LINES), BUILD_LINES)


def _keep(tree: Path, staging: Path) -> None:
    """Copy what guests and modules need of a built tree into an entry of the store."""
    release = (tree / "include" / "config" / "kernel.release").read_text().strip()
    (staging / "release").write_text(release)
    shutil.copy2(tree / "arch" / ARCHITECTURE / "boot" / "bzImage", staging / "vmlinuz")
    # For a debugger; an entry that was made without it is as good for everybody else.
    shutil.copy2(tree / VMLINUX, staging / VMLINUX)
    modules = staging / "lib" / "modules" / release
    modules.mkdir(parents=True)
    shutil.copy2(tree / "modules.builtin", modules)
    for path in _of_modules(tree):
        target = staging / "build" / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, symlinks=True, ignore=_LEFT_OUT)
        else:
            shutil.copy2(path, target)


def _of_modules(tree: Path) -> Iterable[Path]:
    """Yield the files and folders of a tree without which no module can be built."""
    yield from (tree / name for name in (*_FOR_MODULES, *_SINGLE_FILES))
    yield from (tree / "arch" / ARCHITECTURE).glob("Makefile*")
    yield from (tree / "tools" / "objtool").glob("include")
