# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program needs to find the devcrypto library, and the sanitizers that it was built with."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.artifacts.compile import Devcrypto, sanitizer_runtime
from harness.errors import SetupError

PLAIN = Devcrypto(Path("/s/lib.so"), Path("/s/preload.so"), "1")
WATCHED = Devcrypto(Path("/s/lib.so"), Path("/s/preload.so"), "1", runtime=Path("/gcc/libasan.so"))


def compiler(folder: Path, answer: str, status: int = 0) -> str:
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_is_started_with_the_preload_last() -> None:
    assert PLAIN.environment() == {"LD_PRELOAD": "/s/preload.so"}
    assert PLAIN.environment(Path("/shim.so")) == {"LD_PRELOAD": "/shim.so:/s/preload.so"}


def test_the_sanitizers_come_before_all_else() -> None:
    environment = WATCHED.environment(Path("/shim.so"))
    assert environment["LD_PRELOAD"] == "/gcc/libasan.so:/shim.so:/s/preload.so"
    assert environment["ASAN_OPTIONS"] == "detect_leaks=0"


def test_the_compiler_is_asked_where_its_sanitizers_are(tmp_path: Path) -> None:
    runtime = tmp_path / "libasan.so"
    runtime.touch()
    assert sanitizer_runtime(compiler(tmp_path, str(runtime))) == runtime


@pytest.mark.parametrize(
    ("answer", "status", "seen"),
    [
        ("libasan.so", 0, "has no libasan.so -- python -m harness doctor --install"),
        ("/nowhere/libasan.so", 0, "has no libasan.so"),
        ("", 0, "has no libasan.so"),
        ("", 1, "does not run"),
    ],
)
def test_a_compiler_without_sanitizers_is_one_line(
    tmp_path: Path, answer: str, status: int, seen: str
) -> None:
    with pytest.raises(SetupError, match=seen) as caught:
        sanitizer_runtime(compiler(tmp_path, answer, status))
    assert "\n" not in str(caught.value)
