# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the test vectors of NIST's validation program (CAVP) and of RFCs that the package brings."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILS = "fails"


def records(path: str) -> Iterator[dict[str, str]]:
    """Yield the records of a file, lazily: their fields by name in lower case, ``[ENCRYPT]`` as ``section``.

    A field in brackets belongs to all records behind it, a name without value (``FAIL``) is the field
    :data:`FAILS`.  A record ends at an empty line.
    """
    common: dict[str, str] = {}
    record: dict[str, str] = {}
    in_brackets = False
    with resources.files("cryptography_vectors").joinpath(path).open(encoding="ascii") as lines:
        for line in (each.strip() for each in lines):
            if line.startswith("["):
                if not in_brackets:
                    common = {}
                name, _, value = line.strip("[]").partition("=")
                name, value = (name, value) if value else ("section", name.lower())
                common[name.strip().lower()] = value.strip()
                in_brackets = True
                continue
            if line and not line.startswith("#"):
                name, found, value = line.partition("=")
                record[name.strip().lower() if found else FAILS] = value.strip() if found else name
            elif not line and record:
                yield common | record
                record, in_brackets = {}, False
    if record:
        yield common | record


def blob(record: dict[str, str], *names: str) -> bytes:
    """Return the bytes of hexadecimal fields, one behind the other."""
    return b"".join(bytes.fromhex(record[name]) for name in names)
