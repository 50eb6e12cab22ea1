# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness init-sut``: a look at a folder of sources, and a first manifest for them.

What is looked for are the few calls that every implementation has to make; what is not found is left to
whoever knows the sources, with a line that says so.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts.foreign import VIRTIO_ID
from harness.errors import SetupError
from harness.sut import manifest
from harness.sut.chat_spec import BLOCK_BYTES, KEY_BYTES
from harness.sut.features import Feature, Kind, Nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FILE_NAME = "sut.toml"
_CURE = "name the folder that has their sources"
MOST_BYTES = 4 << 20
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\"[^\"\n]*\"|\(?\w+\)?)", re.MULTILINE)
_TYPE_INFO = re.compile(r"TypeInfo\s+\w+\s*=\s*\{(.*?)\};", re.DOTALL)
_FIELD = r"\.{}\s*=\s*(\"[^\"]*\"|\w+)"
_VIRTIO_DRIVER = re.compile(r"\b(register_virtio_driver|module_virtio_driver)\b")
_MODULE = re.compile(r"\bmodule_init\s*\(|\bmodule_misc_device\s*\(")
_DEVICE = re.compile(r"\bTYPE_VIRTIO_DEVICE\b|\btype_init\s*\(")
_MAIN = re.compile(r"\bmain\s*\([^()]*\)\s*\{")
_OBJ_M = re.compile(r"^\s*obj-(?:m|\$\(\w+\))\s*[:+]?=\s*([\w-]+)\.o", re.MULTILINE)
_MAKES_NODES = re.compile(r"\b(device_create\w*|misc_register|module_misc_device)\s*\(")
_MISC = re.compile(r"\bmiscdevice\b.*?\.name\s*=\s*\"([\w-]+)\"", re.DOTALL)
# What of /dev/crypto it has besides sessions: the number that a driver has to know, or the flag.
_FEATURES = (
    (Feature.WRITE_IV, r"\bCOP_FLAG_WRITE_IV\b"),
    (Feature.HASHES, r"\bCIOCCPHASH\b"),
    (Feature.AEAD, r"\bcase\s+CIOCAUTHCRYPT\b"),
    (Feature.ASYNC, r"\bcase\s+CIOCASYNCCRYPT\b"),
    (Feature.INFO, r"\bcase\s+CIOCGSESSINFO\b"),
    (Feature.CLONE, r"\bcase\s+CRIOGET\b"),
    (Feature.ASYMMETRIC, r"\bcase\s+CIOCASYMFEAT\b"),
    (Feature.COMPAT, r"\.compat_ioctl\b"),
)


@dataclass(frozen=True)
class Sources:
    """C sources and makefiles below a folder, without their comments.

    Attributes:
        root: the folder.
        texts: path from the folder on → text.
    """

    root: Path
    texts: Mapping[Path, str]

    @classmethod
    def below(cls, root: Path) -> Sources:
        """Read what is below a folder.

        Raises:
            SetupError: there is no such folder, or no C file in it.
        """
        doing = f"looking at {root}"
        if not root.is_dir():
            raise SetupError(doing, "there is no such folder", _CURE)
        texts: dict[Path, str] = {}
        for path in sorted(root.rglob("*")):
            wanted = path.suffix in {".c", ".h"} or path.name in {"Makefile", "Kbuild"}
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if wanted and not hidden and path.is_file() and path.stat().st_size <= MOST_BYTES:
                text = path.read_text("utf-8", errors="replace")
                texts[path.relative_to(root)] = _COMMENT.sub(" ", text) if path.suffix else text
        if not any(path.suffix == ".c" for path in texts):
            raise SetupError(doing, "there is no C file in it", _CURE)
        return cls(root, texts)

    def having(self, pattern: re.Pattern[str]) -> list[Path]:
        """Return the C files in which a pattern is found."""
        return [path for path, text in self.texts.items() if path.suffix == ".c" and pattern.search(text)]

    def inside(self, folder: Path) -> Sources:
        """Return those below one folder, by paths as before."""
        return Sources(self.root, {p: t for p, t in self.texts.items() if p.is_relative_to(folder)})

    @property
    def all(self) -> str:
        """Every text, one after the other."""
        return "\n".join(self.texts.values())

    def defined(self, name_pattern: str) -> str | None:
        """Return the value of the first macro whose name matches; quotes and parentheses are taken off."""
        for name, value in _DEFINE.findall(self.all):
            if re.fullmatch(name_pattern, name):
                return str(value).strip('()"')
        return None

    def resolved(self, word: str) -> str | None:
        """Return a string literal's text, or that of the macro that a word names."""
        return word.strip('"') if word.startswith('"') else self.defined(re.escape(word))


