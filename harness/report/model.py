# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report is made of: one record for each test, written as it ends by whichever process ran it.

Everything is plain data: :func:`dumps` and :func:`loads` turn a record into JSON and back.  Times of a test
are seconds from its beginning.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.machine.journal import Lane, Moment
from harness.oracles.crash import Crash, SourceFrame

__all__ = ["FORMAT", "Crash", "Frame", "RunRecord", "Screen", "SourceFrame", "TestRecord", "dumps", "loads"]

FORMAT = 1


@dataclass(frozen=True)
class Screen:
    """What a terminal was sent.

    Attributes:
        name: whose it is: "guest 1: serial shell", "client".
        text: as it came, escape codes included.
        columns, rows: how big the terminal was.
    """

    name: str
    text: str
    columns: int = 200
    rows: int = 50


@dataclass(frozen=True)
class Frame:
    """A chat frame on the wire.

    Attributes:
        at: when, in seconds from the test's beginning.
        sender: "client" or "server".
        plain: the message in it, as text; "" if it is none that the key opens.
        cipher: what crossed the wire, in hex.
    """

    at: float
    sender: str
    plain: str
    cipher: str


@dataclass(frozen=True)
class TestRecord:
    """One test.

    Attributes:
        name: pytest's name of it.
        sentence: the first line of its docstring.
        outcome: "passed", "failed", "error" or "skipped".
        seconds: how long it took, with what was made ready for it.
        message: in one line why it failed, or was skipped.
        evidence: in many lines what was seen.
        rerun: the command that runs this test again.
        moments: what happened, ``at`` counted from the test's beginning.
        screens: the terminals.
        frames: of the chat on the wire.
        crashes: what kernels reported.
        worker: which process ran it.
    """

    __test__ = False  # pytest would take it for a class of tests

    name: str
    sentence: str
    outcome: str
    seconds: float
    message: str = ""
    evidence: tuple[str, ...] = ()
    rerun: str = ""
    moments: tuple[Moment, ...] = ()
    screens: tuple[Screen, ...] = ()
    frames: tuple[Frame, ...] = ()
    crashes: tuple[Crash, ...] = ()
    worker: str = ""


@dataclass(frozen=True)
class RunRecord:
    """A whole run.

    Attributes:
        header: what it stood on: accelerator and proof, QEMU, kernel, system under test, cache.
        started: ISO 8601, with the zone.
        seconds: how long it took.
        command: what was typed.
        tests: in the order in which they ended.
        ended: why it ended before all tests had; empty if it did not.
    """

    header: tuple[str, ...]
    started: str
    seconds: float
    command: str
    tests: tuple[TestRecord, ...] = field(default_factory=tuple)
    ended: str = ""


def dumps(record: TestRecord) -> str:
    """Return a test's record as one line of JSON."""
    return json.dumps({"format": FORMAT, **asdict(record)})


def loads(text: str) -> TestRecord:
    """Return the record that :func:`dumps` wrote.

    Raises:
        ValueError: it is none.
    """
    try:
        facts: dict[str, Any] = json.loads(text)
        if facts.pop("format") != FORMAT:
            raise ValueError("a record of another version")
        facts["moments"] = tuple(
            Moment(**{**moment, "lane": Lane(moment["lane"])}) for moment in facts["moments"]
        )
        facts["screens"] = tuple(Screen(**screen) for screen in facts["screens"])
        facts["frames"] = tuple(Frame(**frame) for frame in facts["frames"])
        facts["crashes"] = tuple(_crash(crash) for crash in facts["crashes"])
        facts["evidence"] = tuple(facts["evidence"])
        return TestRecord(**facts)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no record of a test: {type(error).__name__}: {error}") from error


def _crash(facts: dict[str, Any]) -> Crash:
    frames = tuple(
        SourceFrame(frame["symbol"], frame["file"], frame["line"], tuple((n, t) for n, t in frame["around"]))
        for frame in facts["frames"]
    )
    return Crash(facts["title"], facts["kind"], facts["fingerprint"], tuple(facts["lines"]), frames)
