# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program that was built in some way is started with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts.flavour import Flavour, joined

if TYPE_CHECKING:
    import pytest


def test_options_of_sanitizers_add_up() -> None:
    qemu = (("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1"), ("UBSAN_OPTIONS", "halt_on_error=1"))
    preloaded = {"LD_PRELOAD": "libasan.so devcrypto.so", "ASAN_OPTIONS": "detect_leaks=0"}
    assert joined(qemu, preloaded.items()) == (
        ("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:detect_leaks=0"),
        ("UBSAN_OPTIONS", "halt_on_error=1"),
        ("LD_PRELOAD", "libasan.so devcrypto.so"),
    )


def test_what_is_no_option_of_a_sanitizer_is_replaced() -> None:
    assert joined([("LANG", "C")], [("LANG", "C.UTF-8")]) == (("LANG", "C.UTF-8"),)


def test_the_callers_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    assert dict(Flavour.ASAN.environment(Path("/repo")))["ASAN_OPTIONS"].endswith(":detect_leaks=0")
    assert not Flavour.PLAIN.environment(Path("/repo"))
