# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of the device without a guest: units, table, file."""

from __future__ import annotations

import json

from rich.console import Console

from harness.bench.device import DeviceFigures, DeviceMeasure

FIGURES = DeviceFigures(
    "10.0.13",
    2,
    0.25,
    {
        DeviceMeasure.FRESH: [40.0, 30.0, 35.04],
        DeviceMeasure.REQUESTS: [2500.4, 1000.0, 3000.0],
        DeviceMeasure.COMMAND: [25.0, 60.0, 30.2],
    },
)


def test_the_table_shows_medians_with_units() -> None:
    console = Console(width=120, record=True, force_terminal=False)
    console.print(FIGURES.table())
    text = console.export_text()
    for expected in ("35.0 ms", "2,500/s", "30 µs", "QEMU 10.0.13", "host load before: 0.2"):
        assert expected in text


def test_the_file_has_every_value_under_a_key_with_its_unit() -> None:
    read = json.loads(FIGURES.text())
    assert read["measures"]["fresh_device_milliseconds"] == {"median": 35.04, "values": [40.0, 30.0, 35.04]}
    assert read["measures"]["whole_requests_per_second"]["median"] == 2500.4
    assert set(read["measures"]) == {measure.value for measure in DeviceMeasure}
    assert read["conditions"]["qemu_version"] == "10.0.13"
