# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness mutants``: so many mutants at a time, a line for each, and a table of all."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.mutants.outcome import Outcome, Report
from harness.mutants.trial import trial
from harness.pytests import InterruptedRunError
from harness.sut.mutants import Mutant, Part, known, option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from harness.artifacts import Progress
    from harness.artifacts.progress import Step
    from harness.mutants.scenarios import Runner


def selection(text: str) -> list[Mutant]:
    """Read what ``--only`` names: a mutant, or all of a part.

    Raises:
        argparse.ArgumentTypeError: there is neither.
    """
    if text in list(Part):
        return [mutant for mutant in known().values() if mutant.part == text and not mutant.benign]
    return [option(text)]


def add_to(parser: argparse.ArgumentParser, count_of: Callable[[str], int]) -> None:
    """Add the command's options; ``count_of`` reads a number of 1 or more."""
    parser.add_argument("-n", type=count_of, default=1, metavar="N", help="how many at once (default 1)")
    text = "this mutant, or those of this part (driver, device, devcrypto, chat); may be given several times"
    parser.add_argument("--only", type=selection, action="append", metavar="NAME", help=text)
    parser.add_argument("--list", action="store_true", help="name them, and try none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome to this file")


def chosen(only: Sequence[Sequence[Mutant]] | None) -> list[Mutant]:
    """Return what ``--only`` names, each once; all there are if it names none."""
    if only is None:
        return list(known().values())
    return list({mutant.name: mutant for mutants in only for mutant in mutants}.values())


def try_all(mutants: Sequence[Mutant], runner: Runner, progress: Progress, jobs: int = 1) -> Report:
    """Try mutants, so many at a time, until all are tried or Ctrl-C is pressed."""
    begun, interrupted = time.monotonic(), False
    with progress.step(f"trying {len(mutants)} mutants") as step, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(trial, mutant, runner) for mutant in mutants]
        told: set[Future[Outcome]] = set()
        # Ctrl-C comes at any moment, also while something is being told.
        while True:
            try:
                _tell(futures, told, step, progress)
                break
            except KeyboardInterrupt:
                interrupted = True
                runner.stop()
                pool.shutdown(wait=False, cancel_futures=True)
        ended = _results(future for future in futures if not future.cancelled())
    tried = {outcome.mutant.name: outcome for outcome in ended}
    in_order = [tried[mutant.name] for mutant in mutants if mutant.name in tried]
    return Report(in_order, jobs, time.monotonic() - begun, interrupted)


def _tell(
    futures: Sequence[Future[Outcome]], told: set[Future[Outcome]], step: Step, progress: Progress
) -> None:
    """Tell of each trial as it ends, once, until all have."""
    while waiting := {future for future in futures if not future.cancelled()} - told:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            told.add(future)
            for outcome in _results([future]):
                step.advance(len(told), len(futures))
                progress.note(f"{len(told)} of {len(futures)}: {outcome.line()}")


def _results(done: Iterable[Future[Outcome]]) -> Iterable[Outcome]:
    for future in done:
        try:
            yield future.result()
        except InterruptedRunError:
            continue


def table(report: Report) -> Table:
    """Return what rich prints: a row for each mutant, the bad ones last, where they are seen."""
    rows = Table(caption=report.summary(), caption_justify="left")
    for name in ("mutant", "part", "verdict", "caught by"):
        rows.add_column(name, overflow="fold")
    rows.add_column("after", justify="right", no_wrap=True)
    rows.add_column("message", overflow="fold")
    for outcome in sorted(report.outcomes, key=lambda outcome: not outcome.verdict.good):
        verdict = Text(outcome.verdict, style="green" if outcome.verdict.good else "bold red")
        words = [outcome.message, outcome.rule] if outcome.verdict.good else [outcome.message]
        message = "\n".join(filter(None, words)) or outcome.verdict.meaning
        by = outcome.caught_by if outcome.as_hinted or not outcome.caught_by else f"{outcome.caught_by} (!)"
        cells = (outcome.mutant.name, str(outcome.mutant.part))
        rows.add_row(*map(Text, cells), verdict, Text(by), f"{outcome.seconds:.1f} s", Text(message))
    return rows
