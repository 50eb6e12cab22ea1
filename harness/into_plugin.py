# SPDX-License-Identifier: GPL-2.0-or-later
"""Into the machine, from a pytest run: a shell in the guest of a failed test, gdb, guests that are kept.

A test that is gone through by hand (``python -m harness replay``) is a run of it, too: its fixtures are set
up as ever, and in the place of its body there is a person.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shutil
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from harness import plugin
from harness.errors import HarnessError
from harness.into import gdb, kept, visit
from harness.machine.entrances import Entrances
from harness.room import Care

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from harness.machine import VirtualMachine
    from harness.room import Room
    from harness.sut.bundled import SystemUnderTest

BY_HAND = "--by-hand"
KEPT_SECTION = "kept guest"
WAIT = "wait"
_INTO = pytest.StashKey["Into"]()
# The fixtures of a test may have a chat at the usual one already.
_FREE_PORT = 35100
# How a test asks for guests in its body.
_SOME_GUESTS = re.compile(r"\bvms\((\d+)\)")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("harness")
    group.addoption(
        "--shell-on-failure", action="store_true", help="enter the guest of a test that fails, before it ends"
    )
    group.addoption(
        "--gdb",
        nargs="?",
        const="go",
        choices=("go", WAIT),
        help="say how gdb is connected to each guest; wait: a guest stands still at its test's start",
    )
    group.addoption(
        "--keep", action="store_true", help="leave the guest of a test that fails up after the run"
    )
    group.addoption(BY_HAND, action="store_true", help=argparse.SUPPRESS)


class Into:
    """What the options want, and the guests of the test under way."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the options of a run.

        Raises:
            pytest.UsageError: there is no terminal, or other processes run the tests.
        """
        self._config = config
        self.shell: bool = config.getoption("--shell-on-failure")
        self.by_hand: bool = config.getoption(BY_HAND)
        self.keep: bool = config.getoption("--keep")
        self.gdb: str | None = config.getoption("--gdb")
        self.calling = False
        self._lingering: list[tuple[VirtualMachine, Callable[[], None]]] = []
        self._visited: set[int] = set()
        self._waited: set[int] = set()
        for name, wanted in (("--shell-on-failure", self.shell), ("--gdb", bool(self.gdb))):
            if wanted and config.getoption("numprocesses", default=None):
                raise pytest.UsageError(f"{name} and -n do not go together: leave -n out, or say -n0")
        for name, wanted in (("--shell-on-failure", self.shell), ("replay of a test", self.by_hand)):
            if wanted and not self._is_terminal():
                raise pytest.UsageError(f"{name} needs a terminal: standard input and output are none")

    @property
    def care(self) -> Care:
        """What guests are to be like for it."""
        looked_at = self.shell or self.by_hand or self.keep
        entrances = Entrances(monitor=looked_at, gdb=bool(self.gdb), keeper=self.keep)
        args = gdb.KERNEL_ARGS if self.gdb else ()
        return Care(entrances, args, greet=self._greet, lingers=self._linger)

    @property
    def machines(self) -> tuple[VirtualMachine, ...]:
        """The guests that can be looked at: what they left is there."""
        room = self._config.stash.get(plugin.ROOM, None)
        return tuple(machine for machine in room.machines if _is_there(machine)) if room else ()

    def begin(self) -> None:
        """Forget the last test."""
        self._visited.clear()
        self._waited.clear()

    def end_lingering(self) -> None:
        """End the guests that were only left for somebody to look at."""
        with ExitStack() as stack:
            while self._lingering:
                stack.callback(self._lingering.pop()[1])

    def stop_all(self) -> None:
        """With ``--gdb=wait``: have each guest stand still until gdb lets it go on."""
        if self.gdb == WAIT:
            for machine in self.machines:
                self._stop(machine)

    def kept(self, test: str) -> list[str]:
        """Keep the guests of a test that has failed; return what to say of each."""
        said = []
        for machine in self.machines if self.keep else ():
            try:
                said.append(kept.keep(machine, test).text())
            except HarnessError as error:
                said.append(f"guest {machine.identity.hostname} is not kept: {error.seen}")
        return said

    def visit(self, title: str) -> None:
        """Put the person into the guests of the test that has just failed."""
        machines = [machine for machine in self.machines if id(machine) not in self._visited]
        self._visited.update(id(machine) for machine in machines)
        if machines:
            with self._terminal_between():
                _say(f"\n{title}")
                visit.visit(machines, _say, _ask)
                _say("the run goes on")

    @contextmanager
    def terminal(self) -> Iterator[None]:
        """Have the terminal for oneself while a test runs, from which pytest keeps it."""
        capture: Any = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            yield
            return
        capture.suspend_fixture()
        capture.suspend_global_capture(in_=True)
        try:
            yield
        finally:
            sys.stdout.flush()
            capture.resume_global_capture()
            capture.resume_fixture()

    @contextmanager
    def _terminal_between(self) -> Iterator[None]:
        """Have it while no test runs: only the keyboard is kept from whoever wants it then."""
        capture: Any = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            yield
            return
        capture.suspend_global_capture(in_=True)
        try:
            yield
        finally:
            sys.stdout.flush()
            capture.resume_global_capture()
            capture.suspend_global_capture()

    def _is_terminal(self) -> bool:
        with self._terminal_between():
            return os.isatty(0) and os.isatty(1)

    def _greet(self, machine: VirtualMachine) -> None:
        if not self.gdb:
            return
        text = gdb.line_for(machine, self._sources())
        with self.terminal():
            _say(f"\ngdb on guest {machine.identity.hostname}:\n{text}")
        if self.gdb == WAIT and self.calling:
            self._stop(machine)

    def _stop(self, machine: VirtualMachine) -> None:
        if id(machine) not in self._waited:
            self._waited.add(id(machine))
            with self.terminal():
                gdb.wait_continued(machine, _say)

    def _linger(self, machine: VirtualMachine, end: Callable[[], None]) -> bool:
        if not (self.shell or self.keep) or not _is_there(machine):
            return False
        self._lingering.append((machine, end))
        return True

    def _sources(self) -> gdb.Sources:
        config = self._config
        return gdb.sources_of(config.stash[plugin.ARTIFACTS], config.stash[plugin.SUT])


class _KeptGuests:
    """Says at the end how the guests that were kept are reached, those of other processes too."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember them."""
        self._said.extend(text for title, text in report.sections if title == KEPT_SECTION)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say them."""
        if self._said:
            terminalreporter.section("kept guests")
            for text in self._said:
                terminalreporter.write_line(text)


def pytest_configure(config: pytest.Config) -> None:
    """Look at the options before anything is built."""
    if config.getoption("help", default=False):
        return
    into = config.stash[_INTO] = Into(config)
    config.stash[plugin.CARE] = into.care
    config.pluginmanager.register(_KeptGuests(), "harness-kept-guests")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no guest behind that nobody asked for."""
    if into := config.stash.get(_INTO, None):
        into.end_lingering()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Begin and end with no guest that is only looked at."""
    into = item.config.stash[_INTO]
    into.begin()
    try:
        return (yield)
    finally:
        into.end_lingering()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Have the guests wait for a debugger, where that was asked for."""
    into = item.config.stash[_INTO]
    into.calling = True
    try:
        into.stop_all()
        yield
    finally:
        into.calling = False


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item) -> bool | None:
    """Let a test take as long as the person at the debugger does."""
    into = item.config.stash[_INTO]
    return True if into.gdb or into.by_hand else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the guests of a test that fails, and let those go that were only left in case it does."""
    report = yield
    into = item.config.stash[_INTO]
    if report.failed and call.excinfo is not None:
        for said in into.kept(f"{item.nodeid} ({report.when})"):
            report.sections.append((KEPT_SECTION, said))
    if not report.failed or not into.shell:
        into.end_lingering()
    return report


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector, report: pytest.CollectReport) -> None:
    """Put the person into the guests of a test that has failed."""
    into = node.config.stash[_INTO]
    if into.shell and isinstance(node, pytest.Item):
        told = (report.longreprtext or "it failed").strip().splitlines()
        last = next((text for text in told if text.startswith("E ")), told[-1])
        into.visit(f"{node.nodeid} has failed ({getattr(report, 'when', '')}): {last.strip()}")
    into.end_lingering()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """In a run by hand: the person in the place of the test's body."""
    into = pyfuncitem.config.stash[_INTO]
    if not into.by_hand:
        return None
    room: Room | None = pyfuncitem.config.stash.get(plugin.ROOM, None)
    if room is None:
        raise HarnessError("going through a test by hand", f"{pyfuncitem.name} has no guest")
    with ExitStack() as stack:
        if not into.machines:
            _more_guests(pyfuncitem, room, stack)
        with into.terminal():
            _say(shown(pyfuncitem, plugin.system_under_test(pyfuncitem.config)))
            for machine in into.machines:
                _say(f"{visit.described(machine)}, from another terminal:\n{machine.visitor.way().line}")
            visit.visit(into.machines, _say, _ask)
    pytest.skip("it was gone through by hand")


