# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of ``python -m harness fuzz``."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.machine.deadlines import positive

REQUESTS = 10_000


def count_of(text: str) -> int:
    """Read a number of 1 or more; raise argparse.ArgumentTypeError for anything else."""
    return _at_least(text, 1)


def _seed(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of {least} or more")
    return number


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add them; ``--jobs`` and ``--timeout-scale`` are there already."""
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--requests", type=count_of, metavar="N", help=f"how many (default {REQUESTS})")
    amount.add_argument("--seconds", type=positive, metavar="N", help="for how long, instead")
    parser.add_argument("--seed", type=_seed, metavar="S", help="what the requests follow from; random")
    parser.add_argument(
        "--most-findings", type=count_of, default=10, metavar="N", help="end after so many (default 10)"
    )
    parser.add_argument(
        "--findings", type=Path, default=Path(), metavar="DIR", help="where traces of findings are written"
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="play the traces of this folder before")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value to this file")
