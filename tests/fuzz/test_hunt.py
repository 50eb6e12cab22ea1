# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers, without a QEMU: what they count, when they end, and what they leave behind."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from rich.console import Console

from harness.artifacts import Progress, QemuBuild
from harness.cli import main
from harness.errors import SetupError
from harness.fuzz import cases, hunt
from harness.fuzz.command import Teller, traces_of
from harness.fuzz.discovery import Discovery, Played, candidates
from harness.fuzz.figures import Found, FuzzFigures, Tally
from harness.fuzz.hunt import Hunt, Plan, save
from harness.fuzz.runner import Counts
from harness.fuzz.workers import parts
from harness.qtest.finding import Finding
from harness.qtest.trace import Setup, Trace

if TYPE_CHECKING:
    from harness.fuzz.cases import Case

QEMU = QemuBuild(Path("qemu"), Path("firmware"), "10.0", "none")
HEADER = "virtio-cryptodev-trace 1\n"


class FakeMachine:
    def kill(self) -> None:
        pass


class FakeRunner:
    """Plays nothing, and finds what it is told to find."""

    finds: ClassVar[dict[int, str]] = {}
    grown: ClassVar[int] = 0

    def __init__(self, qemu: QemuBuild, setup: Setup, model: Any, *, timeout_scale: float) -> None:
        self.setup, self.counts, self.machine = setup, Counts(), FakeMachine()

    @property
    def resident_kib(self) -> int:
        return 1000 + (self.grown if self.counts.cases > hunt.WARM_CASES + 1 else 0)

    def play(self, case: Case | None) -> None:
        if case is None:
            return
        if case.number in self.finds:
            raise Discovery(self.finds[case.number] + "\n    | evidence", [case.trace])
        self.counts.add(Counts(requests=case.requests, cases=1))

    def end(self) -> None:
        pass


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> type[FakeRunner]:
    monkeypatch.setattr(hunt, "Runner", FakeRunner)
    monkeypatch.setattr(FakeRunner, "finds", {})
    monkeypatch.setattr(FakeRunner, "grown", 0)
    monkeypatch.setattr(hunt, "replay", lambda *_, **__: None)
    return FakeRunner


def test_it_ends_when_so_many_requests_were_played(runner: type[FakeRunner]) -> None:
    tally = Hunt(Plan(seed=1, requests=100), QEMU).run()
    assert 100 <= tally.counts.requests < 100 + 40
    assert tally.found == []
    assert tally.qemus == 1


def test_it_ends_when_it_is_told_to(runner: type[FakeRunner]) -> None:
    looks = iter([False] * 7 + [True] * 9)
    tally = Hunt(Plan(seed=1), QEMU, stop=lambda: next(looks)).run()
    assert tally.counts.cases == 7


def test_another_setup_is_another_qemu(runner: type[FakeRunner], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "SETUP_CASES", 3)
    looks = iter([False] * 30 + [True] * 9)
    tally = Hunt(Plan(seed=1), QEMU, stop=lambda: next(looks)).run()
    setups = [cases.setup_of(1, 0, number) for number in range(30)]
    assert tally.qemus == 1 + sum(one != other for one, other in itertools.pairwise(setups))
    assert tally.counts.cases == 30


def test_a_finding_is_a_trace_in_a_file_of_its_own_and_the_run_goes_on(
    runner: type[FakeRunner], tmp_path: Path
) -> None:
    runner.finds = {2: "the used ring: wrong", 5: "QEMU was killed"}
    told: list[int] = []
    plan = Plan(seed=9, worker=1, workers=3, requests=300, folder=tmp_path)
    tally = Hunt(plan, QEMU, tell=lambda tally: told.append(len(tally.found))).run()
    names = [f"finding-9-{number * 3 + 1}.trace" for number in (2, 5)]
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert [found.line for found in tally.found] == ["the used ring: wrong", "QEMU was killed"]
    assert not tally.found[0].replays
    text = (tmp_path / names[0]).read_text()
    assert text.startswith(f"{HEADER}# the used ring: wrong\n# a replay alone does not show it\n#     | evid")
    assert Trace.parse(text) == cases.make(9, 1, 2).trace
    assert told[:2] == [1, 2]
    assert tally.qemus == 3


def test_it_ends_after_the_most_findings(runner: type[FakeRunner], tmp_path: Path) -> None:
    runner.finds = dict.fromkeys(range(50), "wrong")
    tally = Hunt(Plan(seed=1, most_findings=4, folder=tmp_path), QEMU).run()
    assert len(tally.found) == 4


