# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of encryption that was measured: samples, medians, ratios, the file, the table, the chart."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import pytest
from rich.console import Console

from harness.bench.crypto import chart
from harness.bench.crypto.contenders import Case, Contender, size_text
from harness.bench.crypto.figures import GOALS, ContenderError, Figures, Quantity, Sample
from harness.bench.crypto.table import speed_text, table, time_text
from tests.bench.crypto_samples import ALL, KIB, MIB, REASON, WITHOUT_VIRTIO_CRYPTO

LINE = {
    "operations": 3000,
    "seconds": 0.5,
    "p50_ns": 150_000,
    "p99_ns": 250_500,
    "most_ns": 1_000_000,
    "user_seconds": 0.1,
    "system_seconds": 0.3,
    "busy_seconds": 0.6,
    "beside_operations": 0,
}
RATIOS = {
    "64_kib_to_openssl": (0.5, False),
    "1_mib_to_openssl": (0.8, True),
    "64_kib_to_virtio_crypto": (8.0, True),
    "256_b_to_virtio_crypto": (8.0, False),
    "256_b_to_reference_wire": (1.5, True),
    "2_processes_to_1": (1.5, False),
    "p99_beside_to_alone": (3.0, True),
}


def shown(figures: Figures) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(table(figures), highlight=False, soft_wrap=True)
    return out.getvalue()


def test_a_sample_of_a_guest_has_qemus_processor_time() -> None:
    assert Sample.parse(json.dumps(LINE), 1.5).values == pytest.approx(
        {
            Quantity.OPERATIONS: 6000.0,
            Quantity.P50: 150.0,
            Quantity.P99: 250.5,
            Quantity.MOST: 1000.0,
            Quantity.HOST_CPU: 1.5,
            Quantity.GUEST_CPU: 1.2,
        }
    )


def test_a_sample_of_the_host_has_its_own_processor_time() -> None:
    values = Sample.parse(json.dumps(LINE)).values
    assert values[Quantity.HOST_CPU] == pytest.approx(0.8)
    assert Quantity.GUEST_CPU not in values


def test_what_was_done_beside_is_told() -> None:
    line = json.dumps({**LINE, "beside_operations": 100})
    assert Sample.parse(line, 1.0).values[Quantity.BESIDE] == 200.0


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        "Segmentation fault",
        json.dumps({**LINE, "seconds": 0}),
        json.dumps({**LINE, "p99_ns": None}),
    ],
)
def test_what_is_no_report_is_no_sample(line: str) -> None:
    with pytest.raises(ContenderError, match="cryptobench printed"):
        Sample.parse(line, 1.0)


def test_a_report_of_an_error_is_that_error() -> None:
    with pytest.raises(ContenderError) as error:
        Sample.parse(json.dumps({"error": REASON}))
    assert error.value.seen == REASON


def test_ratios_are_of_medians_and_limits_are_kept() -> None:
    seen = {goal.key: ALL.ratio(goal) for goal in GOALS}
    assert seen == pytest.approx({key: ratio for key, (ratio, _) in RATIOS.items()})
    assert {goal.key: goal.met(seen[goal.key] or 0) for goal in GOALS} == {
        key: met for key, (_, met) in RATIOS.items()
    }


def test_a_limit_itself_is_kept() -> None:
    assert all(goal.met(goal.wanted) for goal in GOALS)
    most, least = GOALS[-1], GOALS[0]
    assert not most.met(most.wanted + 0.01)
    assert not least.met(least.wanted - 0.01)


def test_the_wanted_ratios() -> None:
    assert [goal.wanted_text for goal in GOALS] == [
        *(f"at least {wanted}" for wanted in ("0.6", "0.75", "8", "12", "1.2", "1.6")),
        "at most 4",
    ]


def test_there_is_no_ratio_to_what_was_not_measured() -> None:
    missing = {goal.key for goal in GOALS if WITHOUT_VIRTIO_CRYPTO.ratio(goal) is None}
    assert missing == {"64_kib_to_virtio_crypto", "256_b_to_virtio_crypto"}


def test_the_file_has_every_value() -> None:
    record = json.loads(json.dumps(ALL.record()))
    assert record["format"] == 1
    assert record["conditions"]["openssl_version"] == "OpenSSL 3.0.1"
    pair = record["contenders"]["pair"]
    assert pair["65536_bytes_2_processes"]["operations_per_second"] == {
        "median": 18_000,
        "values": [162_000, 18_000, 9_000],
    }
    assert pair["16_bytes_1_processes_beside_1048576"]["p99_microseconds"]["median"] == 90.0
    assert "guest_cores" not in record["contenders"]["openssl"]["65536_bytes_1_processes"]
    assert record["contenders"]["openssl"]["256_bytes_1_processes"] is None
    assert record["ratios"]["2_processes_to_1"] == {"ratio": 1.5, "at_least": 1.6, "met": False}
    assert record["ratios"]["p99_beside_to_alone"] == {"ratio": 3.0, "at_most": 4, "met": True}


def test_the_file_says_why_something_is_missing() -> None:
    record = WITHOUT_VIRTIO_CRYPTO.record()
    assert record["contenders"]["virtio-crypto"]["65536_bytes_1_processes"] == {"error": REASON}
    assert record["ratios"]["256_b_to_virtio_crypto"]["met"] is None


