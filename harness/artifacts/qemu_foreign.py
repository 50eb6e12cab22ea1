# SPDX-License-Identifier: GPL-2.0-or-later
"""A device that is not ours in QEMU's source: where its files lie, how they are compiled, what is said of it.

The sources are compiled as they are.  Before them comes ``host/compat``: headers that make code for QEMU 2.0
to 3.0 compile, and the tap.  They are a library of their own: their warnings and include folders are theirs.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.artifacts.digest import key_of
from harness.artifacts.foreign import DoesNotBuildError, first_error, matching
from harness.artifacts.qemu_overlay import OUR_FOLDER, Overlay
from harness.artifacts.settings import source_folder
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.artifacts.foreign import DeviceSources

WHAT = "the device"
DOING = "looking at the device's sources"
# Folders and libraries below OUR_FOLDER.
THEIRS, COMPAT, LIBRARY, HELPERS = "device", "compat", "harness-device", "harness-compat"
NAMES, DEFINES = "names.h", "defines.h"
SUFFIXES = (".c", ".h", ".inc")
# A copy of QEMU's own file, in which people put what holds their device.
_COPY_OF_VIRTIO_PCI = re.compile(r"\.name\s*=\s*TYPE_VIRTIO_PCI\s*,")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_INCLUDED = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_DEFINED = re.compile(r'^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\(?"([^"\n]+)"\)?[ \t]*$', re.MULTILINE)
_FAILED = re.compile(
    r"^FAILED: (?:\[code=\d+\] )?(\S+)[^\n]*\n(.*?)(?=^\[\d+/\d+\]|^FAILED: |\Z)", re.MULTILINE | re.DOTALL
)
# What a path in the work tree begins with, as ninja's compilers say it.
_OF_THE_TREE = re.compile(r"(?:\S*/qemu-[0-9a-f]{16}|\.\.)/src/")
_LISTED = re.compile(r'^name "([^"]+)"', re.MULTILINE)
# As QEMU compiles what knows its target.
_TARGET = (
    "-DCOMPILING_PER_TARGET",
    '-DCONFIG_TARGET="x86_64-softmmu-config-target.h"',
    '-DCONFIG_DEVICES="x86_64-softmmu-config-devices.h"',
)
# Old code is not ours to correct; but a function that does not exist is said where it is called.
_LENIENT = (
    "-Wno-error",
    "-Wno-incompatible-pointer-types",
    "-Wno-error=int-conversion",
    "-Wno-missing-prototypes",
    "-Wno-strict-prototypes",
    "-Wno-redundant-decls",
    "-Wno-undef",
    "-Wno-discarded-qualifiers",
    "-Werror=implicit-function-declaration",
)


def device_overlay(device: DeviceSources, kconfig: Path, scratch: Path) -> Overlay:
    """Return what is laid over QEMU's source for a device that is not ours.

    Args:
        device: the device.
        kconfig: the file for QEMU's configuration, the same as for our device.
        scratch: an empty folder for what is written for it; it has to stay until QEMU was built.

    Raises:
        SetupError: there is no such folder, or no C file in it.
    """
    sources = compiled(device)
    places = {
        f"{THEIRS}/{path.relative_to(device.folder).as_posix()}": path for path in _files(device.folder)
    }
    folders = []
    for number, folder in enumerate(device.include):
        root, place = device.folder.resolve(), folder.resolve()
        if place.is_relative_to(root):
            name = (PurePosixPath(THEIRS) / place.relative_to(root).as_posix()).as_posix()
        else:
            name = f"include-{number}"
            places |= {f"{name}/{path.relative_to(folder).as_posix()}": path for path in _files(folder)}
        folders.append(name)
    folders.append(THEIRS)
    glue = device.pci not in registered(device, sources)

    texts = _shadows(places, folders)
    texts["meson.build"] = meson_build(
        device, [path.relative_to(device.folder) for path in sources], folders, glue
    )
    texts[f"{COMPAT}/{NAMES}"] = _names(device, places)
    texts[f"{COMPAT}/{DEFINES}"] = _defines(device.defines)
    for number, (name, text) in enumerate(texts.items()):
        file = scratch / str(number)
        file.write_text(text)
        places[name] = file
    places |= _compat_files()
    places["Kconfig"] = kconfig
    return Overlay({f"{OUR_FOLDER}/{name}": path for name, path in places.items()}, device, tapped=True)


def tapped_overlay(ours: Mapping[str, Path], scratch: Path) -> Overlay:
    """Return what is laid over QEMU's source for our own device, with the tap; arguments as above."""
    header, meson = f"{OUR_FOLDER}/virtio-cryptodev.h", f"{OUR_FOLDER}/meson.build"
    added = {
        # Each of our files has it, behind all that declares what the tap takes the place of.
        header: '\n#include "compat/wiretap.h"\n',
        meson: f"\nspecific_ss.add(when: 'CONFIG_VIRTIO_CRYPTODEV', if_true: files('{COMPAT}/wiretap.c'))\n",
    }
    files = dict(ours)
    for name, text in added.items():
        file = scratch / f"tapped-{PurePosixPath(name).name}"
        file.write_text(ours[name].read_text() + text)
        files[name] = file
    for name in ("wiretap.c", "wiretap.h"):
        files[f"{OUR_FOLDER}/{COMPAT}/{name}"] = source_folder("host/compat") / name
    return Overlay(files, tapped=True)


