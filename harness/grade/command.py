# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness grade``: all scenarios that apply to a system under test, then what can be said of it.

First pytest only collects: what applies is known before anything is built, and a wrong manifest is told at
once.  Then it runs; what it writes of each scenario as that ends is read meanwhile, so that nothing is lost
however it ends.  What fails with a pair is run again with one half of it and one of ours.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from harness.artifacts import REPOSITORY
from harness.errors import MachineError, SetupError
from harness.grade.report import Grade, Halves, failures_of, rows_of
from harness.grade.requirements import MARKER
from harness.grade.results import Known, Tail, clean
from harness.pytests import FOLDER, InterruptedRunError, Pytest, reason_of
from harness.sut.manifest import load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from harness.artifacts import Progress
    from harness.artifacts.progress import Step
    from harness.grade.results import Result
    from harness.pytests import Ended

MOST_SECONDS = 6 * 3600.0
# How often what was written meanwhile is looked at.
LOOK_SECONDS = 0.5
PASSED, FAILED, USAGE, NOTHING = 0, 1, 4, 5
_OF_THE_HARNESS = re.compile(r"harness(?: on \w+)?: (.*)")


class Manifest(Protocol):
    """The part of a manifest that the report needs."""

    @property
    def name(self) -> str:
        """What the system is called."""

    @property
    def kind(self) -> str:
        """What it is: ``pair``, ``driver``, ``device``, ``native``, ``chat`` or ``bundled``."""

    @property
    def comes_apart(self) -> bool:
        """Whether either half of it can be tried with one of ours."""


class Program(Protocol):
    """What runs pytest."""

    def run(self, words: Sequence[str], doing: str, heard: Callable[[str], None] | None = None) -> Ended:
        """Run it to its end."""

    def stop(self) -> None:
        """End it soon."""


