# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else's kernel module, built for the guest's kernel from sources that stay as they are.

Sources for Linux 3.x and 4.x get what has changed since from ``guest/compat``.  Where they take the virtio id
from the kernel's headers, the macro ``HARNESS_VIRTIO_ID`` says another one than 30.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifacts.cache import Recipe
from harness.artifacts.compile import (
    INSTALL_CURE,
    MAKE_SECONDS,
    Driver,
    compiler_version,
    kernel_compiler,
    source_files,
)
from harness.artifacts.digest import key_of, sources_key
from harness.artifacts.foreign import first_error, matching
from harness.artifacts.process import Job, run
from harness.artifacts.settings import source_folder
from harness.artifacts.storage import remove
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.artifacts.cache import Store
    from harness.artifacts.foreign import DriverSources
    from harness.artifacts.kernel import Kernel

LAYOUT = "1"
WHAT = "the driver"
NAMELESS = "foreign"  # the module of several files that nobody gave a name
# What a build by hand leaves in a folder; none of it is a source.
_RESIDUE = re.compile(
    r"(^|/)(\.git|\.tmp_versions|__pycache__)(/|$)|"
    r"(\.(o|ko|mod|mod\.c|cmd|a|symvers|order)|(^|/)(Module\.symvers|modules\.order))$"
)
# "obj-m += x.o", "obj-$(CONFIG_CRYPTODEV) += x.o": this makefile says what a module consists of.
_OBJECTS = re.compile(
    r"(?m)^[ \t]*(?:override[ \t]+)?obj-(?:m\b|\$[({](?P<option>CONFIG_\w+)[)}])[ \t]*[:+]?="
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_C_FILE = re.compile(r"[\w.+/-]+\.c", re.ASCII)
# Kernels have made errors of these since; when the sources were written they were warnings, or nothing.
_ONLY_WARNINGS = (
    "cast-function-type",
    "date-time",
    "designated-init",
    "implicit-int",
    "incompatible-pointer-types",
    "int-conversion",
    "return-type",
    "strict-prototypes",
)
_SILENT = ("declaration-after-statement", "implicit-fallthrough", "vla")


@dataclass(frozen=True)
class Plan:
    """How a module's parts are told to the kernel's makefiles.

    Attributes:
        files: what is written into the copy of the sources besides: name → text.
        options: what make is given, for parts that a configuration would select.
    """

    files: dict[str, str]
    options: tuple[str, ...] = ()


def own_files(folder: Path) -> list[Path]:
    """Return what lies in a folder of sources, without what a build by hand left there.

    Raises:
        SetupError: there is no such folder.
    """
    if not folder.is_dir():
        raise SetupError(
            "looking for the driver's sources", f"there is no folder {folder}", "mend folder in [driver]"
        )
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if not _RESIDUE.search(path.relative_to(folder).as_posix())]


def plan(sources: DriverSources) -> Plan:
    """Decide what a module is made of: its own makefile says it, or the names of its files do.

    Raises:
        ArtifactError: there is nothing that a module could be made of.
    """
    folder = sources.folder
    for name in ("Kbuild", "Makefile"):
        if (folder / name).is_file():
            text = (folder / name).read_text("utf-8", "replace")
            found = list(_OBJECTS.finditer(text))
            # Kbuild reads the first of the two and no other.
            if found or name == "Kbuild":
                options = {match["option"] for match in found if match["option"]}
                return Plan({}, tuple(f"{option}=m" for option in sorted(options)))
    names = _c_files(sources)
    module = sources.module or _named_after(names)
    if not _NAME.fullmatch(module):
        raise ArtifactError(
            f"building {WHAT}", f"{module!r} is no name for a module", "name it: module in [driver]"
        )
    return Plan(kbuild(module, names))


