# SPDX-License-Identifier: GPL-2.0-or-later
"""C sources and makefiles that nobody has built yet, and what is read off their text.

No compiler reads them and no preprocessor: the headers that they need are not there.  They are anybody's, and
nothing here may take time that grows with the square of a text: a search that begins anew at each word does
not run on to the text's end.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CURE = "name the folder that has their sources"
MOST_BYTES = 4 << 20
MAKEFILES = ("Kbuild", "Makefile")
# How often the value of a macro may be another macro.
_MOST_STEPS = 8
# A comment that does not end goes on to the end of the file, as it does for a compiler.  What stands in
# quotes is taken along, since "//" is no comment in there; quotes that are not closed end with their line.
_COMMENT = re.compile(r"(\"(?:\\.|[^\"\\\n])*\"?|'\\?[^\n]')|/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_BRACE = re.compile(r"\"(?:\\.|[^\"\\\n])*\"?|'\\?[^\n]'|[{}]", re.DOTALL)
# A value is all that a line has: what is put together of several is not known here.
_DEFINE = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\"[^\"\\\n]*\"|\(?\w+\)?)[ \t\r]*$", re.MULTILINE
)
_FIELD = r"(?<![\w\])])\.{}\s*=\s*(\"[^\"\\\n]*\"|\w+)\s*(?:,|\Z)"
# "obj-m += a.o b.o", "obj-$(CONFIG_A) := a.o"
_OBJECTS = re.compile(
    r"^[ \t]*(?:override[ \t]+)?obj-(?:m|\$[({]\w+[)}])[ \t]*[:+?]*=([^#\n]*)", re.MULTILINE
)


@dataclass(frozen=True)
class Sources:
    """C sources and makefiles below a folder, without the comments of C.

    Attributes:
        root: the folder.
        texts: path from the folder on → text.
    """

    root: Path
    texts: Mapping[Path, str]

    @classmethod
    def below(cls, root: Path) -> Sources:
        """Read what is below a folder; hidden files and folders are not looked at.

        Raises:
            SetupError: there is no such folder, no C file in it, or something in it that may not be read.
        """
        doing = f"looking at {root}"
        texts: dict[Path, str] = {}
        try:
            if not _is_folder(root):
                raise SetupError(doing, "there is no such folder", CURE)
            for path in _files(root):
                text = path.read_text("utf-8", errors="replace")
                texts[path.relative_to(root)] = _COMMENT.sub(_kept, text) if path.suffix else text
        except OSError as error:
            seen = f"{error.filename}: {error.strerror or error}"
            cure = "make it readable for you, or name a folder without it"
            raise SetupError(doing, seen, cure) from error
        if not any(path.suffix == ".c" for path in texts):
            raise SetupError(doing, "there is no C file in it", CURE)
        return cls(root, texts)

    def having(self, pattern: re.Pattern[str]) -> list[Path]:
        """Return the C files in which a pattern is found."""
        return [path for path, text in self.texts.items() if path.suffix == ".c" and pattern.search(text)]

    def inside(self, folder: Path) -> Sources:
        """Return those below one folder, by paths as before."""
        return Sources(self.root, {p: t for p, t in self.texts.items() if p.is_relative_to(folder)})

    @functools.cached_property
    def all(self) -> str:
        """Every text, one after the other."""
        return "\n".join(self.texts.values())

    @functools.cached_property
    def macros(self) -> Mapping[str, Sequence[str]]:
        """The macros that are one word, by name: their different values, strings with their quotes."""
        found: dict[str, dict[str, None]] = {}
        for name, value in _DEFINE.findall(self.all):
            found.setdefault(name, {})[value if value.startswith('"') else value.strip("()")] = None
        return {name: tuple(values) for name, values in found.items()}

    def literals(self, word: str) -> set[str]:
        """Return the numbers and strings, these with their quotes, that a word can stand for.

        A literal stands for itself; a macro for what its values stand for, whichever of them is compiled.
        """
        found: set[str] = set()
        words = {word}
        for _ in range(_MOST_STEPS):
            found |= {each for each in words if each[0] in '"0123456789'}
            words = {value for each in words - found for value in self.macros.get(each, ())}
        return found

    def initialised(self, struct: str) -> Iterator[str]:
        """Yield what stands in the braces of each variable of a type, without what stands in braces in there.

        Of an array, what stands in the braces of each element.
        """
        for text in self.texts.values():
            yield from _initialised(text, struct)

    def made_in(self, folder: Path) -> list[str]:
        """Return the objects, without ``.o``, that the makefiles right in a folder make modules of.

        A right-hand side with variables is one object, as it is written.
        """
        texts = (self.texts.get(folder / name, "") for name in MAKEFILES)
        return [name for text in texts for name in _objects(text)]

    def made(self) -> list[str]:
        """Return the objects of all makefiles; see :meth:`made_in`."""
        folders = sorted({path.parent for path in self.texts if path.name in MAKEFILES})
        return [name for folder in folders for name in self.made_in(folder)]


def fields(body: str, name: str) -> list[str]:
    """Return what a field is given in an initialiser: a string with its quotes, a number or a word."""
    return re.findall(_FIELD.format(name), body)


def _files(root: Path) -> list[Path]:
    """Return the sources below a folder.

    ``Path.rglob`` passes over a folder that may not be read: half of a system would be missing in silence.

    Raises:
        OSError: a folder cannot be read, or a file not be looked at.
    """

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += (Path(folder, name) for name in names if not name.startswith("."))
    return sorted(path for path in found if _is_source(path))


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_source(path: Path) -> bool:
    if path.suffix not in {".c", ".h"} and path.name not in MAKEFILES:
        return False
    try:
        status = path.stat()
    except FileNotFoundError:
        # A link that leads nowhere.
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= MOST_BYTES


def _kept(found: re.Match[str]) -> str:
    """Return what is left of a comment, or of something in quotes."""
    return found[1] or " "


def _initialised(text: str, struct: str) -> Iterator[str]:
    # The declarator's length is bounded: a word without an initialiser must not be searched for one for long.
    pattern = re.compile(rf"\b{struct}\b(?:\s*\)|([^;{{}}=]{{0,200}})=)\s*\{{")
    ends: dict[int, int] | None = None
    behind = 0
    for found in pattern.finditer(text):
        ends = _ends(text) if ends is None else ends
        start, end = found.end(), ends.get(found.end() - 1, -1)
        if found.start() < behind or end < 0:
            continue
        behind = end
        outer, inner = _levels(text[start:end])
        if "[" in (found[1] or ""):
            yield from (_levels(element)[0] for element in inner)
        else:
            yield outer


def _ends(text: str) -> dict[int, int]:
    """Return where each brace of a text is closed."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            ends[opened.pop()] = brace.start()
    return ends


def _levels(text: str) -> tuple[str, list[str]]:
    """Return what of a text stands outside of all braces, and what stands in each of the outermost ones."""
    ends = _ends(text)
    outside: list[str] = []
    inside: list[str] = []
    behind = 0
    for start in sorted(ends):
        if start >= behind:
            outside.append(text[behind:start])
            inside.append(text[start + 1 : ends[start]])
            behind = ends[start] + 1
    return "".join([*outside, text[behind:]]), inside


def _objects(text: str) -> Iterator[str]:
    for right in _OBJECTS.findall(text.replace("\\\r\n", " ").replace("\\\n", " ")):
        for word in [right.strip()] if "$" in right else right.split():
            # What ends in a slash is a folder that has a makefile of its own.
            if "$" in word:
                yield word.removesuffix(".o")
            elif word.endswith(".o"):
                yield word.removesuffix(".o").rpartition("/")[2]