def add_to(parser: argparse.ArgumentParser, count_of: Callable[[str], int]) -> None:
    """Add the command's options; ``count_of`` reads a number of 1 or more."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the manifest of the system under test")
    parser.add_argument("-n", type=count_of, default=1, metavar="N", help="how many at once (default 1)")
    text = "only this requirement, by the name of its row; may be given several times"
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file, as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report to this file, as a page")


def status_of(grade: Grade) -> int:
    """Return the exit status: 0 if all that applies passes, 1 if not, 130 if it was interrupted."""
    if grade.interrupted:
        return 130
    return PASSED if grade.good else FAILED


@dataclass
class Grader:
    """Grades one system.

    Attributes:
        path: its manifest.
        manifest: what that says.
        options: words for pytest about builds and guests.
        progress: who is told what goes on.
        jobs: how many scenarios at once.
        program: what runs pytest.
    """

    path: Path
    manifest: Manifest
    options: Sequence[str]
    progress: Progress
    jobs: int = 1
    program: Program = field(default_factory=lambda: Pytest(MOST_SECONDS))

    @classmethod
    def of(cls, path: Path, options: Sequence[str], progress: Progress, jobs: int = 1) -> Grader:
        """Make the grader of a manifest.

        Raises:
            SetupError: it cannot be read.
        """
        return cls(path, load(path), options, progress, jobs)

    def grade(self) -> Grade:
        """Run what applies; return what is known, also if it was interrupted.

        Raises:
            SetupError: pytest refuses the manifest or an option.
            MachineError: the scenarios cannot even be collected.
            KeyboardInterrupt: it was interrupted before anything was known.
        """
        begun = time.monotonic()
        with TemporaryDirectory(prefix="grade-") as name:
            folder = Path(name)
            known = self._collected(folder / "collected")
            driver, device = Known(), Known()
            interrupted, ended = False, ""
            try:
                ended = self._all(folder / "all", known)
                if self.manifest.comes_apart and known.failures:
                    self._half("driver", folder / "driver", known.failures, driver)
                    self._half("device", folder / "device", known.failures, device)
            except InterruptedRunError:
                interrupted = True
            except MachineError as error:
                ended = str(error).partition("\n")[0]
        results, why = list(known.results.values()), "the run ended before"
        return Grade(
            clean(self.manifest.name),
            str(self.manifest.kind),
            rows_of(known, results, why_not_reached="interrupted" if interrupted else why),
            failures_of(results, Halves(driver.results, device.results)),
            known.wire,
            time.monotonic() - begun,
            interrupted,
            clean(ended),
        )

    def _words(self, verdicts: Path) -> list[str]:
        return [f"--sut={self.path.absolute()}", f"--verdicts={verdicts}", "-m", MARKER, *self.options]

    def _collected(self, verdicts: Path) -> Known:
        doing = "collecting the scenarios"
        words = [str(REPOSITORY / FOLDER), "--collect-only", "-q", *self._words(verdicts)]
        known = Known()
        try:
            with self.progress.step(doing) as step:
                ended = self._followed(words, doing, known, Tail(verdicts), step)
        except InterruptedRunError:
            raise KeyboardInterrupt from None
        if ended.status == USAGE:
            raise SetupError(f"grading {self.path}", reason_of(ended.said), "mend the manifest or the option")
        if ended.status not in (PASSED, NOTHING):
            raise MachineError(doing, reason_of(ended.said) or f"pytest ended with {ended.status}")
        return known

    def _all(self, verdicts: Path, known: Known) -> str:
        """Run all that was collected; return why that ended early, if it did."""
        if not known.scenarios:
            return "no scenario applies"
        doing = f"grading {self.manifest.name}"
        with self.progress.step(doing, at_once=True) as step:
            words = [str(REPOSITORY / FOLDER), *self._words(verdicts), *self._at_once()]
            ended = self._followed(words, doing, known, Tail(verdicts), step)
        return _why_early(ended)

    def _half(self, half: str, verdicts: Path, failures: Sequence[Result], known: Known) -> None:
        """Run what failed with one half of the pair."""
        doing = f"trying the {half} alone"
        known.scenarios |= {result.scenario.name: result.scenario for result in failures}
        names = [str(REPOSITORY / name) for name in known.scenarios]
        with self.progress.step(doing, at_once=True) as step:
            words = [*names, f"--half={half}", *self._words(verdicts), *self._at_once()]
            ended = self._followed(words, doing, known, Tail(verdicts), step)
        if early := _why_early(ended):
            self.progress.note(f"the {half} alone could not be tried: {clean(early)}")

    def _at_once(self) -> list[str]:
        return ["-n", str(self.jobs)] if self.jobs > 1 else []

    def _followed(self, words: Sequence[str], doing: str, known: Known, tail: Tail, step: Step) -> Ended:
        """Run pytest, take in what it writes, and tell of it; Ctrl-C ends it, and then it is over."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.program.run, words, doing, self._heard)
            done = False
            while not done:
                try:
                    done = bool(wait([running], LOOK_SECONDS).done)
                except KeyboardInterrupt:
                    self.program.stop()
                for line in tail.lines():
                    self._take_in(line, known, step)
            return running.result()

    def _take_in(self, line: str, known: Known, step: Step) -> None:
        result = known.line(line)
        if result is None:
            return
        done, total = len(known.results), len(known.scenarios)
        step.advance(done, total)
        if result.outcome.bad:
            name = result.scenario.name.rpartition("/")[2]
            self.progress.note(f"{done} of {total}: {name} {result.outcome}: {result.message}")

    def _heard(self, line: str) -> None:
        """Pass on what the harness in that pytest says of its builds."""
        if found := _OF_THE_HARNESS.match(line):
            # It may be a line of what a system under test has said.
            self.progress.note(clean(found[1]))


def _why_early(ended: Ended) -> str:
    if ended.status in (PASSED, FAILED, NOTHING):
        return ""
    return reason_of(ended.said) or f"pytest ended with status {ended.status}"
