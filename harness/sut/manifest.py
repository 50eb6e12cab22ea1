# SPDX-License-Identifier: GPL-2.0-or-later
"""``sut.toml``: what is under test, where its sources are, and how it is used.

``docs/sut.md`` explains each key; ``docs/sut.schema.json`` is made of the classes here.
"""

from __future__ import annotations

import functools
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from harness.artifacts import foreign_driver, qemu_foreign
from harness.artifacts.foreign import VIRTIO_ID, DeviceSources, DriverSources
from harness.errors import HarnessError, SetupError
from harness.sut.chat_spec import ChatSpec
from harness.sut.features import Feature, Kind, Nodes
from harness.sut.table import is_folder

if TYPE_CHECKING:
    from pathlib import Path

_CURE = "docs/sut.md explains the keys"
MAJOR = 60
MOST_MAJOR = 4095
MOST_VIRTIO_ID = 63
NAME_CHARACTERS = 80
NODE = "/dev/cryptodev0"
NATIVE_NODE = "/dev/crypto"

# What the harness itself gives each device.
_OURS_TO_GIVE = frozenset({"id", "bus"})

# What ends up in a shell of the guest or in QEMU's command line is held to what needs no quoting there.
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
_Path = Annotated[str, StringConstraints(pattern=r"^/dev(/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)+$")]
_Options = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.,=+/: -]*$")]
_DeviceOption = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(,[A-Za-z0-9_][A-Za-z0-9_.-]*=[A-Za-z0-9_.+/:-]+)*$"
    ),
]
_Macro = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(=.*)?$")]
# What ends up in reports and on terminals is a line.
_Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=NAME_CHARACTERS, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
    ),
]


def _below(pattern: str) -> str:
    """Return a pattern of files if it is one of a folder's own."""
    parts = pattern.split("/")
    odd = any("**" in part and part != "**" for part in parts)
    if odd or not all(parts) or ".." in parts or "\0" in pattern:
        raise ValueError("it is no pattern of files below the folder")
    return pattern


