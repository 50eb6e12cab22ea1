# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers on other machines: pytest-xdist's ssh gateways, each in a clone of the repository that is there.

xdist would copy pytest into the folder that a gateway works in, and take only arguments that it has copied as
well (it will give up both in its next major version).  Here nothing is copied: arguments reach the workers
as they were typed, and each far worker builds and proves on its own machine before it takes a test.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import execnet
import pytest
from xdist import workermanage

from harness import plugin
from harness.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

PREPARES = "harness-prepares"
STANDS_ON = "harness-stands-on"
FAILED = "harness-failed"

GATEWAYS = pytest.StashKey[dict[str, list[str]]]()
"""What each far worker that ended said that it stood on."""


def _far(config: pytest.Config) -> list[execnet.XSpec]:
    """Return the gateways of the command line that work in another place than this process."""
    # "3*popen" is three of them.
    texts = (re.sub(r"^\d+\*", "", text) for text in config.getoption("tx", default=None) or ())
    return [spec for spec in map(execnet.XSpec, texts) if not spec.popen or spec.chdir]


def pytest_configure(config: pytest.Config) -> None:
    """A connection that was lost stays lost: no test is tried a second time over a new one."""
    config.stash[GATEWAYS] = {}
    if _far(config) and config.getoption("maxworkerrestart", default=None) is None:
        config.option.maxworkerrestart = "0"


def _as_typed(roots: Sequence[Path], args: list[str]) -> list[str]:  # noqa: ARG001 - xdist's signature
    return args


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Keep xdist from copying, unless it was told what to copy."""
    if config.getoption("rsyncdir") or config.getini("rsyncdirs"):
        return
    config.pluginmanager.getplugin("dsession").nodemanager.roots = []
    patch = pytest.MonkeyPatch()
    patch.setattr(workermanage, "make_reltoroot", _as_typed)
    config.add_cleanup(patch.undo)


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None, None, None]:
    """Say in one line that a far machine cannot be reached, or has no Python where it was said to be."""
    try:
        yield
    except (execnet.HostNotFound, execnet.RemoteError, EOFError, OSError) as error:
        far = _far(session.config)
        if not far:
            raise
        names = ", ".join(f"{spec.ssh or spec}" for spec in far)
        cure = "see what `ssh MACHINE PYTHON --version` says"
        failure = HarnessError(f"starting workers on {names}", _last_line(error), cure)
        pytest.exit(str(failure), returncode=plugin.SETUP_FAILED)


def _last_line(error: object) -> str:
    if isinstance(error, execnet.HostNotFound):
        return f"no connection to {error}"
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: workermanage.WorkerController) -> None:
    """Have a worker prepare for itself unless this process did it for all of them (``-n``)."""
    node.workerinput[PREPARES] = not node.config.getoption("numprocesses")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """In such a worker: build what the tests need before xdist hands them out and their clocks run."""
    given: dict[str, Any] = getattr(session.config, "workerinput", {})
    if not given.get(PREPARES):
        return
    told: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined] # xdist puts it there
    try:
        told[STANDS_ON] = plugin.prepared(session.config, plugin.wanted_by(session.items))
    except HarnessError as error:
        told[FAILED] = str(error)
        pytest.exit(str(error), returncode=plugin.SETUP_FAILED)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_testnodedown(node: workermanage.WorkerController, error: object | None) -> None:
    """Note what a worker stood on; one that could not start or prepare ends the run with its line."""
    told: dict[str, Any] = getattr(node, "workeroutput", {})
    failure = told.get(FAILED) or _misfit(node, error, told)
    if failure:
        pytest.exit(f"{node.gateway.id}: {failure}", returncode=plugin.SETUP_FAILED)
    if lines := told.get(STANDS_ON):
        node.config.stash[GATEWAYS][node.gateway.id] = lines


def _misfit(
    node: workermanage.WorkerController, error: object | None, told: dict[str, Any]
) -> HarnessError | None:
    """Return what is wrong when a worker's machine is not as the run needs it."""
    if not node.workerinput[PREPARES]:
        return None
    if error is not None and not hasattr(node, "workerinfo"):
        cure = "is the harness installed there, in the environment that python= names?"
        return HarnessError("starting pytest", _last_line(error), cure)
    if told.get("exitstatus") == pytest.ExitCode.USAGE_ERROR:
        cure = "is a clone of the repository there, at the same commit as here?"
        place = node.workerinfo["cwd"]
        return HarnessError("looking for the tests", f"{place} has not all that was asked for", cure)
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what each far worker stood on: the run's header was printed before they knew."""
    for name, lines in sorted(config.stash[GATEWAYS].items()):
        terminalreporter.write_sep("-", name)
        for line in lines:
            terminalreporter.write_line(line)
