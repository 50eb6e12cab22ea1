# SPDX-License-Identifier: GPL-2.0-or-later
"""One mutant is built, and meets scenarios until one fails: first the one that is there for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import HarnessError
from harness.mutants.outcome import Outcome, Verdict
from harness.pytests import FOLDER, InterruptedRunError

if TYPE_CHECKING:
    from harness.mutants.scenarios import Failure, Runner
    from harness.sut.mutants import Mutant, Part


def scenarios_of(part: Part) -> list[str]:
    """Return the files of scenarios that can tell something of a part, the quickest first."""
    found = (path.name for pattern in part.scenarios for path in sorted((REPOSITORY / FOLDER).glob(pattern)))
    return list(dict.fromkeys(found))


def trial(mutant: Mutant, runner: Runner) -> Outcome:
    """Try one mutant.

    Raises:
        InterruptedRunError: the runner was stopped.
    """
    try:
        return _benign(mutant, runner) if mutant.benign else _faulty(mutant, runner)
    except InterruptedRunError:
        raise
    except HarnessError as error:
        return Outcome(mutant, Verdict.BROKEN, message=str(error).partition("\n")[0])


def _faulty(mutant: Mutant, runner: Runner) -> Outcome:
    building = runner.prepare([mutant.caught_by], mutant.name)
    run = runner.run([mutant.caught_by], mutant.name)
    seconds = run.seconds
    if run.failure is None:
        run = runner.run(scenarios_of(mutant.part), mutant.name)
        seconds += run.seconds
    elif not re.search(mutant.says, run.failure.text):
        return _failed(mutant, Verdict.MISREAD, run.failure, seconds, building)
    if run.failure is None:
        return Outcome(mutant, Verdict.SURVIVED, seconds=seconds, build_seconds=building)
    return _failed(mutant, Verdict.CAUGHT, run.failure, seconds, building)


def _benign(mutant: Mutant, runner: Runner) -> Outcome:
    scenarios = scenarios_of(mutant.part)
    building = runner.prepare(scenarios, mutant.name)
    run = runner.run(scenarios, mutant.name)
    if run.failure is None:
        return Outcome(mutant, Verdict.PASSED, seconds=run.seconds, build_seconds=building)
    return _failed(mutant, Verdict.REFUSED, run.failure, run.seconds, building)


def _failed(mutant: Mutant, verdict: Verdict, failure: Failure, seconds: float, building: float) -> Outcome:
    return Outcome(
        mutant, verdict, failure.scenario, seconds, building, message=failure.message, rule=failure.rule
    )
