# SPDX-License-Identifier: GPL-2.0-or-later
"""Which system is under test, and which scenarios say something about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts import NotOurs
from harness.sut import manifest
from harness.sut.features import Feature, Kind

if TYPE_CHECKING:
    import pytest

    from harness.sut.manifest import SutFile

# A scenario that uses one of these is about a chat, or about a device without a guest.
CHAT_FIXTURES = frozenset({"chat_spec", "sut_chat"})
DEVICE_FIXTURES = frozenset({"sut_device", "build_device"})
DRIVER_FIXTURES = frozenset({"build_driver"})


def add_to(group: pytest.OptionGroup) -> None:
    """Add the options that name what is under test."""
    group.addoption(
        "--sut", type=Path, default=None, metavar="FILE", help="the manifest of a system under test: sut.toml"
    )
    group.addoption(
        "--half",
        choices=[Kind.DRIVER.value, Kind.DEVICE.value],
        help="only this half of a pair, with our own other half",
    )


def add_markers(config: pytest.Config) -> None:
    """Register what scenarios say of themselves."""
    for line in (
        "ours: this scenario is about the bundled system alone, whatever its file is about",
        "requirement(name): what of a system under test this scenario is about; without it, it is about ours",
        "feature(name): what of /dev/crypto a system must have for this scenario to mean something",
        "reference_wire: this scenario means something only where the reference wire is spoken",
        "tapped: this scenario needs a QEMU that writes down descriptor chains, as --sut has it",
        "virtio: this scenario means something only where a virtual device is in the guest",
    ):
        config.addinivalue_line("markers", line)


def chosen(config: pytest.Config) -> SutFile | None:
    """Return the manifest that ``--sut`` names, or None.

    Raises:
        SetupError: it cannot be read, or is no pair where ``--half`` asks for one of two.
    """
    path: Path | None = config.getoption("--sut")
    if path is None:
        return None
    file, half = manifest.load(path), config.getoption("--half")
    return file.only(Kind(half)) if half else file


def not_ours(file: SutFile) -> NotOurs:
    """Return which sources stand in the place of ours."""
    tapped = file.kind in (Kind.PAIR, Kind.DRIVER, Kind.DEVICE)
    return NotOurs(file.driver, file.device, tapped=tapped)


def applies(item: pytest.Item, file: SutFile | None) -> bool:
    """Say whether a scenario says something about a system; about ours, if there is no file."""
    if file is None:
        return item.get_closest_marker("tapped") is None
    if item.get_closest_marker("requirement") is None or item.get_closest_marker("ours"):
        return False
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & CHAT_FIXTURES:
        return file.chat is not None
    theirs = {DRIVER_FIXTURES: file.driver, DEVICE_FIXTURES: file.device}
    if any(part is None for names, part in theirs.items() if fixtures & names):
        return False
    wanted = {Feature(marker.args[0]) for marker in item.iter_markers("feature")}
    return file.kind.has_guest and _has_its_wire(item, file) and wanted <= file.features


def _has_its_wire(item: pytest.Item, file: SutFile) -> bool:
    """Say whether a system has what crosses a virtqueue in a scenario."""
    if item.get_closest_marker("reference_wire") is not None and file.content.wire != "reference":
        return False
    return item.get_closest_marker("virtio") is None or file.kind is not Kind.NATIVE
