# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the command line that are many, and load nothing until they are given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_bench_crypto(crypto: argparse.ArgumentParser, count_of: Callable[[str], int]) -> None:
    """Add the options of ``bench crypto``; ``count_of`` reads a number of 1 or more."""

    def read(what: str) -> Callable[[str], Any]:
        def reader(text: str) -> Any:
            # Here and not above: what only a measurement needs does not slow the other commands.
            from harness.bench.crypto import options  # noqa: PLC0415

            return getattr(options, what)(text)

        return reader

    crypto.add_argument("--quick", action="store_true", help="only what the ratios at the end need")
    text = "how often everything is measured (default 5, with --quick 3)"
    crypto.add_argument("--rounds", type=count_of, metavar="N", help=text)
    text = "how long each contender runs in its turn (default 0.3)"
    crypto.add_argument("--seconds", type=read("seconds"), metavar="S", help=text)
    text = "of pair, reference-wire, virtio-crypto, aes-ni, aes-generic, devcrypto, openssl (default: all)"
    crypto.add_argument("--only", type=read("contenders"), metavar="NAMES", help=text)
    text = "bytes of an operation (default 16,256,4096,65536,1048576)"
    crypto.add_argument("--sizes", type=read("sizes"), metavar="LIST", help=text)
    text = "how many processes at once (default 1,2,4)"
    crypto.add_argument("--processes", type=read("processes"), metavar="LIST", help=text)
    text = "processors of the guest (default 2)"
    crypto.add_argument("--guest-cpus", type=count_of, default=2, metavar="N", help=text)
    text = "encrypt into other memory; otherwise in place, as openssl speed does"
    crypto.add_argument("--apart", action="store_true", help=text)
    crypto.add_argument("--json", type=Path, metavar="FILE", help="write every value to this file")
    crypto.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart (needs the extra 'bench')")


def add_doctor(doctor: argparse.ArgumentParser) -> None:
    """Add the options of ``doctor``."""
    text = "install the missing packages first (by apt-get, with sudo when not root)"
    # apt-get prints where the object would be printed.
    printing = doctor.add_mutually_exclusive_group()
    printing.add_argument("--install", action="store_true", help=text)
    text = "first end the QEMUs and remove the run directories of crashed runs, each told beforehand"
    doctor.add_argument("--clean-up", action="store_true", help=text)
    text = "ask the package mirrors and the Python index even when nothing has to be fetched"
    doctor.add_argument("--network", action="store_true", help=text)
    text = "read every byte of the cache, to find damaged entries"
    doctor.add_argument("--deep", action="store_true", help=text)
    text = "print a JSON object: status (the worst of ok, warn, fail), and checks: name, status, seen, cure"
    printing.add_argument("--json", action="store_true", help=text)
