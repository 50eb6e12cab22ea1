# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check is to a person and to a program, and what the command makes of all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness import doctor
from harness.artifacts import Artifacts, Progress, Settings
from harness.cli import main
from harness.doctor.check import Check, Status, as_json, bad, doubtful, good, worst
from harness.errors import SetupError
from tests.doctor.staged import says, stage

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = [
    good("python", "3.11.2"),
    doubtful("tox", "there is none", "get it"),
    bad("cache", "full", "free some"),
]


def test_a_check_is_one_line() -> None:
    assert CHECKS[0].line() == "ok      python: 3.11.2"
    assert CHECKS[1].line() == "warn    tox: there is none  -> get it"
    assert CHECKS[2].line() == "FAIL    cache: full  -> free some"


def test_the_worst_decides() -> None:
    assert worst(CHECKS) is Status.FAIL
    assert worst(CHECKS[:2]) is Status.WARN
    assert worst(CHECKS[:1]) is worst([]) is Status.OK


def test_json_has_all_of_it() -> None:
    told = json.loads(as_json(CHECKS))
    assert told["status"] == "fail"
    assert told["checks"][1] == {"name": "tox", "status": "warn", "seen": "there is none", "cure": "get it"}


def artifacts(cache: Path) -> Artifacts:
    return Artifacts(Settings(cache, None, 2), Progress())


def test_an_empty_machine_that_is_well_is_told_line_by_line(tmp_path: Path) -> None:
    here = stage(
        tmp_path / "root",
        {"dev/shm/.keep": "", "proc/cpuinfo": "flags\t\t: fpu vmx\n"},
        run=says({"tox": (0, "4.23.0 from x"), "dumpfullversion": (0, "12.2.0\n"), "apt-helper": (0, "")}),
    )
    checks = doctor.examine(artifacts(tmp_path / "cache"), "auto", here=here)
    bad_ones = [check.line() for check in checks if check.status is not Status.OK]
    # The staged machine has no sources.
    assert [line.partition(":")[0] for line in bad_ones] == ["FAIL    package mirror"]
    names = [check.name for check in checks]
    assert len(set(names)) == len(names) == 22
    assert not (tmp_path / "cache").exists()
    assert all("\n" not in check.line() for check in checks)


def test_one_look_that_stumbles_does_not_stop_the_others(tmp_path: Path) -> None:
    def stumble() -> str:
        raise PermissionError(13, "Permission denied", "/proc/x")

    def complain(_: int) -> tuple[int, int]:
        raise SetupError("asking for limits", "no word", "ask again")

    here = stage(tmp_path / "root", memfd=stumble, limit=complain)
    checks = {check.name: check for check in doctor.examine(artifacts(tmp_path / "cache"), "auto", here=here)}
    assert checks["host kernel"].status is Status.FAIL
    assert checks["open files"] == bad("open files", "asking for limits: no word", "ask again")
    assert checks["python"].status is Status.OK


@pytest.mark.parametrize(("status", "code"), [(Status.OK, 0), (Status.WARN, 0), (Status.FAIL, 1)])
def test_only_a_failure_is_status_1(
    status: Status,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *_, **__: [Check("x", status, "seen", "do it")])
    assert main(["doctor", f"--cache-dir={tmp_path}"]) == code
    assert capsys.readouterr().out.endswith("x: seen  -> do it\n")
    assert main(["doctor", "--json", f"--cache-dir={tmp_path}"]) == code
    assert json.loads(capsys.readouterr().out)["status"] == status


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    out = capsys.readouterr().out
    for option in ("--install", "--clean-up", "--network", "--deep", "--json", "--accel", "--cache-dir"):
        assert option in out
