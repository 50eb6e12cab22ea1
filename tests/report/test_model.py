# SPDX-License-Identifier: GPL-2.0-or-later
"""Records of tests go through JSON and come back the same."""

import pytest

from harness.machine.journal import Journal, Lane, Moment
from harness.report.model import Crash, Frame, Screen, SourceFrame, TestRecord, dumps, loads

STACK = SourceFrame("f+0x1/0x2 [m]", "m.c", 3, ((3, "x();"),))
RECORD = TestRecord(
    name="scenarios/test_x.py::test_y[1]",
    sentence="It works.",
    outcome="failed",
    seconds=1.5,
    message="assert 0 == 1",
    evidence=("a", "b"),
    rerun="pytest 'scenarios/test_x.py::test_y[1]'",
    moments=(Moment(0.1, Lane.KEYS, "client", "hello"), Moment(0.2, Lane.WAIT, "guest", "x", 0.5, "d", True)),
    screens=(Screen("client", "\x1b[1mme: \x1b[0m"),),
    frames=(Frame(0.3, "client", "hello", "00ff"),),
    crashes=(Crash("BUG: x", "oops", "f00", ("BUG: x",), (STACK,)),),
    worker="gw0",
)


def test_a_record_comes_back_the_same() -> None:
    assert loads(dumps(RECORD)) == RECORD


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": 2}', '{"format": 1}', "no json"])
def test_what_is_no_record_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(text)


def test_a_journal_keeps_the_order_of_beginnings() -> None:
    journal = Journal("guest 1")
    journal.note(Lane.KERNEL, "late", at=2.0)
    journal.note(Lane.WAIT, "early", at=1.0, seconds=5.0)
    assert [(moment.text, moment.part) for moment in journal.moments] == [
        ("early", "guest 1"),
        ("late", "guest 1"),
    ]