@pytest.mark.parametrize(
    ("operations", "size", "text"),
    [
        (133.4, 16, "133 /s"),
        (999.4, 256, "999 /s"),
        (999.6, 256, "1.00 k/s"),
        (67_700, 256, "67.7 k/s"),
        (4_170_000, 16, "4.17 M/s"),
        (1_000, KIB, "1.02 MB/s"),
        (11_670, 64 * KIB, "765 MB/s"),
        (1_370, MIB, "1.44 GB/s"),
        (0.5, 16, "0.50 /s"),
    ],
)
def test_speeds(operations: float, size: int, text: str) -> None:
    assert speed_text(operations, size) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0.183, "0.18 µs"), (9.996, "10.0 µs"), (118.4, "118 µs"), (3900, "3.90 ms"), (2_500_000, "2.50 s")],
)
def test_times(microseconds: float, text: str) -> None:
    assert time_text(microseconds) == text


def test_sizes() -> None:
    texts = ["16 B", "1000 B", "1 KiB", "1040 B", "64 KiB", "1 MiB"]
    assert [size_text(size) for size in (16, 1000, 1024, 1040, 65536, 1 << 20)] == texts


def test_the_table_has_a_line_for_each_contender_in_80_columns() -> None:
    text = shown(ALL)
    lines = [line.split() for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert ["AES-128-CBC", "x", "1", "x", "2", "p50", "p99", "host", "guest"] in lines
    place = lines.index(["64", "KiB"])
    words = "our pair 786 MB/s 1.18 GB/s 10.0 µs 20.0 µs 1.2 0.8"
    assert lines[place + 1] == words.split()
    assert lines[place + 3] == [
        "host",
        "OpenSSL",
        "1.57",
        "GB/s",
        "-",
        "10.0",
        "µs",
        "20.0",
        "µs",
        "1.2",
        "-",
    ]
    beside = lines.index(["16", "B", "beside", "1", "MiB"])
    assert lines[beside + 1][:4] == ["our", "pair", "40.0", "k/s"]
    assert lines[beside + 2] == ["256", "B"]


def test_the_table_tells_what_was_negotiated_and_the_proof_as_it_is() -> None:
    text = shown(ALL)
    assert "TCG: [no] device" in text
    assert "negotiated, our pair: bits 1, 2\n" in text
    assert "negotiated, reference wire: bits none\n" in text


def test_the_table_ends_with_the_ratios() -> None:
    lines = [line.split() for line in shown(ALL).splitlines()]
    assert ["64", "KiB:", "our", "pair", "÷", "OpenSSL", "at", "least", "0.6", "0.50", "no"] in lines
    assert ["1", "MiB:", "our", "pair", "÷", "OpenSSL", "at", "least", "0.75", "0.80", "yes"] in lines
    assert [
        "16",
        "B,",
        "our",
        "pair:",
        "p99",
        "beside",
        "1",
        "MiB",
        "÷",
        "alone",
        "at",
        "most",
        "4",
        "3.00",
        "yes",
    ] in lines


def test_a_contender_that_is_wrong_is_told_of_and_has_no_figures() -> None:
    text = shown(WITHOUT_VIRTIO_CRYPTO)
    assert f"not measured: virtio-crypto, 64 KiB, processes: 1: {REASON}\n" in text.replace("  ", " ")
    assert ["64", "KiB:", "our", "pair", "÷", "virtio-crypto", "at", "least", "8", "-", "-"] in [
        line.split() for line in text.splitlines()
    ]


def test_a_line_of_the_chart_is_medians_of_the_fewest_processes() -> None:
    sizes, speeds = zip(*chart.points(ALL, Contender.PAIR, Quantity.OPERATIONS), strict=True)
    assert sizes == (16, 256, 64 * KIB, MIB)
    assert speeds == pytest.approx((0.8, 12.288, 786.432, 838.8608))
    assert chart.points(ALL, Contender.PAIR, Quantity.P99)[0] == (16, 30.0)
    assert not chart.points(ALL, Contender.AES_NI, Quantity.P99)


def test_of_several_processes_alone_there_is_a_line_as_well() -> None:
    only = {whose: found for whose, found in ALL.samples.items() if whose[1] == Case(64 * KIB, 2)}
    figures = Figures(ALL.conditions, only, {})
    ((size, speed),) = chart.points(figures, Contender.PAIR, Quantity.OPERATIONS)
    assert size == 65536
    assert speed == pytest.approx(1179.648)


def test_the_chart_is_a_picture_with_a_name_for_each_line() -> None:
    pytest.importorskip("matplotlib")
    drawn = chart.svg(ALL)
    ElementTree.fromstring(drawn)  # noqa: S314  # our own
    for text in ("our pair", "host OpenSSL", "64 KiB: our pair ÷ OpenSSL = 0.50 (at least 0.6)", "1 MiB"):
        assert f">{text}<" in drawn
    assert "guest AES-NI" not in drawn
    assert drawn == chart.svg(ALL)


def test_a_chart_of_nothing_is_still_one() -> None:
    pytest.importorskip("matplotlib")
    ElementTree.fromstring(chart.svg(Figures(ALL.conditions, {}, {})))  # noqa: S314  # our own
