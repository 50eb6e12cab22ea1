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

LEFT_OUT = "not applicable"
"""The name of the property of a test that says why it does not apply."""
NOT_REACHED = "not reached"
"""How the reason of a test begins that is skipped because what it needs does not build."""
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
        "--thorough", action="store_true", help="also scenarios that take minutes (tox -e foreign)"
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
        "feature(name): what of /dev/crypto a system must have for this scenario to mean something",
        "reference_wire: this scenario means something only where the reference wire is spoken",
        "thorough: this scenario takes minutes, and runs with --thorough only",
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


def why_not(item: pytest.Item, file: SutFile | None) -> str:
    """Return why a scenario says nothing about a system, or about ours without a file; empty if it does."""
    if item.get_closest_marker("thorough") and not item.config.getoption("--thorough"):
        return "it takes minutes"
    if file is None:
        return "no chains are written down of ours" if item.get_closest_marker("tapped") else ""
    return _why_not_of_theirs(item, file)


def _why_not_of_theirs(item: pytest.Item, file: SutFile) -> str:
    if item.get_closest_marker("requirement") is None or item.get_closest_marker("ours"):
        return "it is about the bundled system alone"
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & CHAT_FIXTURES:
        return "" if file.chat is not None else "the manifest names no chat"
    halves = ((DRIVER_FIXTURES, file.driver, "driver"), (DEVICE_FIXTURES, file.device, "device"))
    ours = [what for names, part, what in halves if fixtures & names and part is None]
    if ours:
        return f"the {ours[0]} is ours"
    if not file.kind.has_guest:
        return f"{file.kind.meaning} is under test, and nothing else"
    return _why_not_in_a_guest(item, file)


def _why_not_in_a_guest(item: pytest.Item, file: SutFile) -> str:
    if item.get_closest_marker("reference_wire") is not None and file.content.wire != "reference":
        return "it speaks another wire"
    if item.get_closest_marker("virtio") is not None and file.kind is Kind.NATIVE:
        return "there is no virtual device"
    wanted = {Feature(marker.args[0]) for marker in item.iter_markers("feature")}
    lacking = sorted(feature.meaning for feature in wanted - file.features)
    return f"the manifest does not name {lacking[0]}" if lacking else ""
