# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness init-sut``: a look at a folder of sources, and a first manifest for them.

What is looked for are the few calls that every implementation has to make; what is not found is left to
whoever knows the sources, with a line that says so.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts.foreign import VIRTIO_ID
from harness.errors import SetupError
from harness.sut import manifest
from harness.sut.c_sources import CURE, Sources, fields
from harness.sut.chat_spec import BLOCK_BYTES, KEY_BYTES
from harness.sut.features import Feature, Kind, Nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

FILE_NAME = "sut.toml"
_BY_HAND = f"write {FILE_NAME} by hand; docs/sut.md explains the keys"
_VIRTIO_DRIVER = re.compile(r"\b(register_virtio_driver|module_virtio_driver)\b")
_MODULE = re.compile(r"\bmodule_init\s*\(|\bmodule_misc_device\s*\(")
_DEVICE = re.compile(r"\bTYPE_VIRTIO_DEVICE\b|\btype_init\s*\(")
_MAIN = re.compile(r"\bmain\s*\([^()]*\)\s*\{")
_CONNECTS = re.compile(r"\bconnect\s*\(")
_ACCEPTS = re.compile(r"\baccept4?\s*\(")
_INCLUDED = re.compile(r"#[ \t]*include[ \t]+\"([^\"\n]+)\"")
_MAKES_NODES = re.compile(r"\b(device_create\w*|misc_register|module_misc_device)\s*\(")
_MISC = re.compile(r"\bmiscdevice\s+(\**)(\w+)")
# "misc.name = DEVICE_NAME;", "vc->misc.nodename = "vcrypt";"
_NAMED = re.compile(r"\b(\w+)\.(name|nodename)\s*=\s*(\"[^\"\\\n]*\"|\w+)\s*;")
_NUMBER = re.compile(r"\"?([1-9][0-9]{0,9}|0[xX][0-9a-fA-F]{1,8})[uUlL]*\"?")
# What the manifest takes for the name of a module, of a type, of a node.
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_NODE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)*")
# Words of a macro's name by which its value is not what the other words say: VCRYPT_MAJOR_VER, PORT_LEN.
_OF_OTHERS = frozenset(
    {"API", "ABI", "BYTES", "COUNT", "LEN", "LENGTH", "MAX", "MIN", "SIZE", "SUPPORTED", "VER"}
)
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
    clients = _calling(sources, programs, _CONNECTS)
    servers = _calling(sources, programs, _ACCEPTS)
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
            CURE,
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
        SetupError: there is one already, there is nothing to test, or it cannot be written; nothing is left.
    """
    path = root / FILE_NAME
    doing = f"looking at {root}"
    data = _readable(first_manifest(root), path)
    try:
        file = path.open("xb")
    except FileExistsError as error:
        seen = f"there is a {FILE_NAME} already"
        raise SetupError(doing, seen, "remove it, or edit it") from error
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with file:
            file.write(data)
    except BaseException as error:
        # Half of a manifest may be read as a whole one.
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritten(path, error) from error
        raise
    return path


def _unwritten(path: Path, error: OSError) -> SetupError:
    return SetupError(
        f"writing {path}", error.strerror or str(error), "make room, or make it writable for you"
    )


def _readable(text: str, path: Path) -> bytes:
    """Return the bytes of a manifest: what is written has to be what can be read.

    Raises:
        SetupError: it cannot be, with names such as the sources have.
    """
    doing = f"looking at {path.parent}"
    try:
        data = text.encode()
        manifest.parsed(text, path)
    except UnicodeEncodeError as error:
        name = ascii(text[text.rfind("\n", 0, error.start) + 1 :].partition("\n")[0])
        seen = f"a name that is no UTF-8 cannot be written: {name}"
        raise SetupError(doing, seen, "rename that file or folder") from error
    except SetupError as error:
        raise SetupError(doing, f"what is found makes no manifest: {error.seen}", _BY_HAND) from error
    return data


def _kind(driver: bool, native: bool, device: bool, chat: bool) -> Kind | None:  # noqa: FBT001
    if driver or device:
        return Kind.PAIR if driver and device else Kind.DRIVER if driver else Kind.DEVICE
    if native:
        return Kind.NATIVE
    return Kind.CHAT if chat else None


def _about_the_api(sources: Sources, modules: Sequence[Path]) -> Iterable[str]:
    text = sources.inside(_driver_folder(sources, modules)).all if modules else sources.all
    found = [feature for feature, pattern in _FEATURES if re.search(pattern, text)]
    said = ", ".join(f'"{feature}"' for feature in found)
    yield f"features = [{said}]  # what it has besides AES-CBC; of {', '.join(Feature)}"
    ids = _numbers(
        sources, sources, lambda name: name.startswith("VIRTIO_ID_CRYPTO"), manifest.MOST_VIRTIO_ID
    )
    if set(ids.values()) - {str(VIRTIO_ID)}:
        yield _line("virtio_id", ids, str(VIRTIO_ID))


def _driver_table(sources: Sources, files: Sequence[Path], *, native: bool) -> str:
    folder = _driver_folder(sources, files)
    own = sources.inside(folder)
    lines = ["", "[driver]", f"folder = {_quoted(str(folder))}"]
    if modules := own.made():
        lines.append(_line("module", {name: _usable(f'"{name}"', _WORD) for name in modules}, '"…"'))
    if (nodes := _misc_nodes(own, sources)) or _MISC.search(own.all):
        lines.append(_line("node", nodes, f'"{manifest.NODE}"'))
    if not _MAKES_NODES.search(own.all):
        lines.append(f'nodes = "{Nodes.MKNOD}"  # nothing in it makes a node')
        majors = _numbers(own, sources, lambda name: "MAJOR" in name, manifest.MOST_MAJOR)
        lines.append(_line("major", majors, "60"))
    if native:
        lines.append('# needs = ["cbc"]  # modules of the kernel\'s own that it takes')
    return "\n".join(lines)


def _driver_folder(sources: Sources, files: Sequence[Path]) -> Path:
    """Return the folder that a module is built in.

    It is the one of its files, or one above where a makefile says what the module is made of.
    """
    folder = _common(files)
    return next((place for place in (folder, *folder.parents) if sources.made_in(place)), folder)


def _misc_nodes(own: Sources, everything: Sources) -> dict[str, str | None]:
    """Return the nodes of a module's miscdevices, by the names that they are given."""
    words: list[str] = []
    for body in own.initialised("miscdevice"):
        words += fields(body, "nodename") or fields(body, "name")
    # Not by pointers: what is called "m" in one function is something else in another.
    declared = {name for pointer, name in _MISC.findall(own.all) if not pointer}
    assigned = [(field, word) for name, field, word in _NAMED.findall(own.all) if name in declared]
    words += [word for field, word in assigned if field == "nodename"] or [word for _, word in assigned]
    nodes: dict[str, str | None] = {}
    for word in dict.fromkeys(words):
        for said in _strings(word, own, everything):
            nodes[said] = _usable(said, _NODE, "/dev/{}")
    return nodes


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
    types = _types(own, sources)
    bus, pci = (types.get(parent, {}) for parent in ("TYPE_VIRTIO_DEVICE", "TYPE_VIRTIO_PCI"))
    lines.append(_line("type", bus, '"virtio-cryptodev"'))
    if not pci and (name := _only(bus)):
        # Of two lines of QEMU's own: virtio-x-device on the bus is virtio-x-pci on PCI.
        name = f'"{name[1:-1].removesuffix("-device")}-pci"'
        pci = {name: name}
    lines.append(_line("device", pci, '"virtio-cryptodev-pci"'))
    return "\n".join(lines)