def kbuild(module: str, names: Sequence[str]) -> dict[str, str]:
    """Return the files, by name, that make one module of C files: a Kbuild, and what that needs.

    Args:
        module: its name.
        names: the C files, from the folder on.
    """
    if list(names) == [f"{module}.c"]:
        return {"Kbuild": f"obj-m := {module}.o\n"}
    files: dict[str, str] = {}
    objects = []
    for name in names:
        stem = name.removesuffix(".c")
        if stem == module:
            # MODULE.o is what all the others are linked into: this one has to be called something else.
            stem = f"{module}-file"
            while f"{stem}.c" in names:
                stem += "-"
            files[f"{stem}.c"] = f'#include "{name}"\n'
        objects.append(f"{stem}.o")
    return {"Kbuild": f"obj-m := {module}.o\n{module}-y := {' '.join(objects)}\n", **files}


def chosen(built: Iterable[Path], module: str) -> Path:
    """Return the module among those that were built.

    Args:
        built: all of them.
        module: the name of the wanted one, where ``-`` and ``_`` are the same; empty for the only one.

    Raises:
        ArtifactError: it is not there, or there are several and none is named.
    """
    modules = {path.stem: path for path in sorted(built, key=lambda path: path.stem)}
    wanted = [path for name, path in modules.items() if name.replace("-", "_") == module.replace("-", "_")]
    if wanted or (len(modules) == 1 and not module):
        return (wanted or list(modules.values()))[0]
    there = ", ".join(modules) or "no module at all"
    if module:
        seen = f"its makefile makes {there}, and not {module}"
        raise ArtifactError(f"building {WHAT}", seen, "mend module in [driver]")
    cure = "say by its name which of them is meant" if modules else "its makefile has to have an obj-m"
    raise ArtifactError(f"building {WHAT}", f"its makefile makes {there}", cure)


