# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls in whose middle an allocation fails: the first, then the second, until there are no more of them.

The debug kernel counts in a process every allocation, and every copy from or to the program, and lets the one
fail that it was told (Documentation/fault-injection/fault-injection.rst, ``fail-nth``).
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.machine import VirtualMachine
    from harness.sut.cryptoctl import Cryptoctl
    from harness.sut.lines import Reply

_DEBUGFS = "/sys/kernel/debug"
# As it is made, only allocations fail that must not wait: hardly any of a system call's.
_SWITCHES = {
    "failslab": {"ignore-gfp-wait": "N"},
    "fail_page_alloc": {"ignore-gfp-wait": "N", "ignore-gfp-highmem": "N", "min-order": "0"},
}
ALLOWED = frozenset({errno.ENOMEM, errno.EFAULT})
# No call has nearly as many; one that never gets to its end shall not go on for ever.
MOST = 2000


@dataclass(frozen=True)
class Case:
    """One call, as lines for ``cryptoctl``.

    Attributes:
        call: the line; ``{fd}``, ``{ses}`` and their like stand for what earlier answers said.
        before: lines that make what the call needs, each time anew.
        after: lines that take back what the call did, when it succeeded.
        always: lines that follow whatever it answered; all these have to succeed but for those with "try".
        allowed: the errnos that it may give when something failed.
        lasting: keys of its answer that are the same each time.
    """

    call: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    allowed: frozenset[int] = ALLOWED
    lasting: frozenset[str] = frozenset({"dst", "iv", "mac", "tag", "len", "features", "cipher", "flags"})


@dataclass(frozen=True)
class Tally:
    """What came of all the failures in one call.

    Attributes:
        failed: how often the call failed with them.
        survived: how often it did not.
        functions: the module's functions that were run only when something failed (kcov).
    """

    failed: int
    survived: int
    functions: frozenset[str] = frozenset()


class FaultyCalls:
    """Makes calls through one ``cryptoctl`` in a guest with the debug kernel.

    Attributes:
        names: what lines name in braces: the values of earlier answers.
    """

    def __init__(self, machine: VirtualMachine, crypto: Cryptoctl) -> None:
        """Let all kinds of allocations fail when told to."""
        self._machine, self._crypto, self.names = machine, crypto, dict[str, str]()
        switches = (
            f"echo {value} > {_DEBUGFS}/{folder}/{name}"
            for folder, values in _SWITCHES.items()
            for name, value in values.items()
        )
        machine.succeed(" && ".join(switches))

    def must(self, line: str) -> None:
        """Make a call that has to succeed, unless "try" is before it; remember what its answer names."""
        line = line.format_map(self.names)
        if line.startswith("try "):
            self._crypto.ask(line.removeprefix("try "))
        else:
            self.names.update(self._crypto.must(line))

    def drive(self, case: Case) -> Tally:
        """Make a call once undisturbed, and then over and over with another allocation failing each time.

        Raises:
            AssertionError: the answer is neither what the undisturbed call's was nor one of lacking memory.
            CryptoctlError: it wrote where it must not, or what had to succeed did not.
        """
        self._crypto.must("reached")
        right, _, usual = self._once(case, 0)
        if right.errno:
            raise _wrong(case, f"{errno.errorcode[right.errno]} with no failure at all")
        failed = survived = 0
        places = set[int]()
        for nth in range(1, MOST):
            reply, was_reached, passed = self._once(case, nth)
            self._judge(case, nth, reply, right)
            if not was_reached:
                if reply.errno:
                    raise _wrong(case, f"{errno.errorcode[reply.errno]} with nothing failed any more")
                return Tally(failed, survived, self._functions(places) - self._functions(usual))
            failed += reply.errno != 0
            survived += reply.errno == 0
            places |= passed
        raise _wrong(case, f"it has no end: allocation {MOST} still failed")

    @staticmethod
    def _judge(case: Case, nth: int, reply: Reply, right: Reply) -> None:
        if reply.errno and reply.errno not in case.allowed:
            raise _wrong(case, f"{errno.errorcode[reply.errno]} when allocation {nth} fails")
        if not reply.errno and _lasting(case, reply) != _lasting(case, right):
            raise _wrong(case, f"another answer when allocation {nth} fails: {dict(reply.values)}")

    def _once(self, case: Case, nth: int) -> tuple[Reply, bool, set[int]]:
        """Return the answer, whether there were so many allocations, and what of the module was run."""
        for line in case.before:
            self.must(line)
        self._crypto.must(f"fail-nth {nth}")
        reply = self._crypto.ask(case.call.format_map(self.names))
        was_reached = self._crypto.must("failed")["failed"] == "1"
        places = {int(word, 16) for word in self._crypto.must("reached")["at"].split(",") if word}
        if reply.errno == 0:
            self.names.update(reply.values)
            for line in case.after:
                self.must(line)
        for line in case.always:
            self.must(line)
        return reply, was_reached, places

    def _functions(self, places: set[int]) -> frozenset[str]:
        """Return the names of the modules' functions that places are in."""
        symbols = sorted(_symbols(self._machine.succeed("grep '\\[' /proc/kallsyms || true")))
        begins = [begin for begin, _ in symbols]
        found = (bisect_right(begins, place) for place in places)
        return frozenset(symbols[number - 1][1] for number in found if number)


def _symbols(kallsyms: str) -> Iterator[tuple[int, str]]:
    for line in kallsyms.splitlines():
        address, kind, name, *_ = line.split()
        if kind in "tT":
            yield int(address, 16), name


def _wrong(case: Case, what: str) -> AssertionError:
    return AssertionError(f"{case.call}: {what}")


def _lasting(case: Case, reply: Reply) -> dict[str, str]:
    return {key: value for key, value in reply.values.items() if key in case.lasting}