def first_manifest(root: Path) -> str:
    """Return the text of a manifest for what lies below a folder.

    Raises:
        SetupError: there is nothing in it that could be under test.
    """
    sources = Sources.below(root)
    drivers = sources.having(_VIRTIO_DRIVER)
    devices = sources.having(_DEVICE)
    modules = sources.having(_MODULE)
    if devices:
        # Half of a pair, however its driver registers itself.
        drivers = drivers or modules
    natives = [] if drivers else modules
    programs = sources.having(_MAIN)
    clients = [path for path in programs if re.search(r"\bconnect\s*\(", _with_headers(sources, path))]
    servers = [path for path in programs if re.search(r"\baccept4?\s*\(", _with_headers(sources, path))]
    tables: list[str] = []
    if drivers or natives:
        tables.append(_driver_table(sources, drivers or natives, native=bool(natives)))
    if devices:
        tables.append(_device_table(sources, devices))
    if clients and servers:
        tables.append(_chat_table(sources, clients[0], servers[0], guest=bool(drivers or natives or devices)))
    kind = _kind(bool(drivers), bool(natives), bool(devices), bool(clients and servers))
    if kind is None:
        raise SetupError(
            f"looking at {root}",
            "no virtio driver, no module, no QEMU device and no pair of a client and a server",
            _CURE,
        )
    head = [
        "# What is under test; docs/sut.md explains each key.",
        f"name = {_quoted(root.resolve().name[: manifest.NAME_CHARACTERS])}",
        f'kind = "{kind}"  # {kind.meaning}',
    ]
    if kind.has_guest:
        head += _about_the_api(sources, drivers or natives)
    return "\n".join([*head, *tables]) + "\n"


