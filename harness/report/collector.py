# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the pytest plugin that records a run: ``--report DIR``, and the longest waits of any run.

Each test's record is written as the test ends, by the process that ran it; workers of pytest-xdist write
beside each other, and the process that began the run puts the parts together.  A worker on another machine
sends its part home when it ends.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError
from harness.report.conclusion import HEADER, PART, Conclusion
from harness.report.parts import Folder
from harness.report.run import RUN, USAGE, VARIABLE, Run, of

if TYPE_CHECKING:
    from collections.abc import Generator

_CONCLUSION = "report: conclusion"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; its default is its environment variable."""
    text = f"write a report of this run into this folder: index.html, junit.xml, … ({VARIABLE})"
    parser.getgroup("harness").addoption("--report", type=_folder, default=None, metavar="DIR", help=text)


def _folder(text: str) -> Path:
    """Read the option's value: nothing is no folder, as a variable gives that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("it names no folder")
    return Path(text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin the report, before anything is built."""
    asked = config.getoption("--report") or os.environ.get(VARIABLE)
    # What a test starts is no part of this report.
    patch = pytest.MonkeyPatch()
    patch.delenv(VARIABLE, raising=False)
    config.add_cleanup(patch.undo)
    folder = None
    if asked and not hasattr(config, "workerinput"):
        try:
            folder = Folder(Path(asked).expanduser())
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
    config.stash[RUN] = run = Run(config, folder)
    if not hasattr(config, "workerinput"):
        conclusion = Conclusion(config, run.folder, run.rerun, lambda: run.header)
        config.pluginmanager.register(conclusion, _CONCLUSION)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Show what is waited for, now that pytest has taken hold of the terminal."""
    of(session.config).status.begin(session.config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the report of what has ended."""
    run = config.stash.get(RUN, None)
    conclusion: Conclusion | None = config.pluginmanager.unregister(name=_CONCLUSION)
    if run is not None:
        run.status.end()
    if conclusion is not None:
        conclusion.write()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the report is written."""
    node.workerinput[USAGE] = of(node.config).usage()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record a test from its beginning to its end."""
    run = of(item.config)
    run.begins(item)
    try:
        return (yield)
    finally:
        run.ends()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take in a phase of a test, as it is shown."""
    report = yield
    of(item.config).phase(call, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: send home what is not there yet."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        run = of(session.config)
        told[HEADER] = list(run.header)
        told[PART] = run.part.kept