def _types(own: Sources, everything: Sources) -> dict[str, dict[str, str | None]]:
    """Return the types that are registered, by their parent and by the names that they are given."""
    words = {
        (parent, word)
        for body in own.initialised("TypeInfo")
        for parent in fields(body, "parent")
        for word in fields(body, "name")
    }
    found: dict[str, dict[str, str | None]] = {}
    for parent, word in sorted(words):
        for said in _strings(word, own, everything):
            found.setdefault(parent, {})[said] = _usable(said, _WORD)
    return found


def _strings(word: str, own: Sources, everything: Sources) -> list[str]:
    """Return the strings, with their quotes, that a word can stand for; the word itself if there is none.

    The macros of the part itself come before those of the rest.
    """
    found = own.literals(word) or everything.literals(word)
    return sorted(each for each in found if each.startswith('"')) or [word]


def _calling(sources: Sources, programs: Sequence[Path], call: re.Pattern[str]) -> list[Path]:
    """Return the programs that make a call; old chats have theirs in headers beside them."""
    having = {path for path, text in sources.texts.items() if call.search(text)}

    def calls(path: Path) -> bool:
        headers = {path.parent / name for name in _INCLUDED.findall(sources.texts[path])}
        return path in having or not having.isdisjoint(headers)

    return [path for path in programs if calls(path)]


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
    lines.append(_line("port", _numbers(own, own, lambda name: "PORT" in name.split("_"), 0xFFFF), "35001"))
    encrypted = "CIOCCRYPT" in own.all
    lines.append(f"encrypted = {json.dumps(encrypted)}")
    if encrypted:
        lines.append(_line("key", _octets(own, "KEY", KEY_BYTES), '"…"'))
        lines.append(_line("iv", _octets(own, "IV", (BLOCK_BYTES,)), '"…"'))
    return "\n".join(lines)


