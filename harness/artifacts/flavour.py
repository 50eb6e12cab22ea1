# SPDX-License-Identifier: GPL-2.0-or-later
"""In which way the host's C is built: as users run it, with sanitizers, or counting what was executed."""

from __future__ import annotations

import enum
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Leaks of QEMU's own; LeakSanitizer's format.
SUPPRESSIONS = "host/lsan.supp"
_SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
# Without optimization a branch of the source is a branch of the program, in QEMU and in the library alike.
_COUNT = "--coverage -fprofile-abs-path -fprofile-update=atomic -O0 -U_FORTIFY_SOURCE"
# Only what is ours: the other thousand files of QEMU would write a thousand files each time one ends.
_OURS = "-fprofile-filter-files=.*/cryptodev/.*"


class Flavour(enum.StrEnum):
    """A way to build QEMU with the device, and the devcrypto library."""

    PLAIN = "plain"
    ASAN = "asan"
    COVERAGE = "coverage"

    @property
    def counts(self) -> bool:
        """Whether a program counts into files beside its objects, so that it has to stay where it is."""
        return self is Flavour.COVERAGE

    @property
    def configure(self) -> tuple[str, ...]:
        """What QEMU's configure is told besides the usual."""
        match self:
            case Flavour.PLAIN:
                return ()
            case Flavour.ASAN:
                # -g1 for the lines in a report; the default, -g, makes the program ten times as large.
                flags = "-g1 -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
                return ("--enable-asan", "--enable-ubsan", f"--extra-cflags={flags}")
            case Flavour.COVERAGE:
                return (f"--extra-cflags={_COUNT} {_OURS}", "--extra-ldflags=--coverage")

    @property
    def compiler_flags(self) -> str:
        """What the library is compiled and linked with besides the usual."""
        match self:
            case Flavour.PLAIN:
                return ""
            case Flavour.ASAN:
                return _SANITIZE
            case Flavour.COVERAGE:
                return _COUNT

    def environment(self, repository: Path) -> tuple[tuple[str, str], ...]:
        """Return what a program that was built so has to be started with: name, value.

        Options of sanitizers that we were started with come last: they win.
        """
        if self is not Flavour.ASAN:
            return ()
        ours = (
            # A report ends the program; a failed allocation is an answer, as it is without a sanitizer.
            ("ASAN_OPTIONS", "abort_on_error=0:allocator_may_return_null=1:detect_leaks=1:print_legend=0"),
            ("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1"),
            # Quoted: a colon or a space would end the value.
            ("LSAN_OPTIONS", f"suppressions='{repository / SUPPRESSIONS}':print_suppressions=0"),
        )
        return joined(ours, ((name, os.environ[name]) for name, _ in ours if os.environ.get(name)))


def joined(first: Iterable[tuple[str, str]], then: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return environment variables of two origins: options of sanitizers add up, and the later ones win."""
    values = dict(first)
    for name, value in then:
        adds = name.endswith("SAN_OPTIONS") and values.get(name)
        values[name] = f"{values[name]}:{value}" if adds else value
    return tuple(values.items())