def test_a_finding_that_replays_is_made_shorter(
    runner: type[FakeRunner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replays(trace: Trace, qemu: QemuBuild, *, timeout_scale: float) -> None:
        if trace.steps:
            raise Finding("wrong", Trace(trace.setup, trace.steps[:1]))

    monkeypatch.setattr(hunt, "replay", replays)
    runner.finds = {0: "wrong"}
    tally = Hunt(Plan(seed=1, most_findings=1, folder=tmp_path), QEMU).run()
    assert tally.found[0].replays
    assert len(Trace.parse(Path(tally.found[0].file).read_text()).steps) == 1


@pytest.mark.parametrize(("grown", "findings"), [(hunt.MOST_GROWTH_KIB, 0), (hunt.MOST_GROWTH_KIB + 1, 1)])
def test_a_qemu_that_grows_is_a_finding(runner: type[FakeRunner], grown: int, findings: int) -> None:
    runner.grown = grown
    looks = iter([False] * (hunt.WARM_CASES + 10) + [True] * 9)
    tally = Hunt(Plan(seed=1), QEMU, stop=lambda: next(looks)).run()
    assert len(tally.found) == findings
    assert tally.growth_kib == grown


def test_the_requests_are_shared_out() -> None:
    shares = parts(Plan(seed=1, workers=3, requests=100))
    assert [(part.worker, part.requests) for part in shares] == [(0, 34), (1, 33), (2, 33)]
    assert {part.requests for part in parts(Plan(seed=1, workers=2, seconds=3))} == {None}


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    save(tmp_path / "a.trace", Trace(), ["why"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.trace"]
    assert (tmp_path / "a.trace").read_text() == f"{HEADER}# why\n"


# Traces ----------------------------------------------------------------------------------------------------


def test_the_cases_before_are_thought_of_too() -> None:
    first, second, third = (cases.make(3, 0, number) for number in (4, 5, 6))
    traces = candidates(first.setup, Played(first, 7), second, third)
    assert traces[0].steps == (*second.prelude, *second.steps)
    assert traces[1].steps[len(traces[0].steps) + 1 :] == third.prelude
    assert traces[2].steps[: len(first.prelude)] == first.prelude
    names = {f"{{s{number}}}" for number in range(7)}
    later = str(Trace(steps=traces[2].steps[len(first.prelude) + len(first.steps) + 1 :]))
    assert not any(name in later for name in names), (
        "the numbers of its sessions are those of the case before"
    )
    for trace in traces:
        assert Trace.parse(str(trace)) == trace


def test_a_folder_of_traces_is_read_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.trace").write_text(f"{HEADER}kick\n")
    assert [path.name for path, _ in traces_of(tmp_path)] == ["a.trace", "b.trace"]


@pytest.mark.parametrize("text", [None, "nonsense\n"])
def test_a_corpus_that_is_none_is_wrong_usage(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "a.trace").write_text(text)
    with pytest.raises(SetupError):
        traces_of(tmp_path)
    assert main(["fuzz", f"--corpus={tmp_path}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("option", ["--findings", "--json"])
def test_a_place_that_cannot_be_written_is_wrong_usage(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["fuzz", option, str(tmp_path / "file" / "below")]) == 2
    assert "cannot" not in capsys.readouterr().out


# What a person sees ----------------------------------------------------------------------------------------


def test_a_line_every_few_seconds_and_one_for_each_finding(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 1.0, 6.0, 6.0, 6.0, 7.0])
    teller = Teller(Progress(), lambda: next(now))
    one = Tally(counts=Counts(requests=1000))
    teller.hear(0, one)
    teller.hear(1, replace(one, found=[Found("wrong", "f.trace", replays=True)]))
    teller.hear(0, one)
    assert capsys.readouterr().err.splitlines() == [
        "harness: found: wrong -- f.trace",
        "harness: 2,000 requests, 333 a second, findings: 1",
    ]
    assert teller.total().counts.requests == 2000


def test_the_file_has_units_in_its_keys_and_the_table_the_same_numbers() -> None:
    tally = Tally(
        Counts(requests=3000, cases=400, answered=2900, broken=50, by_borders=7, unknown=3),
        [Found("wrong", "f.trace", replays=True)],
        harness_cpu_seconds=2.0,
        qemu_cpu_seconds=0.5,
        resident_kib=20480,
        growth_kib=512,
        qemus=2,
    )
    figures = FuzzFigures(5, 2, "asan", "10.0.13", 2, 0.5, 4.0, interrupted=False, tally=tally)
    read = json.loads(figures.text())
    assert read["requests_per_second"] == 750
    assert read["requests_per_cpu_second"] == 1200
    assert read["qemu_growth_kib"] == 512
    assert read["conditions"]["seed"] == 5
    assert read["findings"] == [{"line": "wrong", "file": "f.trace", "replays": True}]
    console = Console(width=120, record=True, force_terminal=False)
    console.print(figures.table())
    text = console.export_text()
    for expected in ("seed 5", "jobs: 2", "asan", "3,000", "1,200", "20.0 MiB, 0.5 MiB"):
        assert expected in text
