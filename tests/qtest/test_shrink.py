# SPDX-License-Identifier: GPL-2.0-or-later
"""How a trace is made short, with a rule in place of a device; and how a request is cut into buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from harness.qtest import steps
from harness.qtest.asks import cut
from harness.qtest.finding import Finding
from harness.qtest.shrink import shrink
from harness.qtest.steps import Chain, Kick, Piece, Reset, Save, SessionId
from harness.qtest.trace import Setup, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = (Kick(), Reset(), Kick(1), Save())
CUT = Chain((Piece((b"ab",)), Piece((b"c",)), Piece((b"d",), True), Piece((b"e",), True)), indirect=True)
WHOLE = Chain((Piece((b"abc",)), Piece((b"de",), True)))


def rule(shows: Callable[[Trace], bool]) -> tuple[Callable[[Trace], Finding | None], list[Trace]]:
    played: list[Trace] = []

    def attempt(trace: Trace) -> Finding | None:
        played.append(trace)
        return Finding("shown", trace) if shows(trace) else None

    return attempt, played


def holds(*needed: steps.Step) -> Callable[[Trace], bool]:
    """Return whether a trace has these steps in this order."""

    def has(trace: Trace) -> bool:
        left = iter(trace.steps)
        return all(step in left for step in needed)

    return has


def test_what_is_not_needed_is_left_out() -> None:
    attempt, played = rule(holds(Save(), Kick(7)))
    long = Trace(steps=(*IDLE * 5, Kick(7), *IDLE * 5))
    assert shrink(Finding("shown", long), attempt).trace.steps == (Save(), Kick(7))
    assert len(played) < 60


def test_chains_are_put_together_and_the_device_loses_its_options() -> None:
    attempt, _ = rule(lambda trace: any(isinstance(step, Chain) for step in trace.steps))
    found = shrink(Finding("shown", Trace(Setup.parse("legacy max-sessions=3"), (CUT,))), attempt)
    assert found.trace == Trace(Setup(), (WHOLE,))


def test_what_is_needed_stays() -> None:
    trace = Trace(Setup.parse("legacy"), (CUT, Kick()))
    attempt, _ = rule(lambda other: other == trace)
    assert shrink(Finding("shown", trace), attempt).trace == trace


def test_one_cut_of_two_can_be_what_it_takes() -> None:
    attempt, _ = rule(
        lambda trace: any(len(step.pieces) > 2 for step in trace.steps if isinstance(step, Chain))
    )
    (step,) = shrink(Finding("shown", Trace(steps=(CUT,))), attempt).trace.steps
    assert isinstance(step, Chain)
    assert len(step.pieces) == 3


def test_the_trace_of_what_was_shown_counts() -> None:
    """A play ends where something is found: what comes after it is not looked at again."""

    def attempt(trace: Trace) -> Finding | None:
        if Kick(7) not in trace.steps:
            return None
        return Finding("shown", Trace(trace.setup, trace.steps[: trace.steps.index(Kick(7)) + 1]))

    assert shrink(Finding("shown", Trace(steps=(Kick(7), *IDLE))), attempt).trace.steps == (Kick(7),)


def test_what_a_fresh_device_does_not_show_is_kept_as_it_is() -> None:
    attempt, played = rule(lambda _: False)
    finding = Finding("shown", Trace(steps=IDLE))
    assert shrink(finding, attempt) is finding
    assert len(played) == 1


def test_no_time_is_no_shrinking() -> None:
    attempt, played = rule(lambda _: True)
    assert shrink(Finding("shown", Trace(steps=IDLE)), attempt, seconds=0).trace.steps == IDLE
    assert len(played) == 1


def test_a_finding_prints_what_was_seen_and_how_to_see_it_again() -> None:
    text = str(Finding("too short", Trace(steps=(WHOLE, Kick()))))
    assert text.startswith("too short\n")
    assert text.endswith("virtio-cryptodev-trace 1\nchain < 616263 > 6465\nkick\n")


# ---- cutting ----


def test_where_a_request_is_cut() -> None:
    assert cut((b"abcdef",), ()) == [(b"abcdef",)]
    assert cut((b"abcdef",), (1, 2)) == [(b"a",), (b"bc",), (b"def",)]
    assert cut((b"abcdef",), (6, 1)) == [(b"abcdef",)]
    assert cut((), (3,)) == []


def test_an_id_is_not_cut() -> None:
    data = (b"ab", SessionId(0), b"cd")
    assert cut(data, (3,)) == [(b"ab", SessionId(0)), (b"cd",)]
    assert cut(data, (2, 1)) == [(b"ab",), (SessionId(0),), (b"cd",)]


@given(
    st.lists(st.binary(min_size=1) | st.builds(SessionId, st.integers(0, 3)), max_size=5).map(tuple),
    st.lists(st.integers(1, 9), max_size=9).map(tuple),
)
def test_nothing_is_lost_where_it_is_cut(data: steps.Data, places: tuple[int, ...]) -> None:
    pieces = cut(data, places)
    assert steps.merged(tuple(part for piece in pieces for part in piece)) == steps.merged(data)
    assert all(steps.size_of(piece) for piece in pieces)
    assert len(pieces) <= len(places) + 1
