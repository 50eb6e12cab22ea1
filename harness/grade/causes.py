# SPDX-License-Identifier: GPL-2.0-or-later
"""The likely cause of a failure, said only where the evidence says it, and which half of a pair is at fault.

What no rule of :mod:`harness.grade.defects` knows gets no cause: the evidence speaks for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.grade.defects import RULES
from harness.oracles.rules import message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.grade.results import Outcome

# A line of a scenario, which is part of the evidence: what it asks for is not what was seen.
_PLACE = re.compile(r"^\w+\.py:\d+: ")

# Whether their driver fails with our device, and their device with our driver; None: not tried.
_HALVES = {
    (True, True): "Each half fails with ours too: both the driver and the device.",
    (True, False): "Their driver fails with our device too, their device passes with our driver: the driver.",
    (False, True): "Their device fails with our driver too, their driver passes with our device: the device.",
    (False, False): "Only together: their driver passes with our device, and their device with our driver.",
    (True, None): "Their driver fails with our device too.",
    (None, True): "Their device fails with our driver too.",
}


@dataclass(frozen=True)
class Cause:
    """A likely cause.

    Attributes:
        rule: the name of the rule that knows it.
        sentence: the cause, in one sentence.
    """

    rule: str
    sentence: str


def cause_of(lines: Iterable[str]) -> Cause | None:
    """Return the likely cause that a failure's message and evidence show; None if they show none."""
    text = "\n".join(message(line) for line in lines if not _PLACE.match(line))
    return next((Cause(rule.name, rule.sentence) for rule in RULES if rule.holds(text)), None)


def at_fault(pair: Outcome, driver_half: Outcome | None, device_half: Outcome | None) -> str:
    """Return which half of a pair is at fault in a scenario, as a sentence; empty where that is not known.

    Args:
        pair: how it ended with both halves theirs.
        driver_half: how with their driver and our device; None if that was not tried.
        device_half: how with our driver and their device.
    """
    if not pair.bad:
        return ""
    return _HALVES.get((_bad(driver_half), _bad(device_half)), "")


def _bad(half: Outcome | None) -> bool | None:
    """Return whether a half failed; None where it did not run."""
    if half is None or (not half.bad and half != "passed"):
        return None
    return half.bad