def _numbers(
    own: Sources, everything: Sources, wanted: Callable[[str], bool], most: int
) -> dict[str, str | None]:
    """Return the values, from 1 on, of the macros whose name is as wanted, by "NAME = VALUE"."""
    names = (name for name in own.macros if wanted(name) and "VERSION" not in name)
    found: dict[str, str | None] = {}
    for name in names:
        if _OF_OTHERS.isdisjoint(name.split("_")):
            for literal in own.literals(name) or everything.literals(name):
                digits = _NUMBER.fullmatch(literal)
                if digits and 0 < (number := int(digits[1], 0)) <= most:
                    found[f"{name} = {number}"] = str(number)
    return found


def _octets(own: Sources, last: str, sizes: Collection[int]) -> dict[str, str | None]:
    """Return the strings of one of some lengths whose macro's last word is the given one, by its name."""
    found: dict[str, str | None] = {}
    for name in own.macros:
        if name.split("_")[-1] == last:
            for text in (each[1:-1] for each in own.literals(name) if each.startswith('"')):
                if len(text.encode()) in sizes:
                    # What begins so would be read as digits.
                    said = f"hex:{text.encode().hex()}" if text.startswith("hex:") else text
                    found[f"{name} = {_quoted(text)}"] = _quoted(said)
    return found


def _only(found: Mapping[str, str | None]) -> str | None:
    """Return the value that all that was found agrees on."""
    values = set(found.values())
    return values.pop() if len(values) == 1 else None


def _line(key: str, found: Mapping[str, str | None], example: str) -> str:
    """Return the line of a key, as a comment where it is not known.

    Args:
        key: its name.
        found: its possible values in TOML, by what is said of each; None for what cannot be meant as it is.
        example: what the comment has as the value.
    """
    if value := _only(found):
        return f"{key} = {value}"
    # A comment is a line, and has no control characters.
    said = ", ".join("".join(c if c.isprintable() else "?" for c in each) for each in sorted(found))
    said = f": the sources say {said}" if said and len(found) == 1 else said
    why = f"which one of {said}" if len(found) > 1 else f"not found{said}"
    return f"# {key} = {example}  # {why}"


def _usable(literal: str, pattern: re.Pattern[str], form: str = "{}") -> str | None:
    """Return a C string as TOML has it; None if it is no string, or none that the manifest takes."""
    named = literal.startswith('"') and pattern.fullmatch(literal[1:-1])
    return _quoted(form.format(named[0])) if named else None


def _quoted(value: str | list[str]) -> str:
    """Return a string, or a list of them, as TOML has it: JSON's way, but for how it escapes."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _common(files: Sequence[Path]) -> Path:
    """Return the deepest folder that all of some files lie below."""
    parents = [path.parent.parts for path in files]
    shared = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return Path(*shared)
