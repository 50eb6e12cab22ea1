# SPDX-License-Identifier: GPL-2.0-or-later
"""How encryption is measured: what is asked, in which order, and what becomes of those who fail."""

from __future__ import annotations

import json
import os
import re
import sys
import zlib
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import REPOSITORY
from harness.artifacts.progress import Step
from harness.bench.crypto import guest
from harness.bench.crypto.answer import IV, KEY, ciphertext, options_of, source
from harness.bench.crypto.command import Wishes
from harness.bench.crypto.contenders import PROCESSES, SIZES, Case, Contender
from harness.bench.crypto.figures import GOALS, ContenderError, Quantity, Sample
from harness.bench.crypto.measure import GuestRunner, HostRunner, measure, process_cpu_seconds
from harness.bench.crypto.options import QUICK_ROUNDS, ROUNDS, SECONDS, plan_of
from harness.bench.crypto.plan import Plan, every_pair, goal_pairs
from harness.cli import _parser
from harness.errors import SetupError, WaitTimeoutError
from tests.bench.crypto_samples import MIB, sample

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

PAIR, OPENSSL, AES_NI = Contender.PAIR, Contender.OPENSSL, Contender.AES_NI


class FakeRunner:
    """Answers every run at once, and fails where it is told to."""

    def __init__(self, log: list[str], failing: str = "") -> None:
        self.log, self.failing = log, failing

    def __call__(self, options: Sequence[str], seconds: float) -> Sample:
        asked = " ".join(options)
        self.log.append(asked)
        if self.failing and self.failing in asked:
            raise ContenderError("measuring", "wrong ciphertext")
        return sample(float(len(self.log)))


def test_what_is_encrypted_has_no_two_blocks_alike() -> None:
    whole = source(MIB + 16)
    assert len({whole[at : at + 16] for at in range(0, len(whole), 16)}) == MIB // 16 + 1
    assert whole[:5] == bytes([0, 17, 34, 51, 68])
    # Block 65536 is the first whose number has a third byte.
    assert whole[MIB : MIB + 4] == bytes([0, 17, 35, 51])


@pytest.mark.parametrize(("name", "value"), [("bench_key", KEY), ("bench_iv", IV)])
def test_key_and_iv_are_those_of_the_program(name: str, value: bytes) -> None:
    text = (REPOSITORY / "guest" / "bench" / "worker.c").read_text()
    found = re.search(rf"{name}\[\w+\] = \{{([^}}]*)\}}", text)
    assert found
    assert bytes(map(int, found[1].replace(",", " ").split())) == value


def test_the_options_of_a_run() -> None:
    words = options_of(Case(16, 2, MIB), 0.25)
    crc = f"{zlib.crc32(ciphertext(16)):08x}"
    expected = f"--size 16 --processes 2 --seconds 0.25 --crc {crc} --beside 1048576"
    assert " ".join(words) == expected
    assert "--beside" not in options_of(Case(16), 0.25)
    assert "--apart" not in words
    assert "--apart" in options_of(Case(16), 0.25, apart=True)


def test_those_who_are_compared_take_turns() -> None:
    pairs = every_pair([OPENSSL, PAIR], [256, 16], [2, 1])
    assert pairs == (
        (PAIR, Case(16)),
        (OPENSSL, Case(16)),
        # The host has nobody beside.
        (PAIR, Case(16, beside=MIB)),
        (PAIR, Case(16, 2)),
        (OPENSSL, Case(16, 2)),
        (PAIR, Case(256)),
        (OPENSSL, Case(256)),
        (PAIR, Case(256, 2)),
        (OPENSSL, Case(256, 2)),
    )


def test_nobody_is_beside_what_is_not_asked_for() -> None:
    assert not any(case.beside for _, case in every_pair([PAIR], [256], [1]))
    assert not any(case.beside for _, case in every_pair([PAIR], [16], [2]))


def test_in_short_only_what_the_ratios_need() -> None:
    needed = {whose for goal in GOALS for whose in (goal.over, goal.under)}
    assert set(goal_pairs(Contender)) == needed
    assert len(goal_pairs(Contender)) == len(needed)
    assert {who for who, _ in goal_pairs([PAIR])} == {PAIR}


