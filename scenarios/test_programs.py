# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that use /dev/crypto as the world does: each says by itself whether it got the right answers."""

from __future__ import annotations

from pathlib import Path

import pytest

PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.c"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_programs(run_program, program):
    """A program of the usual kind, which knows the answers from the standards, is content."""
    run_program(program)


def test_own_programs(run_program, own_program):
    """Every program in the folder that --programs names ends with status 0, and the kernel says nothing."""
    run_program(own_program)