def compiled(device: DeviceSources) -> list[Path]:
    """Return the C files that are compiled.

    Raises:
        SetupError: there is none, or one has a name that meson does not take.
    """
    if not device.folder.is_dir():
        raise SetupError(DOING, f"there is no folder {device.folder}", "mend folder in [device]")
    all_c = {path for path in _files(device.folder) if path.suffix == ".c"}
    if device.sources:
        found = set[Path]().union(*(matching(device.folder, one, DOING) for one in device.sources)) & all_c
    else:
        # QEMU has that one already.
        found = {path for path in all_c if not _COPY_OF_VIRTIO_PCI.search(_text(path))}
    if not found:
        wanted = ", ".join(device.sources) or "*.c"
        raise SetupError(DOING, f"there is no {wanted} in {device.folder}", "mend sources in [device]")
    for path in sorted(found):
        if not (name := path.relative_to(device.folder).as_posix()).isprintable():
            raise SetupError(DOING, f"a C file has the name {name!a}", "give it another")
    return sorted(found)


def registered(device: DeviceSources, sources: Iterable[Path]) -> set[str]:
    """Return the names of the types that the sources register, as far as their text shows it."""
    folders = (device.folder, *device.include)
    texts = [_COMMENT.sub("", _text(path)) for folder in folders for path in _files(folder)]
    macros = {name: value for text in texts for name, value in _DEFINED.findall(text)}
    macros |= {
        name: value.strip('"')
        for name, _, value in (define.partition("=") for define in device.defines)
        if value.startswith('"')
    }
    names: set[str] = set()
    for path in sources:
        text = _COMMENT.sub("", _text(path))
        for literal, macro in re.findall(r'\.\s*(?:generic_)?name\s*=\s*(?:"([^"]+)"|(\w+))', text):
            names |= {literal or macros.get(macro, "")}
    return names - {""}


def meson_build(
    device: DeviceSources,
    sources: Iterable[Path],
    folders: Iterable[str],
    glue: bool,  # noqa: FBT001
) -> str:
    """Return the text of the file that tells meson how the device is compiled.

    Args:
        device: the device.
        sources: its C files, from its folder on.
        folders: where its headers are looked for, from the file on.
        glue: whether what holds the device on PCI is supplied.
    """
    first = (f"{COMPAT}/{NAMES}", f"{COMPAT}/qemu-compat.h", f"{COMPAT}/{DEFINES}")
    plain = (f"{COMPAT}/{NAMES}", f"{COMPAT}/wiretap.h")
    includes = [f"'-include', here / {_quoted(name)}" for name in (first if device.compat else plain)]
    searched = [*folders, *([f"{COMPAT}/include"] if device.compat else []), f"{COMPAT}/uapi"]
    includes += [f"'-iquote', here / {_quoted(name)}, '-I' + here / {_quoted(name)}" for name in searched]
    defines = [] if device.compat else [f"-D{define}" for define in device.defines]
    arguments = [*includes, *map(_quoted, (*_LENIENT, *defines))]
    files = ",\n    ".join(_quoted(f"{THEIRS}/{path.as_posix()}") for path in sources)
    helpers = ["wiretap.c", *(["qemu-compat.c"] if device.compat else []), *(["pci-glue.c"] if glue else [])]
    return f"""\
# SPDX-License-Identifier: GPL-2.0-or-later
# Written by harness/artifacts/qemu_foreign.py
if 'CONFIG_VIRTIO_CRYPTODEV' in config_all_devices
  here = meson.current_source_dir()
  as_target = [{", ".join(map(_quoted, _TARGET))}]
  harness_device = static_library('{LIBRARY}', files(
    {files}), genh,
    c_args: as_target + [
      {f",{chr(10)}      ".join(arguments)}],
    dependencies: glib, implicit_include_directories: false, build_by_default: false)
  harness_compat = static_library('{HELPERS}', files(
    {", ".join(_quoted(f"{COMPAT}/{name}") for name in helpers)}), genh,
    c_args: as_target,
    dependencies: glib, implicit_include_directories: false, build_by_default: false)
  specific_ss.add(when: 'CONFIG_VIRTIO_CRYPTODEV',
    if_true: declare_dependency(link_whole: [harness_device, harness_compat],
      # Those of our device: with other ones all that knows its target would be compiled anew.
      dependencies: [dependency('libcrypto', version: '>=3.0'), dependency('threads')]))
endif
"""