_Pattern = Annotated[str, AfterValidator(_below)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Driver(_Table):
    """A kernel module for the guest: half of a pair, or a /dev/crypto of its own."""

    folder: str = Field(description="its sources, from the manifest's folder on")
    sources: tuple[_Pattern, ...] = Field(
        (), description="its C files, where it has neither Kbuild nor Makefile"
    )
    module: _Word | None = Field(None, description="the module's name; needed where several are built")
    include: tuple[str, ...] = Field((), description="folders of headers, from the manifest's folder on")
    defines: tuple[_Macro, ...] = Field((), description="macros, NAME or NAME=VALUE")
    parameters: _Options = Field("", description="parameters of the module")
    needs: tuple[_Word, ...] = Field((), description="modules of the kernel's own that are loaded before")
    nodes: Nodes = Field(Nodes.AUTO, description="auto: the module makes its nodes; mknod: the harness does")
    major: int = Field(MAJOR, strict=True, ge=1, le=MOST_MAJOR, description="of the nodes, with mknod")
    minors: int = Field(1, strict=True, ge=1, le=32, description="how many nodes mknod makes")
    node: _Path | None = Field(None, description="the node of the first device")
    compat: bool = Field(
        default=True, strict=True, description="whether the headers for old code are put in front"
    )


class Device(_Table):
    """A device for QEMU."""

    folder: str = Field(description="its sources, from the manifest's folder on")
    sources: tuple[_Pattern, ...] = Field(
        (), description="patterns of its C files; all of the folder without it"
    )
    include: tuple[str, ...] = Field((), description="folders of headers, from the manifest's folder on")
    defines: tuple[_Macro, ...] = Field((), description="macros, NAME or NAME=VALUE")
    type: _Word = Field("virtio-cryptodev", description="the name of the type that goes on a virtio bus")
    device: _DeviceOption = Field("virtio-cryptodev-pci", description="what -device is given")
    compat: bool = Field(
        default=True, strict=True, description="whether the headers for old code are put in front"
    )

    @field_validator("device")
    @classmethod
    def _leaves_id_and_bus_to_us(cls, option: str) -> str:
        given = (word.partition("=")[0] for word in option.split(",")[1:])
        if taken := sorted(_OURS_TO_GIVE.intersection(given)):
            raise ValueError(f"the harness gives the {taken[0]}")
        return option


class Manifest(_Table):
    """The content of a ``sut.toml``, checked."""

    name: _Name = Field(description="what reports call it")
    kind: Literal["pair", "driver", "device", "native", "chat"] = Field(description="what of it is not ours")
    features: tuple[Feature, ...] = Field((), description="what of /dev/crypto it has besides AES-CBC")
    virtio_id: int = Field(
        VIRTIO_ID,
        strict=True,
        ge=1,
        le=MOST_VIRTIO_ID,
        description="by which driver and device find each other",
    )
    wire: Literal["reference", "other"] = Field("reference", description="what crosses the virtqueue")
    max_bytes: int = Field(
        65536,
        strict=True,
        ge=4096,
        multiple_of=16,
        description="the most bytes of one operation that it promises",
    )
    driver: Driver | None = Field(None, description="the guest's module")
    device: Device | None = Field(None, description="QEMU's device")
    chat: dict[str, Any] | None = Field(None, description="the chat")

    @model_validator(mode="after")
    def _tables_fit_the_kind(self) -> Self:
        wanted = {"pair": {"driver", "device"}, "native": {"driver"}}.get(self.kind, {self.kind})
        there = {name for name in ("driver", "device", "chat") if getattr(self, name) is not None}
        if missing := sorted(wanted - there):
            raise ValueError(f"a {self.kind} needs the table [{missing[0]}]")
        # A chat may come with any of them: it is held over their /dev/crypto then.
        if spare := sorted(there - wanted - {"chat"}):
            raise ValueError(f"a {self.kind} has no table [{spare[0]}]")
        return self


class SutFile:
    """A manifest and the folder that its paths count from.

    Attributes:
        path: the file.
        content: what is in it.
        half: the only half of a pair that is to be used; None: all of it.
    """

    def __init__(self, path: Path, content: Manifest, half: Kind | None = None) -> None:
        self.path, self.content, self.half = path, content, half

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.content.name

    @property
    def kind(self) -> Kind:
        """What of it is not ours."""
        return self.half or Kind(self.content.kind)

    @property
    def comes_apart(self) -> bool:
        """Whether either half of it can be tried with one of ours: they have to speak the same wire."""
        return self.kind is Kind.PAIR and self.content.wire == "reference"

    @property
    def features(self) -> frozenset[Feature]:
        """What of /dev/crypto it has besides AES-CBC."""
        return frozenset(self.content.features)

    @functools.cached_property
    def driver(self) -> DriverSources | None:
        """The module's sources, if it is not ours."""
        table = self.content.driver
        if table is None or self.half is Kind.DEVICE:
            return None
        return DriverSources(
            folder=self._folder("driver", table.folder),
            sources=table.sources,
            module=table.module or "",
            include=tuple(self._folder("driver", name) for name in table.include),
            defines=table.defines,
            compat=table.compat,
        )

    @functools.cached_property
    def device(self) -> DeviceSources | None:
        """The device's sources, if it is not ours."""
        table = self.content.device
        if table is None or self.half is Kind.DRIVER:
            return None
        return DeviceSources(
            folder=self._folder("device", table.folder),
            sources=table.sources,
            include=tuple(self._folder("device", name) for name in table.include),
            defines=table.defines,
            type=table.type,
            pci=table.device.partition(",")[0],
            virtio_id=self.content.virtio_id,
            compat=table.compat,
        )

    @functools.cached_property
    def chat(self) -> ChatSpec | None:
        """The chat, if it is not ours."""
        if self.content.chat is None or self.half is not None:
            return None
        return ChatSpec.from_table(self.content.chat, self.path.parent, str(self.path))

    @property
    def node(self) -> str:
        """The node in the guest that programs open."""
        if self.driver is not None and self.content.driver is not None and self.content.driver.node:
            return self.content.driver.node
        return NATIVE_NODE if self.kind is Kind.NATIVE else NODE

    def only(self, half: Kind) -> SutFile:
        """Return one half of a pair, with our own other half.

        Raises:
            SetupError: it is no pair.
        """
        if self.kind is not Kind.PAIR:
            doing, seen = f"taking the {half} of {self.path.name}", f"it is a {self.kind}, not a pair"
            raise SetupError(doing, seen, "leave out --half")
        return SutFile(self.path, self.content, half)

    def _folder(self, table: str, name: str) -> Path:
        folder = _existing(self.path.parent, name)
        if folder is None:
            raise SetupError(
                f"reading {self.path.name}",
                f"[{table}] names the folder {name!r}, and there is none",
                "paths count from the manifest's folder",
            )
        return folder


def _existing(start: Path, name: str) -> Path | None:
    """Return a folder if there is one of that name; what can be no name at all is none."""
    return (start / name).resolve() if name and is_folder(start / name) else None


def load(path: Path) -> SutFile:
    """Read a manifest, and see that the folders and the sources that it names are there.

    Raises:
        SetupError: it cannot be read, a key is missing, unknown or wrong: one line about the first.
    """
    doing = f"reading {path.name or path}"
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        cure = "python -m harness init-sut writes one"
        raise SetupError(doing, error.strerror or str(error), cure) from error
    except UnicodeDecodeError as error:
        raise SetupError(doing, f"it is no TOML: {error}", _CURE) from error
    file = parsed(text, path)
    try:
        # A folder without what it is named for is no verdict on the sources.
        if file.driver is not None:
            foreign_driver.plan(file.driver)
        if file.device is not None:
            qemu_foreign.compiled(file.device)
    except HarnessError as error:
        raise SetupError(doing, error.seen, error.cure) from error
    return file


def parsed(text: str, path: Path) -> SutFile:
    """Return a manifest from its text, as if it were at ``path``; raises as :func:`load`."""
    doing = f"reading {path.name or path}"
    try:
        content = Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SetupError(doing, f"it is no TOML: {error}", _CURE) from error
    except RecursionError as error:
        raise SetupError(doing, "it is nested too deeply", _CURE) from error
    except ValidationError as error:
        raise SetupError(doing, _first(error), _CURE) from error
    except ValueError as error:
        # What CPython refuses of what TOML allows: a number of thousands of digits.
        raise SetupError(doing, str(error).partition(";")[0], _CURE) from error
    file = SutFile(path.absolute(), content)
    # Asked for now: a folder that is not there is told before anything is built.
    _ = file.driver, file.device, file.chat
    return file


def _first(error: ValidationError) -> str:
    """Return the first of a model's complaints, in one line that begins with the key."""
    found = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in found["loc"])
    given = repr(found["input"])
    match found["type"]:
        case "missing":
            return f"the key {key} is missing"
        case "extra_forbidden":
            return f"there is no key {key}"
        case "value_error":
            said = str(found["ctx"]["error"])
            return f"{key} = {given[:60]}: {said}" if key else said
        case _:
            return f"{key} = {given[:60]}: {found['msg'][:1].lower()}{found['msg'][1:]}"


def schema() -> dict[str, Any]:
    """Return the manifest's JSON schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(),
        "title": "sut.toml",
    }
