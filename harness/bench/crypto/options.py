# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of ``python -m harness bench crypto``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.bench.crypto.contenders import (
    BLOCK_BYTES,
    MOST_BYTES,
    MOST_PROCESSES,
    PROCESSES,
    SIZES,
    Contender,
)
from harness.bench.crypto.plan import Plan, every_pair, goal_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
ROUNDS, QUICK_ROUNDS = 5, 3
SECONDS = 0.3
MOST_SECONDS = 60.0


def add_to(parser: argparse.ArgumentParser, count_of: Callable[[str], int]) -> None:
    """Add the options to a command."""
    parser.add_argument(
        "--rounds",
        type=count_of,
        metavar="N",
        help=f"how often everything is measured (default {ROUNDS}; {QUICK_ROUNDS} with --quick)",
    )
    text = f"how long each contender runs in its turn (default {SECONDS:g})"
    parser.add_argument("--seconds", type=_seconds, default=SECONDS, metavar="S", help=text)
    parser.add_argument("--quick", action="store_true", help="only what the ratios at the end need")
    text = f"of {', '.join(Contender)} (default: all)"
    parser.add_argument("--only", type=_list(_contender), default=list(Contender), metavar="NAMES", help=text)
    text = f"bytes of an operation (default {','.join(map(str, SIZES))})"
    parser.add_argument("--sizes", type=_list(_size), default=list(SIZES), metavar="LIST", help=text)
    text = f"how many at once (default {','.join(map(str, PROCESSES))})"
    parser.add_argument(
        "--processes", type=_list(_processes), default=list(PROCESSES), metavar="LIST", help=text
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value to this file")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart (needs the extra 'bench')")


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the options of :func:`add_to` ask for."""
    if options.quick:
        sizes, processes = set(options.sizes), set(options.processes)
        pairs = tuple(
            (who, case)
            for who, case in goal_pairs(options.only)
            if case.size in sizes and case.processes in processes
        )
    else:
        pairs = every_pair(options.only, options.sizes, options.processes)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return Plan(pairs, rounds, options.seconds)


def _list(one: Callable[[str], _T]) -> Callable[[str], list[_T]]:
    def read(text: str) -> list[_T]:
        return [one(word.strip()) for word in text.split(",")]

    return read


def _contender(text: str) -> Contender:
    try:
        return Contender(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"there is no {text!r}: it is of {', '.join(Contender)}") from error


def _number(text: str, most: int, what: str, step: int = 1) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if not step <= value <= most or value % step:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} of {step} to {most}")
    return value


def _size(text: str) -> int:
    return _number(text, MOST_BYTES, f"a multiple of {BLOCK_BYTES}", BLOCK_BYTES)


def _processes(text: str) -> int:
    return _number(text, MOST_PROCESSES, "a number")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to {MOST_SECONDS:g}")
    return value