def _more_guests(item: pytest.Function, room: Room, stack: ExitStack) -> None:
    """Bring up the guests that a test asks for in its body."""
    several = _SOME_GUESTS.search(inspect.getsource(item.function))
    if several and "vms" in item.funcargs:
        begin: Any = item.funcargs["vms"]
        begin(int(several[1]))
        return
    marker = item.get_closest_marker("machine")
    stack.enter_context(room.fresh(**(marker.kwargs if marker else {})))


def shown(item: pytest.Function, system: SystemUnderTest) -> str:
    """Return a test as one goes through it by hand: its words, steps and values, and what is there."""
    source, first = inspect.getsourcelines(item.function)
    width = shutil.get_terminal_size().columns - 1
    rule = "-" * min(width, 100)
    values = [f"  {name} = {value!r}"[:width] for name, value in _parameters(item).items()]
    lines = [
        rule,
        f"{item.path.name}:{first}  {item.name}",
        *textwrap.wrap(inspect.getdoc(item.function) or "", min(width, 100)),
        rule,
        *textwrap.dedent("".join(source)).rstrip().splitlines(),
        *(["with:", *values] if values else []),
        rule,
        "in the guest, where this test begins:",
        f"  the device        {system.node} (module {system.module})",
        "  one call a line   cryptoctl; each answer is a line",
        f"  the chat          {system.chat_server(port=_FREE_PORT)}",
        f"                    {system.chat_client(port=_FREE_PORT)}",
    ]
    return "\n".join(lines)


def _parameters(item: pytest.Function) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec else {}


def _is_there(machine: VirtualMachine) -> bool:
    """Say whether a guest was started and has not been cleared away."""
    try:
        return machine.run_directory.exists()
    except HarnessError:
        return False


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ask(text: str) -> str:
    try:
        return input(text)
    except EOFError:
        return ""