class ForeignDriverBuilder:
    """Builds modules into a store with ``jobs`` compilers at once."""

    def __init__(self, store: Store, jobs: int) -> None:
        self._store, self._jobs = store, jobs

    def get(self, sources: DriverSources, kernel: Kernel) -> Driver:
        """Return the module for a kernel, built if need be.

        Raises:
            DoesNotBuildError: the compiler, the linker or modpost refuses the sources.
            ArtifactError: they make no module, or it is not clear which.
            SetupError: a folder is not there, or a tool is missing.
        """
        compiler = kernel_compiler(kernel.headers)
        files = own_files(sources.folder)
        steps = plan(sources)
        headers = [source_folder("guest/compat"), source_folder("guest/include")] if sources.compat else []
        identity = key_of(
            "foreign-driver",
            LAYOUT,
            sources_key(sources.folder, files),
            *(key_of(name, text) for name, text in sorted(steps.files.items())),
            sources.module,
            # Their files may be included whatever they are called.
            *(sources_key(folder, own_files(folder)) for folder in sources.include),
            *(sources_key(folder, source_files(folder)) for folder in headers),
            # The flags are in this file, and not in what is hashed above.
            *flags(sources, lambda path: path.name),
            kernel.identity,
            compiler_version(compiler),
            *kernel.module_options,
        )

        def make(staging: Path) -> None:
            copy = staging / "build"
            for file in files:
                place = copy / file.relative_to(sources.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
            for name, text in steps.files.items():
                (copy / name).write_text(text, "utf-8")
            self._make(sources, steps, kernel, compiler, copy, identity)
            module = chosen(copy.rglob("*.ko"), sources.module)
            # Under its own name: rmmod wants that.
            shutil.copyfile(module, staging / module.name)
            remove(copy)

        entry = self._store.get(Recipe("foreign-driver", identity, WHAT, make))
        return Driver(next(entry.glob("*.ko")), identity)

    def _make(
        self, sources: DriverSources, steps: Plan, kernel: Kernel, compiler: str, copy: Path, identity: str
    ) -> None:
        # Paths of this machine would make each build a different one.
        places = {copy: "driver", kernel.headers.parent: "kernel", source_folder("guest"): "guest"}
        places |= dict.fromkeys(sources.include, "include")
        maps = [f"-ffile-prefix-map={place}={name}" for place, name in places.items()]
        arguments = [
            f"M={copy}",
            # In the compiler's name, because all else comes behind the kernel's own headers.
            f"CC={' '.join([compiler, *first_folders(sources)])}",
            f"KCFLAGS={' '.join([*maps, *flags(sources, str)])}",
            # What was in the wrong section was told, and the module built.
            "CONFIG_SECTION_MISMATCH_WARN_ONLY=y",
            *steps.options,
            *kernel.module_options,
            "modules",
        ]
        log = self._store.root / "logs" / f"foreign-driver-{identity[:8]}.log"
        doing = f"building {WHAT}"
        job = Job(
            doing,
            log,
            MAKE_SECONDS,
            # The make that runs us, if any, has nothing to say to this one.
            environment={"MAKEFLAGS": "", "MAKELEVEL": "", "MFLAGS": ""},
            cure=f"when a tool is missing: {INSTALL_CURE}",
            explain=lambda output: first_error(WHAT, output, str(copy), str(log)),
        )
        with self._store.progress.step(f"{doing} in {sources.folder}"):
            # Which of several errors is the first shall not depend on which compiler was faster.
            if self._jobs > 1:
                with contextlib.suppress(ArtifactError):
                    run(["make", "-C", kernel.headers, f"-j{self._jobs}", *arguments], job)
                    return
            run(["make", "-C", kernel.headers, "-j1", *arguments], job)


def first_folders(sources: DriverSources) -> list[str]:
    """Return the compiler's options for the folders that come before the kernel's own headers."""
    compat = [source_folder("guest/compat") / "include"] if sources.compat else []
    return [f"-I{_plain(folder)}" for folder in (*sources.include, *compat)]


def flags(sources: DriverSources, name: Callable[[Path], str]) -> Iterator[str]:
    """Yield the compiler's options besides those of the kernel; ``name`` says a path."""
    if sources.compat:
        compat = source_folder("guest/compat")
        yield "-D__NO_FORTIFY"
        yield from (f"-Wno-error={warning}" for warning in _ONLY_WARNINGS)
        yield from (f"-Wno-{warning}" for warning in _SILENT)
        yield f"-include {name(_plain(compat / 'driver-compat.h'))}"
        # Last: the sources' own headers of these names are the ones that are meant.
        yield from (
            f"-idirafter {name(_plain(folder))}"
            for folder in (source_folder("guest/include"), compat / "fallback")
        )
    # A shell reads it, and make before that.
    yield from (shlex.quote(f"-D{define}").replace("$", "$$") for define in sources.defines)


def _plain(path: Path) -> Path:
    """Return a folder or file that the kernel's makefiles can be told of.

    Raises:
        SetupError: it is not there, or its name does not do.
    """
    if not path.exists():
        raise SetupError(f"building {WHAT}", f"there is no {path}", "mend folder and include in [driver]")
    # Make reads it, and then a shell.
    if found := re.search(r"[\s'\"$#\\;&|<>()`*?\[\]~]", str(path)):
        odd = "a space" if found[0].isspace() else found[0]
        seen = f"the kernel's makefiles cannot have {odd} in {path}"
        raise SetupError(f"building {WHAT}", seen, "call the folder something else")
    return path


def _c_files(sources: DriverSources) -> list[str]:
    """Return the C files that a module is made of, from the folder on."""
    folder = sources.folder
    own = own_files(folder)
    doing, names = f"looking for the sources of {WHAT}", set[str]()
    for pattern in sources.sources or ("**/*.c",):
        found = {
            path.relative_to(folder).as_posix() for path in matching(folder, pattern, doing) if path in own
        }
        if not found:
            raise ArtifactError(doing, f"nothing in {folder} is called {pattern}", "mend sources in [driver]")
        names |= found
    odd = sorted(name for name in names if not _C_FILE.fullmatch(name))
    if odd:
        seen = f"the kernel's makefiles cannot make an object of {odd[0]!r}"
        raise ArtifactError(f"building {WHAT}", seen, "call the file something else")
    return sorted(names)


def _named_after(names: Sequence[str]) -> str:
    stem = names[0].rpartition("/")[2].removesuffix(".c")
    return stem if len(names) == 1 and _NAME.fullmatch(stem) else NAMELESS
