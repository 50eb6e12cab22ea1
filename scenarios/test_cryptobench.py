# SPDX-License-Identifier: GPL-2.0-or-later
"""The program that measures encryption: it counts what is right, and nothing else."""

from __future__ import annotations

import ctypes
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from harness.artifacts import REPOSITORY, Artifacts, Devcrypto
from harness.bench.crypto.answer import options_of
from harness.bench.crypto.contenders import Case, Contender
from harness.bench.crypto.figures import ContenderError, Quantity
from harness.bench.crypto.measure import HostRunner

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine import VirtualMachine

SLICE = 0.01
INSIDE = "/tmp/cryptobench"  # noqa: S108  # in a guest that nobody shares
BENCH = REPOSITORY / "guest" / "bench"


@pytest.fixture(scope="session")
def program(artifacts: Artifacts) -> Path:
    """Return the program for this machine."""
    return artifacts.bench_programs().host


@pytest.fixture(scope="session")
def histogram(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return the histogram's functions."""
    library = tmp_path_factory.mktemp("histogram") / "histogram.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(BENCH / "histogram.c")]
    subprocess.run(command, check=True, timeout=60)
    loaded = ctypes.CDLL(str(library))
    loaded.bucket_of.argtypes = [ctypes.c_uint64]
    loaded.bucket_middle.restype = ctypes.c_uint64
    return loaded


def told(program: Path, *words: str, **more: Any) -> dict[str, Any]:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60, **more)
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert ("error" in found) == (done.returncode == 1)
    return found


@pytest.mark.parametrize("contender", [Contender.OPENSSL, Contender.DEVCRYPTO])
@pytest.mark.parametrize("size", [16, 4112, 1 << 20])
def test_what_the_host_encrypts_is_what_the_model_does(
    program: Path, contender: Contender, size: int
) -> None:
    words = (*contender.way, *options_of(Case(size, 2), SLICE))
    values = HostRunner(program)(words, SLICE).values
    assert values[Quantity.OPERATIONS] > 0
    assert values[Quantity.P50] <= values[Quantity.P99] <= values[Quantity.MOST]


def test_who_encrypts_something_else_is_not_timed(program: Path) -> None:
    words = ("--via", "libcrypto", "--size", "16", "--crc", "0", "--seconds", str(SLICE))
    with pytest.raises(ContenderError, match=r"wrong ciphertext: its CRC is [0-9a-f]{8}, not 00000000"):
        HostRunner(program)(words, SLICE)


def test_it_measures_any_program_interface_of_dev_crypto(program: Path, devcrypto: Devcrypto) -> None:
    words = ("--via", "cryptodev", "--path", "/dev/crypto", *options_of(Case(256), SLICE))
    assert told(program, *words, env=devcrypto.environment())["operations"] > 0
    assert "opening" in told(program, "--via", "cryptodev", "--path", "/nowhere")["error"]


def test_one_more_process_is_counted_by_itself(program: Path) -> None:
    # So large that no processor does two of them in a slice: when one is over, so is the time.
    words = ("--via", "libcrypto", *options_of(Case(16, beside=32 << 20), SLICE))
    assert told(program, *words)["beside_operations"] == 1
    assert told(program, *words[:-2])["beside_operations"] == 0


def test_every_line_is_answered_whatever_the_one_before_was(program: Path) -> None:
    good = " ".join(("--via libcrypto", *options_of(Case(16), SLICE)))
    lines = [good, "--via nobody", "--size 100 --via libcrypto", "", good, "--serve"]
    done = subprocess.run(
        [program, "--serve"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in answer for answer in answers] == [False, True, True, True, False, True]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--via", "libcrypto", "more"],
        ["--via", "libcrypto", "--size", "0"],
        ["--via", "libcrypto", "--size", "-16"],
        ["--via", "libcrypto", "--processes", "65"],
        ["--via", "libcrypto", "--seconds", "nan"],
        ["--via", "libcrypto", "--crc", "100000000"],
    ],
)
def test_wrong_usage_is_status_2(program: Path, words: list[str]) -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: cryptobench")


def test_a_bucket_is_a_thirtieth_as_wide_as_it_is_far(histogram: ctypes.CDLL) -> None:
    values = [
        value + more
        for value in (1 << power for power in range(40))
        for more in (0, value // 3, max(value // 32, 1) - 1)
    ]
    for value in values:
        middle = histogram.bucket_middle(histogram.bucket_of(value))
        assert abs(middle - value) * 64 <= value
    buckets = [histogram.bucket_of(value) for value in sorted(values)]
    assert buckets == sorted(buckets)
    # What is out of reach is in the last one.
    assert histogram.bucket_of(1 << 63) == histogram.bucket_of((1 << 41) - 1)


def test_in_a_guest_it_goes_by_the_device(vm: VirtualMachine, artifacts: Artifacts) -> None:
    program = artifacts.bench_programs().guest.read_bytes()
    vm.succeed(f"cat >{INSIDE} && chmod 755 {INSIDE}", stdin=program)
    words = (*Contender.PAIR.way, *options_of(Case(4112, 2, beside=65536), SLICE))
    found = json.loads(vm.succeed(f"{INSIDE} {' '.join(words)}"))
    assert found["operations"] > 0
    assert found["beside_operations"] > 0