def test_rounds_take_turns() -> None:
    log: list[str] = []
    runner, step = FakeRunner(log), Step("measuring")
    plan = Plan(every_pair([PAIR, OPENSSL], [256], [1]), 3, 0.3)
    samples, failures = measure(plan, runner, runner, step)
    assert log == log[:2] * 3
    assert "--path /dev/cryptodev0 --size 256" in log[0]
    assert "--via libcrypto --size 256" in log[1]
    found = [one.values[Quantity.OPERATIONS] for one in samples[PAIR, Case(256)]]
    assert found == [1.0, 3.0, 5.0]
    assert not failures
    assert (step.done, step.total) == (6, 6)


def test_each_runs_where_it_lives() -> None:
    inside: list[str] = []
    outside: list[str] = []
    plan = Plan(every_pair(Contender, [256], [1]), 1, 0.3)
    measure(plan, FakeRunner(inside), FakeRunner(outside), Step("measuring"))
    assert [words.split()[1] for words in inside] == ["cryptodev"] * 2 + ["afalg"] * 3
    assert [words.split()[1] for words in outside] == ["devcrypto", "libcrypto"]


def test_who_is_wrong_is_asked_once_and_the_others_are_measured() -> None:
    log: list[str] = []
    runner = FakeRunner(log, failing="aesni --size 256")
    plan = Plan(every_pair([PAIR, AES_NI], [256, 4096], [1]), 2, 0.3)
    samples, failures = measure(plan, runner, runner, Step("measuring"))
    assert failures == {(AES_NI, Case(256)): "wrong ciphertext"}
    assert {whose: len(found) for whose, found in samples.items()} == {
        (PAIR, Case(256)): 2,
        (PAIR, Case(4096)): 2,
        (AES_NI, Case(4096)): 2,
    }
    assert sum("aesni --size 256" in words for words in log) == 1


def test_who_fails_later_loses_what_was_measured_before() -> None:
    class Failing(FakeRunner):
        def __call__(self, options: Sequence[str], seconds: float) -> Sample:
            if len(self.log) == 2:
                raise ContenderError("measuring", "an operation: Input/output error")
            return super().__call__(options, seconds)

    plan = Plan(((PAIR, Case(256)),), 3, 0.3)
    runner = Failing([])
    samples, failures = measure(plan, runner, runner, Step("measuring"))
    assert not samples
    assert failures[PAIR, Case(256)] == "an operation: Input/output error"


