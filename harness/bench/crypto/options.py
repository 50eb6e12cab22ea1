# SPDX-License-Identifier: GPL-2.0-or-later
"""What the options of ``python -m harness bench crypto`` mean."""

from __future__ import annotations

import argparse
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


def contenders(text: str) -> list[Contender]:
    """Read ``pair,openssl``; this and the others raise argparse's error for what is none."""
    return _list(text, _contender)


def sizes(text: str) -> list[int]:
    """Read ``256,65536``: bytes, whole blocks."""
    return _list(text, _size)


def processes(text: str) -> list[int]:
    """Read ``1,2,4``."""
    return _list(text, _processes)


def seconds(text: str) -> float:
    """Read how long a slice is."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to {MOST_SECONDS:g}")
    return value


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the options ask for; those that were not given are None."""
    wanted = options.only or list(Contender)
    asked_sizes, asked_processes = options.sizes or SIZES, options.processes or PROCESSES
    if options.quick:
        pairs = tuple(
            (who, case)
            for who, case in goal_pairs(wanted)
            if case.size in asked_sizes and case.processes in asked_processes
        )
    else:
        pairs = every_pair(wanted, asked_sizes, asked_processes)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return Plan(pairs, rounds, options.seconds or SECONDS, options.apart)


def _list(text: str, one: Callable[[str], _T]) -> list[_T]:
    return [one(word.strip()) for word in text.split(",")]


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
