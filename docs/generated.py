# SPDX-License-Identifier: GPL-2.0-or-later
"""What the reference has of the harness itself: commands, options, markers, fixtures.

``python docs/generated.py`` writes it between the marks of each page in :data:`PAGES`; a unit test holds the
pages against it.  Nothing here depends on how a version of Python lays out its help texts.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness import cli, plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOLDER = Path(__file__).resolve().parent
README = FOLDER.parent / "README.md"
BEGIN, END = "<!-- generated: {} -->", "<!-- end of generated: {} -->"
_ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):`~?([^`]+)`")


def marked(text: str, name: str, content: str) -> str:
    """Return a page with new content between the marks of ``name``.

    Raises:
        ValueError: the page does not have these marks, once each and in order.
    """
    begin, end = BEGIN.format(name), END.format(name)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"there is not one {begin} with one {end} behind it")
    return f"{text.partition(begin)[0]}{begin}\n\n{content.strip()}\n\n{end}{text.partition(end)[2]}"


def plain(text: str) -> str:
    """Return a docstring's text as Markdown, on one line: roles and double quotes become code."""
    return " ".join(_ROLE.sub(r"`\1`", text).replace("``", "`").split())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# The command line -------------------------------------------------------------------------------------------


def _leaves(
    parser: argparse.ArgumentParser, words: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield words.strip(), parser
    for action in below:
        for name, command in action.choices.items():
            yield from _leaves(command, f"{words} {name}")


def _told(names: Sequence[str], action: Any) -> str:
    """Return how an option or an argument is typed."""
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    if not names:
        value = value or action.dest
        return f"`[{value}]`" if action.nargs == "?" else f"`{value}`"
    takes = action.nargs != 0
    return ", ".join(f"`{name}{' ' + (value or action.dest.upper()) if takes else ''}`" for name in names)


def _row(action: argparse.Action) -> tuple[str, str]:
    return _told(action.option_strings, action), action.help or ""


def commands() -> str:
    """Return every command of ``python -m harness`` with its arguments and options."""
    leaves = dict(_leaves(cli._parser()))
    given = {
        name: {row: action for action in parser._actions if action.dest != "help" for row in [_row(action)]}
        for name, parser in leaves.items()
    }
    common = set.intersection(*(set(rows) for rows in given.values()))
    order = [row for row in next(iter(given.values())) if row in common]
    parts = ["## Options of all commands", table(("option", "meaning"), order)]
    for name, parser in leaves.items():
        rows = [row for row in given[name] if row not in common]
        places = [action for action in given[name].values() if not action.option_strings]
        typed = [_told((), action).strip("`") for action in places]
        usage = " ".join(["python -m harness", name, *typed, "[options]"])
        parts += [f"## {name}", f"{(parser.description or '').capitalize()}.", f"```sh\n{usage}\n```"]
        parts += [table(("option", "meaning"), rows)] if rows else []
    return "\n\n".join(parts)


# pytest -----------------------------------------------------------------------------------------------------


class _Asked:
    """Stands for pytest's parser and its groups: keeps what is added to it."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def getgroup(self, *_: str) -> _Asked:
        """Return the group: there is one."""
        return self

    def addoption(self, *names: str, **how: Any) -> None:
        """Keep an option."""
        kept = argparse.ArgumentParser(add_help=False).add_argument(*names, **how)
        if kept.help != argparse.SUPPRESS:
            self.rows.append(_row(kept))


def _modules() -> list[Any]:
    return [plugin, *(importlib.import_module(name) for name in plugin.pytest_plugins)]


def pytest_options() -> str:
    """Return the options that the harness adds to pytest."""
    asked = _Asked()
    for module in _modules():
        getattr(module, "pytest_addoption", lambda _: None)(asked)
    return table(("option", "meaning"), asked.rows)


def _markers(*words: str) -> list[tuple[str, str]]:
    with TemporaryDirectory() as empty:
        command = [sys.executable, "-m", "pytest", *words, "--markers", "--rootdir", empty, empty]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=empty).stdout
    return re.findall(r"^@pytest\.mark\.(\w+(?:\([^)]*\))?): (.*)$", told, re.MULTILINE)


def markers() -> str:
    """Return the markers that the harness adds to pytest, as ``pytest --markers`` tells them."""
    others = _markers()
    ours = [marker for marker in _markers("-p", "harness.plugin") if marker not in others]
    return table(("marker", "meaning"), sorted((f"`{name}`", text) for name, text in ours))


def _fixtures(module: Any) -> Iterator[tuple[str, str, str]]:
    """Tell of each public fixture of a module: its name, how long it lives, what it is."""
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        for decorator in node.decorator_list:
            if not ast.unparse(decorator).startswith("pytest.fixture"):
                continue
            how = {word.arg: word.value for word in getattr(decorator, "keywords", ())}
            scope = how.get("scope")
            lives = str(scope.value) if isinstance(scope, ast.Constant) else "function"
            times = f", {len(getattr(how['params'], 'elts', ()))} times" if "params" in how else ""
            yield node.name, f"{lives}{times}", plain(ast.get_docstring(node) or "")


def fixtures() -> str:
    """Return every fixture of the harness with its docstring, in the order of the sources."""
    parts = []
    for module in _modules():
        rows = [(f"`{name}`", lives, text.removeprefix("Return ")) for name, lives, text in _fixtures(module)]
        if rows:
            about = (module.__doc__ or "").strip().rstrip(".")
            parts += [f"## {about}", table(("fixture", "lives for", "is"), rows)]
    return "\n\n".join(parts)


def options() -> str:
    """Return the README's chapter on options and variables: it is written once."""
    return README.read_text().partition("\n### Options and environment variables\n")[2].partition("\n### ")[0]


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "reference/command-line.md": {"commands": commands},
    "reference/pytest.md": {"pytest options": pytest_options, "markers": markers},
    "reference/fixtures.md": {"fixtures": fixtures},
    "reference/options.md": {"options": options},
}


def page(name: str) -> str:
    """Return a page as it should be."""
    text = (FOLDER / name).read_text()
    for part, content in PAGES[name].items():
        text = marked(text, part, content())
    return text


def main() -> None:
    """Write all pages."""
    for name in PAGES:
        (FOLDER / name).write_text(page(name))


if __name__ == "__main__":
    main()
