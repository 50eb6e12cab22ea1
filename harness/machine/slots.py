# SPDX-License-Identifier: GPL-2.0-or-later
"""The slots of a guest, which devices are in them, and how they come and go while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import MachineError
from harness.machine.command import Plugged, device_id, escaped, first_devices, slot_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.machine.config import MachineConfig
    from harness.machine.qmp import Qmp

UNPLUG_SECONDS = 15.0


class Slots:
    """What is plugged into a guest.

    Attributes:
        plugged: id → device and slot.
    """

    def __init__(self, config: MachineConfig) -> None:
        """Begin with the devices that the guest boots with."""
        self.plugged: dict[str, Plugged] = first_devices(config)
        self._count = len(config.devices) + config.spare_slots

    def plug(self, qmp: Qmp, driver: str, properties: Mapping[str, Any]) -> str:
        """Push a device into a free slot; see :meth:`harness.machine.VirtualMachine.plug`."""
        taken = {place.slot for place in self.plugged.values()}
        slot = next((slot for slot in range(self._count) if slot not in taken), None)
        if slot is None:
            raise MachineError(f"plugging in a {driver}", "no slot is free", "raise spare_slots")
        options = {name.replace("_", "-"): value for name, value in properties.items()}
        identity = str(options.pop("id", device_id(slot)))
        words = [driver, *(f"{name}={escaped(str(value))}" for name, value in options.items())]
        if "," in driver:
            _add_as_text(qmp, ",".join([*words, f"bus={slot_id(slot)}", f"id={identity}"]))
        else:
            qmp.execute("device_add", {"driver": driver, "bus": slot_id(slot), "id": identity, **options})
        self.plugged[identity] = Plugged(",".join(words), slot)
        return identity

    def unplug(self, qmp: Qmp, device: str) -> None:
        """Pull a device out; see :meth:`harness.machine.VirtualMachine.unplug`."""
        mark = qmp.mark()
        qmp.execute("device_del", {"id": device})
        qmp.wait_event("DEVICE_DELETED", {"device": device}, since=mark, timeout=UNPLUG_SECONDS)
        self.plugged.pop(device, None)


def _add_as_text(qmp: Qmp, option: str) -> None:
    """Push in what is written as ``-device`` takes it."""
    # QMP wants numbers and truths as such; only this monitor knows of what kind a property is.
    said = qmp.human(f"device_add {option}").strip()
    if said:
        raise MachineError(f"plugging in {option}", said.removeprefix("Error: "))