def write(root: Path) -> Path:
    """Look at a folder and write the manifest into it; return its path.

    Raises:
        SetupError: there is one already, there is nothing to test, or it cannot be written.
    """
    path = root / FILE_NAME
    text = first_manifest(root)
    # What is written has to be what can be read.
    manifest.parsed(text, path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        seen = f"there is a {FILE_NAME} already"
        raise SetupError(f"looking at {root}", seen, "remove it, or edit it") from error
    except OSError as error:
        raise SetupError(
            f"writing {path}", error.strerror or str(error), "make it writable for you"
        ) from error
    return path


def _kind(driver: bool, native: bool, device: bool, chat: bool) -> Kind | None:  # noqa: FBT001
    if driver or device:
        return Kind.PAIR if driver and device else Kind.DRIVER if driver else Kind.DEVICE
    if native:
        return Kind.NATIVE
    return Kind.CHAT if chat else None


def _about_the_api(sources: Sources, modules: Sequence[Path]) -> Iterable[str]:
    text = sources.inside(_common(modules)).all if modules else sources.all
    found = [feature for feature, pattern in _FEATURES if re.search(pattern, text)]
    said = ", ".join(f'"{feature}"' for feature in found)
    yield f"features = [{said}]  # what it has besides AES-CBC; of {', '.join(Feature)}"
    number = _number(sources.defined(r"VIRTIO_ID_CRYPTO\w*"), manifest.MOST_VIRTIO_ID)
    if number and number != VIRTIO_ID:
        yield f"virtio_id = {number}"


def _driver_table(sources: Sources, files: Sequence[Path], *, native: bool) -> str:
    folder = _common(files)
    own = sources.inside(folder)
    makefiles = [text for path, text in own.texts.items() if not path.suffix]
    lines = ["", "[driver]", f"folder = {_quoted(str(folder))}"]
    modules = {name for text in makefiles for name in _OBJ_M.findall(text)}
    if len(modules) == 1:
        lines.append(f'module = "{modules.pop()}"')
    elif modules:
        lines.append(f'# module = "…"  # which one of {", ".join(sorted(modules))}')
    if misc := _MISC.search(own.all):
        lines.append(f'node = "/dev/{misc[1]}"')
    if not _MAKES_NODES.search(own.all):
        lines.append(f'nodes = "{Nodes.MKNOD}"  # nothing in it makes a node')
        major = _number(own.defined(r"\w*MAJOR\w*"), manifest.MOST_MAJOR)
        lines.append(f"major = {major}" if major else "# major = 60  # not found")
    if native:
        lines.append('# needs = ["cbc"]  # modules of the kernel\'s own that it takes')
    return "\n".join(lines)


def _device_table(sources: Sources, files: Sequence[Path]) -> str:
    folder = _common(files)
    own = sources.inside(folder)
    lines = ["", "[device]", f"folder = {_quoted(str(folder))}"]
    includes = {
        Path(*path.parts[: path.parts.index("include") + 1])
        for path in sources.texts
        if "include" in path.parts[:-1] and path.suffix == ".h"
    }
    if includes:
        lines.append(f"include = {_quoted(sorted(map(str, includes)))}")
    names = dict(_types(own, sources))
    bus = names.get("TYPE_VIRTIO_DEVICE")
    pci = names.get("TYPE_VIRTIO_PCI")
    lines.append(f'type = "{bus}"' if bus else '# type = "virtio-cryptodev"  # not found')
    if not pci and bus:
        pci = f"{bus.removesuffix('-device')}-pci"
    lines.append(f'device = "{pci}"' if pci else '# device = "virtio-cryptodev-pci"  # not found')
    return "\n".join(lines)


def _types(own: Sources, everything: Sources) -> Iterable[tuple[str, str]]:
    """Yield parent and name of each type that is registered."""
    for body in _TYPE_INFO.findall(own.all):
        parent = re.search(_FIELD.format("parent"), body)
        name = re.search(_FIELD.format("name"), body)
        resolved = everything.resolved(name[1]) if name else None
        if parent and resolved:
            yield parent[1], resolved


def _with_headers(sources: Sources, path: Path) -> str:
    """Return a file and the headers beside it that it includes: old chats have their calls in there."""
    text = sources.texts[path]
    beside = (path.parent / name for name in re.findall(r'#\s*include\s+"([^"]+)"', text))
    return "\n".join([text, *(sources.texts.get(header, "") for header in beside)])


def _chat_table(sources: Sources, client: Path, server: Path, *, guest: bool) -> str:
    folder = _common([client, server])
    own = sources.inside(folder)
    lines = [
        "",
        "[chat]",
        f'where = "{"guest" if guest else "host"}"',
        f"folder = {_quoted(str(folder))}",
        f"client = {_quoted([str(client.relative_to(folder))])}",
        f"server = {_quoted([str(server.relative_to(folder))])}",
    ]
    port = _number(own.defined(r"\w*PORT\w*"), 0xFFFF)
    lines.append(f"port = {port}" if port else "# port = 35001  # not found")
    encrypted = "CIOCCRYPT" in own.all
    lines.append(f"encrypted = {json.dumps(encrypted)}")
    if encrypted:
        for name, pattern, sizes in (("key", r"(\w*_)?KEY", KEY_BYTES), ("iv", r"(\w*_)?IV", (BLOCK_BYTES,))):
            value = own.defined(pattern) or ""
            fits = len(value.encode()) in sizes
            lines.append(f"{name} = {_quoted(value)}" if fits else f'# {name} = "…"  # not found')
    return "\n".join(lines)


def _number(text: str | None, most: int) -> int | None:
    """Return a macro's value if it is a number from 1 on that can be meant."""
    number = int(text) if text and text.isascii() and text.isdigit() else 0
    return number if 0 < number <= most else None


def _quoted(value: str | list[str]) -> str:
    """Return a string, or a list of them, as TOML has it: JSON's way, but for how it escapes."""
    return json.dumps(value, ensure_ascii=False)


def _common(files: Sequence[Path]) -> Path:
    """Return the deepest folder that all of some files lie below."""
    parents = [path.parent.parts for path in files]
    shared = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return Path(*shared)
