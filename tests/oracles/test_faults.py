# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls whose allocations fail in turn, with a cryptoctl that plays the kernel."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from harness.sut.cryptoctl import Cryptoctl
from harness.sut.faults import Case, FaultyCalls, Tally

KALLSYMS = """\
ffffffffa0001000 t crypto_ioctl\t[virtio_cryptodev]
ffffffffa0001000 d some_data\t[virtio_cryptodev]
ffffffffa0002000 T give_back\t[virtio_cryptodev]
"""
GUEST: Any = SimpleNamespace(succeed=lambda command: KALLSYMS if "kallsyms" in command else "")
CALL = Case("crypt {fd}")


class Kernel:
    """Answers a call as told: by which of its allocations fails, 0 for none."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.nth = 0
        self.lines: list[str] = []

    def ask(self, line: str) -> str:
        self.lines.append(line)
        word, _, rest = line.partition(" ")
        match word:
            case "fail-nth":
                self.nth = int(rest)
                return "ok"
            case "failed":
                return f"ok failed={int(0 < self.nth < len(self.answers))}"
            case "reached":
                last = ",ffffffffa0002030" if self.nth else ""
                return f"ok at=ffffffffa0001044{last}"
            case "crypt":
                return self.answers[self.nth % len(self.answers)]
        return "ok fd=7"

    def close(self) -> None:
        pass


def drive(*answers: str, case: Case = CALL) -> tuple[Tally, Kernel]:
    kernel = Kernel(*answers)
    calls = FaultyCalls(GUEST, Cryptoctl(kernel))
    calls.must("open it")
    return calls.drive(case), kernel


def test_each_allocation_fails_once() -> None:
    tally, kernel = drive("ok dst=aa", "err ENOMEM", "ok dst=aa", "err EFAULT")
    assert tally == Tally(failed=2, survived=1, functions=frozenset({"give_back"}))
    assert [line for line in kernel.lines if "nth" in line] == [f"fail-nth {nth}" for nth in range(5)]
    assert "crypt 7" in kernel.lines


def test_lines_around_a_call() -> None:
    case = Case("crypt {fd}", before=("open a",), after=("free a",), always=("close a",))
    _, kernel = drive("ok", "err ENOMEM", case=case)
    mine = [line for line in kernel.lines[1:] if not line.startswith(("fail", "reached"))]
    succeeded = ["open a", "crypt 7", "free a", "close a"]
    assert mine == [*succeeded, "open a", "crypt 7", "close a", *succeeded]


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        (("err ENOMEM",), "ENOMEM with no failure at all"),
        (("ok", "err EINVAL"), "EINVAL when allocation 1 fails"),
        (("ok dst=aa", "ok dst=bb"), "another answer when allocation 1 fails.*bb"),
    ],
)
def test_what_is_wrong(answers: tuple[str, ...], what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        drive(*answers)


def test_a_call_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.sut.faults.MOST", 3)
    with pytest.raises(AssertionError, match="it has no end"):
        drive("ok", *["err ENOMEM"] * 9)


def test_allowed_errnos_are_the_cases_own() -> None:
    case = Case("crypt {fd}", allowed=frozenset({errno.ENODEV}))
    assert drive("ok", "err ENODEV", case=case)[0].failed == 1
