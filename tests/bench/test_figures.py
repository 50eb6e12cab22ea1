# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of the values: medians, ratios, the file, the table, the chart."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from rich.console import Console

from harness.bench import chart, outputs
from harness.bench.figures import Conditions, Figures, Measure, Series
from harness.bench.table import table
from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

CONDITIONS = Conditions(
    accelerator="tcg",
    accelerator_proof="TCG: [no] device",
    qemu_version="10.0.2",
    kernel_release="6.1.0-9-cloud-amd64",
    host_cpus=2,
    host_load=0.25,
    rounds=3,
    clones=2,
)
SERIES = {
    Measure.COLD_BOOT: Series((2.5, 3.0, 2.0)),
    Measure.CONSOLE: Series((0.08, 0.1, 0.0935)),
    Measure.SSH: Series((0.5, 0.4, 0.7)),
    Measure.PEER: Series((12.0, 15.0, 13.0)),
    Measure.PSS: Series((40.0, 50.0, 60.0, 70.0)),
    Measure.PRIVATE: Series((22.0, 21.0, 24.0, 23.0)),
}
ALL = Figures(CONDITIONS, SERIES, "virtme-ng 1.0 ran with this and that")
ABSENT = Figures(
    CONDITIONS,
    {name: series for name, series in SERIES.items() if name is not Measure.PEER},
    "virtme-ng: not installed",
)


def shown(figures: Figures) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(table(figures), highlight=False, soft_wrap=True)
    return out.getvalue()


def test_of_an_odd_number_the_middle_of_an_even_one_the_mean_of_two() -> None:
    odd = SERIES[Measure.COLD_BOOT]
    assert (odd.median, odd.least, odd.most) == (2.5, 2.0, 3.0)
    assert SERIES[Measure.PRIVATE].median == 22.5


def test_ratios_are_of_medians() -> None:
    assert ALL.ratio("cold_boot_to_restore_to_console") == pytest.approx(2.5 / 0.0935)
    assert ALL.ratio("virtme_ng_to_restore_to_ssh") == pytest.approx(13.0 / 0.5)
    assert ABSENT.ratio("virtme_ng_to_restore_to_ssh") is None


@pytest.mark.parametrize("figures", [ALL, ABSENT])
def test_the_file_has_every_key_with_its_unit(figures: Figures) -> None:
    record = json.loads(json.dumps(figures.record()))
    assert set(record["conditions"]) == {
        "accelerator",
        "accelerator_proof",
        "qemu_version",
        "kernel_release",
        "host_cpus",
        "host_load",
        "rounds",
        "clones",
    }
    assert set(record["measures"]) == {
        "cold_boot_seconds",
        "restore_to_console_seconds",
        "restore_to_ssh_seconds",
        "virtme_ng_seconds",
        "clone_pss_mebibytes",
        "clone_private_mebibytes",
    }
    assert record["measures"]["cold_boot_seconds"] == {
        "median": 2.5,
        "min": 2.0,
        "max": 3.0,
        "values": [2.5, 3.0, 2.0],
    }
    assert set(record["ratios"]) == {"cold_boot_to_restore_to_console", "virtme_ng_to_restore_to_ssh"}


def test_what_was_not_measured_is_null_in_the_file() -> None:
    record = ABSENT.record()
    assert record["measures"]["virtme_ng_seconds"] is None
    assert record["ratios"]["virtme_ng_to_restore_to_ssh"] is None
    assert record["virtme_ng"] == "virtme-ng: not installed"


def test_the_table_tells_all_in_80_columns() -> None:
    text = shown(ALL)
    for series, measure in ((series, measure) for measure, series in SERIES.items()):
        row = next(line for line in text.splitlines() if measure.label in line and "÷" not in line)
        for value in (series.median, series.least, series.most):
            assert measure.text(value) in row
    assert "cold boot until ready ÷ restore to first console answer: 26.7" in text
    assert "÷ restore to first SSH output: 26.0" in text
    for line in (CONDITIONS.accelerator_proof, *CONDITIONS.lines(), ALL.peer):
        assert line in text
    assert max(len(line) for line in text.splitlines() if "│" in line) <= 80


def test_the_table_says_that_virtme_ng_is_not_installed() -> None:
    text = shown(ABSENT)
    assert "virtme-ng: not installed" in text
    row = next(line for line in text.splitlines() if Measure.PEER.label in line)
    assert not any(character.isdigit() for character in row)
    assert "restore to first SSH output:" not in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0771, "0.077 s"), (0.4134, "0.413 s"), (2.345, "2.35 s"), (12.64, "12.6 s")]
)
def test_three_digits_that_matter(value: float, text: str) -> None:
    assert Measure.COLD_BOOT.text(value) == text
    assert Measure.PSS.text(value) == text.replace("s", "MiB")


def test_a_chart_has_a_bar_for_each_measure() -> None:
    found = [bar for unit in ("s", "MiB") for bar in chart.bars(ALL, unit)]
    assert [bar.measure for bar in found] == list(Measure)
    assert found[0].text == "2.50 s"
    assert Measure.PEER not in [bar.measure for bar in chart.bars(ABSENT, "s")]


def test_the_drawing_has_every_bar_with_its_name_and_value() -> None:
    pytest.importorskip("matplotlib")
    drawn = ElementTree.fromstring(chart.svg(ALL))  # noqa: S314  # made here
    texts = [(element.text or "").strip() for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for measure, series in SERIES.items():
        assert measure.label in texts
        assert measure.text(series.median) in texts
    filled = [element.get("style", "") for element in drawn.iter("{http://www.w3.org/2000/svg}path")]
    for colour in set(chart._COLOURS.values()):
        wanted = sum(value == colour for value in chart._COLOURS.values())
        assert sum(f"fill: {colour}" in style for style in filled) == wanted


def test_the_same_figures_give_the_same_drawing() -> None:
    pytest.importorskip("matplotlib")
    assert chart.svg(ALL) == chart.svg(ALL)


def test_equal_values_can_be_drawn() -> None:
    pytest.importorskip("matplotlib")
    one = Figures(CONDITIONS, {Measure.CONSOLE: Series((1.0,))}, "")
    assert Measure.CONSOLE.label in chart.svg(one)


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match="pip install matplotlib"):
        chart.require_matplotlib()


@pytest.mark.parametrize("place", ["none/file", "folder", "/proc/file"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SetupError, match="name a file that you may write"):
        outputs.require_writable(tmp_path / place)


def test_a_file_that_can_be_written_stays_as_it_is(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("kept")
    for path in (old, new):
        outputs.require_writable(path)
    assert old.read_text() == "kept"
    assert not new.exists()