def finding(device: DeviceSources, output: str, log: str) -> DoesNotBuildError | None:
    """Return what ninja's output says against the sources of a device; None: it is no fault of theirs.

    Args:
        device: the device.
        output: all that was printed.
        log: where that is kept.
    """
    for target, said in _FAILED.findall(output):
        # All the rest is QEMU as it is, and links when the device is ours.
        if f"lib{LIBRARY}.a.p/" in target or "/" not in target:
            text = _OF_THE_TREE.sub("", said)
            for number, folder in enumerate(device.include):
                text = re.sub(rf"[^\s:]*{OUR_FOLDER}/include-{number}/", f"{folder.name}/", text)
            found = first_error(WHAT, text, f"{OUR_FOLDER}/{THEIRS}", log)
            return None if found and f"{OUR_FOLDER}/" in found.file else found
    return None


def not_known(device: DeviceSources, listed: str) -> DoesNotBuildError | None:
    """Say which type of a device is not in the list that QEMU gives of its devices."""
    known = set(_LISTED.findall(listed))
    for name in (device.type, device.pci):
        if name not in known:
            return DoesNotBuildError(WHAT, f"QEMU knows no device '{name}' after the build")
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _compat_files() -> dict[str, Path]:
    folder, uapi = source_folder("host/compat"), source_folder("guest/include")
    files = {f"{COMPAT}/{path.relative_to(folder).as_posix()}": path for path in _files(folder)}
    return files | {f"{COMPAT}/uapi/{path.relative_to(uapi).as_posix()}": path for path in _files(uapi)}


def _shadows(places: Mapping[str, Path], folders: Iterable[str]) -> dict[str, str]:
    """Return headers that lie beside files of theirs and lead to headers of theirs.

    A file that is named in quotes is looked for beside the file that names it, then in QEMU's own folders,
    and only then in theirs: one that is called as QEMU's is would not be found.
    """
    order = list(folders)
    texts: dict[str, str] = {}
    for place, path in places.items():
        beside = PurePosixPath(place).parent
        for named in _INCLUDED.findall(_text(path)):
            shadow = (beside / named).as_posix()
            target = next((f"{folder}/{named}" for folder in order if f"{folder}/{named}" in places), None)
            if target and ".." not in named and shadow not in places:
                back = "/".join([".."] * len(PurePosixPath(shadow).parent.parts))
                texts[shadow] = (
                    f'/* Written by harness/artifacts/qemu_foreign.py */\n#include "{back}/{target}"\n'
                )
    return texts


def _names(device: DeviceSources, places: Iterable[str]) -> str:
    # Which files there are decides what a name in an #include means: ninja has to see when that changes.
    return f"""\
/* Written by harness/artifacts/qemu_foreign.py; of the files {key_of(*sorted(places))} */
#ifndef HARNESS_NAMES_H
#define HARNESS_NAMES_H
#define HARNESS_VIRTIO_ID {device.virtio_id}
#define HARNESS_DEVICE_TYPE "{device.type}"
#define HARNESS_PCI_TYPE "{device.pci}"
#endif
"""


def _defines(defines: Iterable[str]) -> str:
    """Return a header that gives the macros these values, whatever QEMU's headers have given them."""
    lines = []
    for define in defines:
        name, equals, value = define.partition("=")
        plain = name.partition("(")[0]
        lines.append(f"#undef {plain}\n#define {name} {value if equals else '1'}\n")
    return "/* Written by harness/artifacts/qemu_foreign.py */\n" + "".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