class FakeBench:
    """A cryptobench in a guest; it hangs when its answer is None."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.lines: list[str] = []

    def ask(self, line: str, /, *, timeout: float) -> str:
        self.lines.append(line)
        assert timeout > 0.3
        if self.answer is None:
            raise WaitTimeoutError("waiting", "it did not come")
        return self.answer


REPORT = json.dumps(
    {
        **dict.fromkeys(("operations", "p50_ns", "p99_ns", "most_ns"), 100),
        **dict.fromkeys(("seconds", "user_seconds", "system_seconds", "busy_seconds"), 0.5),
        "beside_operations": 0,
    }
)


def test_a_guest_is_asked_in_one_line_while_qemus_clock_is_read() -> None:
    bench, times = FakeBench(REPORT), iter([10.0, 1_000_010.0])
    found = GuestRunner(lambda: bench, lambda: next(times))(("--via", "afalg"), 0.3)
    assert bench.lines == ["--via afalg"]
    # A million seconds in no time: the clocks were subtracted, and divided by the time between.
    assert found.values[Quantity.HOST_CPU] > 1_000_000


def test_a_run_that_never_ends_is_given_up_and_the_next_one_asks_another() -> None:
    stuck, good = FakeBench(None), FakeBench(REPORT)
    benches = iter([stuck, good])
    runner = GuestRunner(lambda: next(benches), lambda: 0.0)
    with pytest.raises(ContenderError, match="did not come to an end"):
        runner(("--via", "afalg"), 0.3)
    runner(("--via", "cryptodev"), 0.3)
    assert (stuck.lines, good.lines) == (["--via afalg"], ["--via cryptodev"])


def _script(folder: Path, text: str) -> Path:
    path = folder / "bench"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_hosts_program_gets_the_options(tmp_path: Path) -> None:
    program = _script(tmp_path, f"import sys\nassert sys.argv[1:] == ['--size', '16']\nprint('''{REPORT}''')")
    found = HostRunner(program)(("--size", "16"), 0.3)
    assert found.values[Quantity.OPERATIONS] == 200.0


def test_a_program_that_does_not_run_is_a_failure_of_its_contender(tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match="running none"):
        HostRunner(tmp_path / "none")((), 0.3)
    with pytest.raises(ContenderError, match="no such option"):
        HostRunner(_script(tmp_path, "import sys\nsys.exit('no such option')"))((), 0.3)


def test_the_processor_time_of_a_process() -> None:
    before = process_cpu_seconds(os.getpid())
    own = sum(os.times()[:2])
    # The kernel counts the one by ticks, and the other as it is.
    assert before == pytest.approx(own, abs=0.5)
    sum(range(100_000))
    assert process_cpu_seconds(os.getpid()) > before


def test_the_processor_time_of_nobody_is_an_error() -> None:
    with pytest.raises(ContenderError, match="processor time"):
        process_cpu_seconds(2**22 + 1)


def test_the_second_device_offers_only_the_reference_wire() -> None:
    pair, old, theirs = guest.devices({"calls", "queues", "path"})
    assert pair == "virtio-cryptodev-pci"
    assert old == "virtio-cryptodev-pci,calls=off,queues=1"
    assert theirs.startswith("virtio-crypto-pci,cryptodev=")
    assert guest.devices({"path"})[1] == pair


def test_only_modules_that_somebody_needs_are_loaded() -> None:
    assert guest.modules_of([PAIR, OPENSSL]) == []
    assert guest.modules_of([AES_NI, PAIR]) == ["cbc", "algif_skcipher", "aesni_intel"]
    assert sorted(guest.modules_of(Contender)) == ["aesni_intel", "algif_skcipher", "cbc", "virtio_crypto"]


def parsed(*words: str) -> argparse.Namespace:
    return _parser().parse_args(["bench", "crypto", *words])


def test_the_help_names_every_contender_and_what_is_measured_by_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        parsed("--help")
    assert end.value.code == 0
    # argparse breaks lines, also behind a hyphen.
    text = "".join(capsys.readouterr().out.split())
    assert ",".join(Contender) in text
    assert ",".join(map(str, SIZES)) in text
    assert f"(default{','.join(map(str, PROCESSES))})" in text
    assert f"(default{SECONDS:g})" in text
    assert f"(default{ROUNDS},with--quick{QUICK_ROUNDS})" in text


def test_without_options_everything_is_measured() -> None:
    plan = plan_of(parsed())
    assert plan == Plan(every_pair(Contender, SIZES, (1, 2, 4)), 5, 0.3)
    assert parsed().guest_cpus == 2


def test_one_contender_by_hand() -> None:
    asked = parsed("--only", "pair,openssl", "--sizes", "256,65536", "--processes", "1", "--rounds", "1")
    plan = plan_of(asked)
    assert plan.pairs == every_pair([PAIR, OPENSSL], [256, 65536], [1])
    assert plan.rounds == 1


def test_in_short_there_are_three_rounds_of_what_was_asked_for() -> None:
    plan = plan_of(parsed("--quick", "--sizes", "65536", "--seconds", "0.5"))
    assert {case.size for _, case in plan.pairs} == {65536}
    assert {case.processes for _, case in plan.pairs} == {1, 2}
    assert (plan.rounds, plan.seconds) == (3, 0.5)
    assert plan_of(parsed("--quick", "--rounds", "1")).rounds == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--only", "pair,gpu"), "'gpu'"),
        (("--sizes", "256,100"), "'100' is not a multiple of 16"),
        (("--sizes", "0"), "'0' is not"),
        (("--sizes", f"{(64 << 20) + 16}"), "is not a multiple of 16 of 16 to 67108864"),
        (("--sizes", ""), "'' is not"),
        (("--processes", "65"), "'65' is not a number of 1 to 64"),
        (("--processes", "-1"), "'-1' is not a number"),
        (("--seconds", "0"), "'0' is not a number of seconds"),
        (("--seconds", "nan"), "'nan' is not"),
        (("--seconds", "soon"), "'soon' is not"),
        (("--rounds", "0"), "--rounds"),
        (("--guest-cpus", "0"), "--guest-cpus"),
    ],
)
def test_wrong_options_are_refused(
    words: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(*words)
    assert end.value.code == 2
    assert reason in capsys.readouterr().err


def test_what_would_be_lost_is_refused(tmp_path: Path) -> None:
    plan = Plan(((PAIR, Case(256)),), 1, 0.3)
    Wishes(plan=plan, cpus=2, json_file=tmp_path / "crypto.json").check()
    assert not (tmp_path / "crypto.json").exists()
    with pytest.raises(SetupError, match="writing"):
        Wishes(plan=plan, cpus=2, json_file=tmp_path / "none" / "crypto.json").check()
    with pytest.raises(SetupError, match="nothing is left"):
        Wishes(plan=Plan((), 1, 0.3), cpus=2).check()
