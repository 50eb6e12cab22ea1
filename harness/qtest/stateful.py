# SPDX-License-Identifier: GPL-2.0-or-later
"""Random sequences of calls to a device, right and wrong, all foretold by the model.

A state machine of hypothesis: a failure is shrunk, and the trace that is left replays it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness.qtest import steps
from harness.qtest.asks import EQUIPMENT, Ask, Way, asks, cut, ways, works
from harness.qtest.finding import Finding
from harness.qtest.hostile import Hostile, hostilities
from harness.qtest.player import Mode, Player, play
from harness.qtest.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.qtest.machine import QtestMachine
    from harness.qtest.trace import Setup, Trace

# Of the examples that the profile of hypothesis asks for: each one here is a life of a device.
SHARE_OF_EXAMPLES = 0.15
STEPS = 20
# In a life: a restored machine is another process, which takes a tenth of a second.
MOST_SAVES = 1


def _several(what: st.SearchStrategy[Ask]) -> st.SearchStrategy[list[tuple[Ask, Way]]]:
    return st.lists(st.tuples(what, ways), min_size=1, max_size=6)


def _no_reset(step: steps.Step) -> bool:
    return not isinstance(step, steps.Reset)


class Supply:
    """Gives each life a device in its first state, from one QEMU for as long as that one is sound.

    Attributes:
        found: the first finding.
    """

    def __init__(self, start: Callable[[Setup], QtestMachine], setup: Setup) -> None:
        self._start, self._setup = start, setup
        self._machine: QtestMachine | None = None
        self.found: Finding | None = None

    def player(self) -> Player:
        """Return a player that has done nothing yet."""
        if self._machine is None:
            self._machine = self._start(self._setup)
        return Player(self._machine, self._setup)

    def spoiled(self, finding: Finding) -> None:
        """Take the next device from a new QEMU."""
        self.found = self.found or finding
        if self._machine is not None:
            self._machine.kill()
        self._machine = None

    def attempt(self, trace: Trace) -> Finding | None:
        """Play a trace on a device of its own; return what it shows."""
        machine = self._start(trace.setup)
        try:
            play(machine, trace)
        except Finding as finding:
            return finding
        finally:
            machine.kill()
        return None


class DeviceMachine(RuleBasedStateMachine):
    """The life of a device, from its reset to the next one."""

    def __init__(self, supply: Supply) -> None:
        super().__init__()
        self._supply = supply
        self._saves = 0
        self._finished = False

    @initialize()
    def start(self) -> None:
        """Bring the device up."""
        self._guarded(lambda: setattr(self, "player", self._supply.player()))

    player: Player

    def _guarded(self, what: Callable[[], Any]) -> None:
        try:
            what()
        except Finding as finding:
            self._finished = True
            self._supply.spoiled(finding)
            raise

    def _play(self, step: steps.Step) -> None:
        self._guarded(lambda: self.player.play(step))

    def _send(self, ask: Ask, way: Way) -> None:
        readable, writable = ask.chain(self.player.model)
        pieces = [steps.Piece(piece) for piece in cut(readable, way.readable)]
        pieces += [steps.Piece(piece, writable=True) for piece in cut(writable, way.writable)]
        if pieces:
            self._play(steps.Chain(tuple(pieces), way.indirect))
        if way.kick:
            self._play(steps.Kick())

    @rule(requests=_several(asks))
    def talk(self, requests: list[tuple[Ask, Way]]) -> None:
        """Send requests, several of them with one kick."""
        for ask, way in requests:
            self._send(ask, way)

    @rule(requests=_several(works))
    def work(self, requests: list[tuple[Ask, Way]]) -> None:
        """Send requests about sessions, of which there is one at least."""
        if self.player.mode is not Mode.UP:
            self._play(steps.Reset())
        if not any(map(self.player.model.sessions, self.player.model.open_files)):
            for ask in EQUIPMENT:
                self._send(ask, Way())
        for ask, way in requests:
            self._send(ask, way)

    @rule(what=hostilities)
    def hostile(self, what: Hostile) -> None:
        """Do something that no driver would."""
        since = list(itertools.takewhile(_no_reset, reversed(self.player.played)))
        for step in what.steps(sum(isinstance(step, steps.Block | steps.Table) for step in since)):
            self._play(step)

    @precondition(lambda self: self._saves < MOST_SAVES)
    @rule()
    def save(self) -> None:
        """Save the machine and go on in another process."""
        self._saves += 1
        self._play(steps.Save())

    def teardown(self) -> None:
        """Reset the device at the end of its life, and see that it works."""
        if not self._finished and hasattr(self, "player"):
            self._guarded(self.player.finish)


def search(start: Callable[[Setup], QtestMachine], setup: Setup, *, derandomize: bool | None = None) -> None:
    """Live random lives until one shows a difference, or as many as hypothesis's profile asks for.

    A life that shows one is shrunk as a trace, on a fresh device each time: hypothesis would take hundreds of
    lives for that.

    Args:
        start: starts a machine with a device of these properties.
        setup: of the device and its driver.
        derandomize: whether the lives are the same in each run; by default as hypothesis's profile says.

    Raises:
        Finding: its trace is the shortest that shows something.
    """
    supply = Supply(start, setup)
    profile = settings()
    chosen = settings(
        profile,
        max_examples=max(1, round(profile.max_examples * SHARE_OF_EXAMPLES)),
        stateful_step_count=STEPS,
        # Some steps start a process, and the time of one step says nothing.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        phases=set(profile.phases) - {Phase.shrink, Phase.explain},
        report_multiple_bugs=False,
        derandomize=profile.derandomize if derandomize is None else derandomize,
        database=None if derandomize else profile.database,
    )
    try:
        # Anything that makes a machine will do, says its documentation.
        run_state_machine_as_test(lambda: DeviceMachine(supply), settings=chosen)  # type: ignore[arg-type]
    except (Finding, Flaky):
        if supply.found is None:
            raise
    if supply.found is not None:
        raise shrink(supply.found, supply.attempt) from None
