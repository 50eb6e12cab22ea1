# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitor is told when a device is plugged in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import MachineError
from harness.machine.command import Plugged
from harness.machine.slots import Slots


def _plugged(device: str, answer: object = "", **properties: Any) -> tuple[list[tuple[str, Any]], Slots]:
    told: list[tuple[str, Any]] = []

    def execute(command: str, arguments: dict[str, Any]) -> object:
        told.append((command, arguments))
        return answer

    def human(line: str) -> object:
        told.append(("human", line))
        return answer

    config: Any = SimpleNamespace(devices=("first",), spare_slots=1)
    qmp: Any = SimpleNamespace(execute=execute, human=human)
    slots = Slots(config)
    slots.plug(qmp, device, properties)
    return told, slots


def test_properties_by_name_are_of_their_own_kind() -> None:
    told, slots = _plugged("virtio-x-pci", {}, max_sessions=3)
    arguments = {"driver": "virtio-x-pci", "bus": "slot1", "id": "crypto1", "max-sessions": 3}
    assert told == [("device_add", arguments)]
    assert slots.plugged["crypto1"] == Plugged("virtio-x-pci,max-sessions=3", 1)


def test_properties_as_text_are_for_who_knows_their_kinds() -> None:
    told, slots = _plugged("virtio-x-pci,vectors=0,packed=on")
    line = "device_add virtio-x-pci,vectors=0,packed=on,bus=slot1,id=crypto1"
    assert told == [("human", line)]
    assert slots.plugged["crypto1"] == Plugged("virtio-x-pci,vectors=0,packed=on", 1)


def test_what_is_refused_as_text_is_told() -> None:
    with pytest.raises(MachineError, match=r"plugging in x,a=1,.*: Property 'x\.a' not found$"):
        _plugged("x,a=1", "Error: Property 'x.a' not found\r\n")
