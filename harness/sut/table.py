# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of a manifest, read key by key: what is wrong with one is told on a line that names it."""

from __future__ import annotations

import shlex
import string
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

KEYS_CURE = "docs/chat.md explains the keys"
_HEX = "hex:"


def is_folder(path: Path) -> bool:
    """Tell whether a folder is there; what can be no path at all is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Tell whether a file is there; what can be no path at all is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class Table:
    """A table; each method takes a key's value, or the default where it is missing.

    Every one raises :class:`SetupError` for a value of another kind than it asks for.
    """

    def __init__(self, mapping: Mapping[str, object], where: str) -> None:
        """Read ``mapping``, which errors call ``where``."""
        self.where = where
        self._mapping = mapping
        self._known: set[str] = set()

    def wrong(self, key: str, seen: object, expected: str) -> SetupError:
        """Return the error that tells what was seen and what is expected."""
        return SetupError(f"reading {self.where}", f"{key} is {seen!r}, expected {expected}", KEYS_CURE)

    def text(self, key: str, default: str, *, least: int = 0) -> str:
        """Return a text of at least ``least`` characters, without a line break."""
        value = self._value(key, default)
        if not isinstance(value, str) or len(value) < least or set("\n\0").intersection(value):
            raise self.wrong(key, value, "a text on one line" + (" that is not empty" if least else ""))
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """Return a whole number from ``least`` to ``most``."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, value, f"a number from {least} to {most}")
        return value

    def choice(self, key: str, default: str, choices: Iterable[str]) -> str:
        """Return one of some words."""
        value, words = self._value(key, default), [str(choice) for choice in choices]
        if value not in words:
            raise self.wrong(key, value, " or ".join(repr(word) for word in words))
        return str(value)

    def octets(self, key: str, default: bytes, sizes: Collection[int]) -> bytes:
        """Return bytes of one of some lengths, written as text or as ``hex:`` and their digits."""
        value = self._value(key, default)
        expected = f"{' or '.join(map(str, sizes))} bytes, as text or as hex:…"
        if isinstance(value, str):
            try:
                digits = value.removeprefix(_HEX)
                value = bytes.fromhex(digits) if value.startswith(_HEX) else value.encode()
            except ValueError:
                raise self.wrong(key, self._mapping[key], expected) from None
        if not isinstance(value, bytes):
            raise self.wrong(key, value, expected)
        if len(value) not in sizes:
            raise self.wrong(key, self._mapping.get(key, value), f"{expected} (it has {len(value)})")
        return value

    def folder(self, key: str, start: Path) -> Path:
        """Return a folder that exists, relative to ``start``; that one itself by default."""
        name = self.text(key, ".", least=1)
        if not is_folder(start / name):
            raise self.wrong(key, name, f"a folder in {start}")
        return (start / name).resolve()

    def sources(self, key: str, folder: Path) -> tuple[str, ...]:
        """Return names of files that exist in ``folder``; none by default."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self.wrong(key, value, "a list of C files")
        for name in value:
            if not is_file(folder / name):
                raise self.wrong(key, name, f"a file in {folder}")
        return tuple(value)

    def command(self, key: str, placeholders: Collection[str]) -> tuple[str, ...]:
        """Return a command's words, in which only some ``{…}`` may stand; none by default."""
        value = self.text(key, "")
        allowed = " ".join(f"{{{name}}}" for name in sorted(placeholders))
        expected = f"a command in which of {{…}} only {allowed} may stand"
        try:
            words = shlex.split(value)
            fields = [field[1:] for word in words for field in string.Formatter().parse(word)]
        except ValueError as error:
            raise self.wrong(key, value, f"{expected} ({error})") from None
        for name, how, conversion in fields:
            if name is not None and (name not in placeholders or how or conversion):
                raise self.wrong(key, value, expected)
        return tuple(words)

    def nothing_else(self) -> None:
        """Raise :class:`SetupError` if there is a key that nobody has asked for."""
        for key in self._mapping:
            if key not in self._known:
                expected = ", ".join(sorted(self._known))
                seen = f"{key} is no key of it, expected one of {expected}"
                raise SetupError(f"reading {self.where}", seen, KEYS_CURE)

    def _value(self, key: str, default: object) -> object:
        self._known.add(key)
        return self._mapping.get(key, default)
