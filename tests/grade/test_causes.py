# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule knows its golden evidence, and nothing that only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.grade.causes import at_fault, cause_of
from harness.grade.defects import RULES, Rule
from harness.grade.results import Outcome

HERE = Path(__file__).parent
EVIDENCE = sorted((HERE / "evidence").glob("*.txt"))
NEAR_MISSES = sorted((HERE / "near_misses").glob("*.txt"))
OF_THE_ORACLE = sorted((HERE.parent / "oracles" / "logs").glob("*.log"))
# What the oracle's golden logs show enough of; all others were cut before the module's frames.
TELLING = {
    "bug-kasan": "past-its-end",
    "bug-slab": "leak-found",
    "panic-memory": "leak-until-death",
    "hung-task-whole": "sleeps-for-answer",
    "kasan-use-after-free": "used-after-free",
    "list-corruption": "list-without-lock",
    "lockdep-recursive": "lock-taken-twice",
    "lockdep-returns": "lock-not-released",
    "oops-user-pointer": "user-pointer-smap",
    "rcu-starved": "busy-wait",
    "scheduling-while-atomic": "sleeps-under-spinlock",
    "slab-redzone": "past-its-end",
    "usercopy": "copied-past-buffer",
}

PASSED, FAILED, ERROR, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED


def _rule_of(path: Path) -> str:
    cause = cause_of(path.read_text("utf-8").splitlines())
    return cause.rule if cause else ""


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_golden_evidence_shows_its_defect(path: Path) -> None:
    assert _rule_of(path) == path.stem.partition("--")[0]


def test_each_rule_has_golden_evidence() -> None:
    names = [rule.name for rule in RULES]
    assert sorted(names) == sorted({path.stem.partition("--")[0] for path in EVIDENCE})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_says_one_sentence_and_why(rule: Rule) -> None:
    assert rule.sentence.endswith(".")
    assert ". " not in rule.sentence
    assert rule.why


@pytest.mark.parametrize("path", NEAR_MISSES, ids=lambda path: path.stem)
def test_a_near_miss_has_no_cause(path: Path) -> None:
    assert not _rule_of(path)


@pytest.mark.parametrize("path", OF_THE_ORACLE, ids=lambda path: path.stem)
def test_a_report_of_the_kernel_alone_has_one_where_it_tells(path: Path) -> None:
    assert _rule_of(path) == TELLING.get(path.stem, "")


@pytest.mark.parametrize(
    ("pair", "driver", "device", "says"),
    [
        (FAILED, FAILED, PASSED, "passes with our driver: the driver."),
        (FAILED, PASSED, ERROR, "passes with our device: the device."),
        (ERROR, FAILED, FAILED, "Each half fails"),
        (FAILED, PASSED, PASSED, "Only together"),
        (FAILED, FAILED, None, "Their driver fails with our device too."),
        (FAILED, SKIPPED, FAILED, "Their device fails with our driver too."),
        (FAILED, FAILED, SKIPPED, "Their driver fails with our device too."),
    ],
)
def test_which_half_is_at_fault(
    pair: Outcome, driver: Outcome | None, device: Outcome | None, says: str
) -> None:
    assert says in at_fault(pair, driver, device)


@pytest.mark.parametrize(
    ("pair", "driver", "device"),
    [(PASSED, FAILED, FAILED), (FAILED, None, None), (FAILED, PASSED, None), (FAILED, SKIPPED, PASSED)],
)
def test_no_half_is_blamed_without_reason(
    pair: Outcome, driver: Outcome | None, device: Outcome | None
) -> None:
    assert not at_fault(pair, driver, device)
