# SPDX-License-Identifier: GPL-2.0-or-later
"""How pytest is run, what is made of how it ends, and the exit status."""

from __future__ import annotations

import io
import json
import threading
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import cli
from harness.artifacts import REPOSITORY, Progress
from harness.errors import MachineError, SetupError
from harness.grade import command
from harness.grade.command import Grader, status_of
from harness.grade.report import Verdict
from harness.grade.requirements import Requirement
from harness.grade.results import LeftOut, Outcome, Result, Scenario, line_of
from harness.pytests import Ended, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.grade.report import Grade

    Event = Scenario | LeftOut | Result | str

GOOD = Scenario("scenarios/test_a.py::test_good", Requirement.CRYPT, "It is good.")
BAD = Scenario("scenarios/test_a.py::test_bad[x y]", Requirement.LEAKS, "It is bad.")
AWAY = LeftOut(Scenario("scenarios/test_a.py::test_away", Requirement.SPEED), "no hurry")
PASSES, FAILS = Result(GOOD, Outcome.PASSED), Result(BAD, Outcome.FAILED, "no", ("seen",))


@dataclass
class Says:
    """What a pytest writes, and how it ends."""

    results: Sequence[Result] = ()
    status: int = 0
    said: str = ""
    interrupted: bool = False


@dataclass
class FakeProgram:
    """Collects two scenarios and one that does not apply, then does what it was told, for each half too."""

    all: Says = field(default_factory=Says)
    driver: Says = field(default_factory=Says)
    device: Says = field(default_factory=Says)
    collected: Says = field(default_factory=Says)
    ran: list[list[str]] = field(default_factory=list)

    def run(self, words: Sequence[str], doing: str, heard: Callable[[str], None] | None = None) -> Ended:
        self.ran.append(list(words))
        collecting = "--collect-only" in words
        half = next((word.partition("=")[2] for word in words if word.startswith("--half=")), "all")
        says: Says = self.collected if collecting else getattr(self, half)
        verdicts = next(word.partition("=")[2] for word in words if word.startswith("--verdicts="))
        known: list[Event] = [] if collecting and says.status else [GOOD, BAD, AWAY, "open: T | F"]
        Path(verdicts).write_text("".join(f"{line_of(event)}\n" for event in (*known, *says.results)))
        for line in says.said.splitlines():
            if heard:
                heard(line)
        if says.interrupted:
            raise InterruptedRunError(doing, "interrupted")
        return Ended(says.status, says.said)

    def stop(self) -> None:
        raise AssertionError("nobody asked it to")


@dataclass(frozen=True)
class Manifest:
    name: str = "theirs"
    kind: str = "pair"

    @property
    def comes_apart(self) -> bool:
        return self.kind == "pair"


def _graded(program: FakeProgram, kind: str = "pair", jobs: int = 1) -> tuple[Grade, str]:
    told = io.StringIO()
    path = Path("/nowhere/sut.toml")
    grader = Grader(path, Manifest(kind=kind), ["--accel=tcg"], Progress(told), jobs, program)
    return grader.grade(), told.getvalue()


def _verdict(grade: Grade, requirement: Requirement) -> Verdict:
    return grade.rows[requirement.order].verdict


def test_all_that_applies_passes() -> None:
    program = FakeProgram(Says([PASSES, Result(BAD, Outcome.PASSED)]))
    grade, _ = _graded(program)
    assert (grade.good, status_of(grade), grade.failures) == (True, 0, [])
    assert _verdict(grade, Requirement.CRYPT) is Verdict.PASS
    assert grade.rows[Requirement.SPEED.order].reason == "no hurry"
    assert grade.wire == ["open: T | F"]
    collecting, running = program.ran
    for words in program.ran:
        assert words[0] == str(REPOSITORY / "scenarios")
        assert "--sut=/nowhere/sut.toml" in words
        assert words[words.index("-m") + 1] == "requirement"
        assert "--accel=tcg" in words
    assert "--collect-only" in collecting
    assert not {"-x", "-n"}.intersection(running)


def test_so_many_at_once() -> None:
    program = FakeProgram(Says([PASSES, FAILS], 1))
    _graded(program, jobs=3)
    assert "-n" not in program.ran[0]
    for words in program.ran[1:]:
        assert words[words.index("-n") + 1] == "3"


def test_what_fails_is_tried_with_each_half() -> None:
    program = FakeProgram(Says([PASSES, FAILS], 1), Says([FAILS], 1), Says([Result(BAD, Outcome.PASSED)]))
    grade, told = _graded(program)
    assert (grade.good, status_of(grade)) == (False, 1)
    (failure,) = grade.failures
    assert failure.result == FAILS
    assert failure.at_fault.endswith("the driver.")
    assert [words[0] for words in program.ran[2:]] == [str(REPOSITORY / BAD.name)] * 2
    assert ["--half=driver" in program.ran[2], "--half=device" in program.ran[3]] == [True, True]
    assert "2 of 2: test_a.py::test_bad[x y] failed: no" in told


@pytest.mark.parametrize("kind", ["driver", "device", "native", "chat", "bundled"])
def test_only_a_pair_has_halves(kind: str) -> None:
    program = FakeProgram(Says([PASSES, FAILS], 1))
    grade, _ = _graded(program, kind)
    assert len(program.ran) == 2
    assert not grade.failures[0].at_fault


