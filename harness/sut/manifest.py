# SPDX-License-Identifier: GPL-2.0-or-later
"""A placeholder for what reads manifests: only the name and the kind."""

from __future__ import annotations

import enum
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path


class Kind(enum.StrEnum):
    """What is under test."""

    PAIR = "pair"
    DRIVER = "driver"
    DEVICE = "device"
    NATIVE = "native"
    CHAT = "chat"
    BUNDLED = "bundled"


@dataclass(frozen=True)
class Manifest:
    """What a manifest says."""

    name: str
    kind: Kind


def load(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        SetupError: it cannot be read.
    """
    try:
        facts = tomllib.loads(path.read_text("utf-8"))
        return Manifest(facts["name"], Kind(facts["kind"]))
    except (OSError, KeyError, ValueError) as error:
        seen = getattr(error, "strerror", None) or str(error)
        raise SetupError(f"reading {path}", seen) from error