def test_a_half_that_cannot_be_tried_is_told() -> None:
    program = FakeProgram(Says([PASSES, FAILS], 1), Says([], 3, "ERROR: no half"), Says([FAILS], 1))
    grade, told = _graded(program)
    assert "the driver alone could not be tried: no half" in told
    assert grade.failures[0].at_fault == "Their device fails with our driver too."


def test_what_nothing_applies_to_does_not_pass() -> None:
    program = FakeProgram(collected=Says(status=5))
    grade, _ = _graded(program)
    assert (len(program.ran), grade.ended, status_of(grade)) == (1, "no scenario applies", 1)


def test_what_is_told_meanwhile_drives_no_terminal() -> None:
    of_a_half = Says([], 3, "ERROR: no\x1b[1m half")
    program = FakeProgram(Says([PASSES, FAILS], 1, "harness: \x1b[2J\n"), of_a_half)
    _, told = _graded(program)
    assert "\x1b" not in told
    assert "no\\x1b[1m half" in told


@pytest.mark.parametrize(
    ("status", "why"), [(2, "pytest ended with status 2"), (3, "pytest ended with status 3")]
)
def test_a_run_that_ends_early_leaves_what_was_known(status: int, why: str) -> None:
    grade, _ = _graded(FakeProgram(Says([PASSES], status, "test_sut_chat.py F")))
    assert (grade.ended, grade.good, status_of(grade)) == (why, False, 1)
    assert _verdict(grade, Requirement.CRYPT) is Verdict.PASS
    assert _verdict(grade, Requirement.LEAKS) is Verdict.NOT_REACHED


def test_an_interrupted_run_tells_what_is_known() -> None:
    grade, _ = _graded(FakeProgram(Says([PASSES], interrupted=True)))
    assert (grade.interrupted, status_of(grade)) == (True, 130)
    assert _verdict(grade, Requirement.CRYPT) is Verdict.PASS
    assert grade.rows[Requirement.LEAKS.order].reason == "interrupted"


def test_an_interrupted_half_tells_what_is_known() -> None:
    program = FakeProgram(Says([PASSES, FAILS], 1), Says([FAILS], 1), Says(interrupted=True))
    grade, _ = _graded(program)
    assert status_of(grade) == 130
    assert grade.failures[0].at_fault == "Their driver fails with our device too."


def test_nothing_is_known_before_it_is_collected() -> None:
    with pytest.raises(KeyboardInterrupt):
        _graded(FakeProgram(collected=Says(interrupted=True)))
    usage = "usage: x\n__main__.py: error: argument --sut: no such file\n"
    with pytest.raises(SetupError, match=r"grading /nowhere/sut\.toml: argument --sut: no such file"):
        _graded(FakeProgram(collected=Says(status=4, said=usage)))
    with pytest.raises(MachineError, match="collecting the scenarios: a bug"):
        _graded(FakeProgram(collected=Says(status=3, said="E   a bug\n")))


def test_ctrl_c_ends_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    class Slow(FakeProgram):
        def run(self, words: Sequence[str], doing: str, heard: Callable[[str], None] | None = None) -> Ended:
            ended = super().run(words, doing, heard)
            if "--collect-only" not in words:
                assert stopped.wait(30)
                raise InterruptedRunError(doing, "interrupted")
            return ended

        def stop(self) -> None:
            stopped.set()

    program = Slow(Says([PASSES]))
    asked = iter([False, True])

    def wait(running: Sequence[futures.Future[Ended]], seconds: float) -> object:
        if len(program.ran) == 2 and next(asked, False):
            raise KeyboardInterrupt
        return futures.wait(running, seconds)

    monkeypatch.setattr(command, "wait", wait)
    monkeypatch.setattr(command, "LOOK_SECONDS", 0.01)
    grade, _ = _graded(program)
    assert (grade.interrupted, _verdict(grade, Requirement.CRYPT)) == (True, Verdict.PASS)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    """Stands in for pytest, also for the command line."""
    fake = FakeProgram(Says([PASSES, FAILS], 1))
    monkeypatch.setattr(command, "Pytest", lambda _: fake)
    monkeypatch.setattr(command, "load", lambda _: Manifest(kind="driver"))
    return fake


def test_the_command_writes_the_report(
    program: FakeProgram, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"--json={tmp_path}/a.json", f"--html={tmp_path}/a.html"]
    assert cli.main(["grade", "sut.toml", *files, "--accel=tcg", "--kernel=debug", "-n2"]) == 1
    assert {"--accel=tcg", "--kernel=debug"} <= set(program.ran[1])
    assert "theirs (driver)" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["counts"]["fail"] == 1
    assert "<h1>theirs</h1>" in (tmp_path / "a.html").read_text()
    program.all = Says([PASSES, Result(BAD, Outcome.PASSED)])
    assert cli.main(["grade", "sut.toml"]) == 0
    program.all = Says([PASSES], interrupted=True)
    assert cli.main(["grade", "sut.toml"]) == 130


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_file_that_cannot_be_written_is_told_at_once(
    program: FakeProgram, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert cli.main(["grade", "sut.toml", f"{option}={tmp_path}/none/a"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not program.ran


def test_no_manifest_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", f"{tmp_path}/none.toml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("harness: ")
    assert said.count("\n") == 1
