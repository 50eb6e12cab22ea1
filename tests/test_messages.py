# SPDX-License-Identifier: GPL-2.0-or-later
"""What the harness raises says what was done, what was seen and what to do, and a page has more of it."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import harness
from harness.artifacts import DoesNotBuildError
from harness.errors import ArtifactError, HarnessError, SetupError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text()
# They end a search or a call inside of one module, and nobody sees them.
ANSWERS = {"BrokenChain", "Discovery", "Refused", "UncertainChain"}
PARTS = ("**Means:**", "**Usually because of:**", "**To do:**")


def _modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(harness.__path__, "harness.")]


def _exceptions() -> dict[str, type[Exception]]:
    """Return all exceptions that modules of the harness define."""
    found = {}
    for name in _modules():
        if name != "harness.__main__":
            for kind in vars(importlib.import_module(name)).values():
                if inspect.isclass(kind) and issubclass(kind, Exception) and kind.__module__ == name:
                    found[kind.__name__] = kind
    return found


EXCEPTIONS = _exceptions()
FAMILY = {name: kind for name, kind in EXCEPTIONS.items() if issubclass(kind, HarnessError)}
ASSERTIONS = {name: kind for name, kind in EXCEPTIONS.items() if issubclass(kind, AssertionError)}
# With these, what to do is always known; what a compiler says of somebody's sources is told to them.
CURED = {
    name
    for name, kind in FAMILY.items()
    if issubclass(kind, SetupError | ArtifactError) and kind is not DoesNotBuildError
}


def _name(node: ast.expr | None) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


@functools.cache
def _sources() -> list[tuple[str, ast.Call | ast.Raise]]:
    """Return what is called and raised in the harness, each with its place."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node)
        for path in sorted((ROOT / "harness").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call | ast.Raise)
    ]


def _says(node: ast.expr) -> bool:
    """Tell whether an argument says something, as far as that can be seen."""
    match node:
        case ast.Constant(value):
            return bool(str(value).strip()) and value is not None
        case ast.JoinedStr(values):
            return bool(values)
    return True


def _unclear(call: ast.Call, name: str) -> str:
    """Return what a call that makes an error leaves out; empty if nothing."""
    given = dict(zip(("doing", "seen", "cure"), call.args, strict=False))
    given |= {word.arg: word.value for word in call.keywords if word.arg}
    wanted = ("doing", "seen", "cure") if name in CURED else ("doing", "seen")
    return ", ".join(part for part in wanted if part not in given or not _says(given[part]))


def section(name: str) -> str:
    """Return what the page says below the heading of a class."""
    _, heading, text = PAGE.partition(f"# {name} {{#{name}}}\n")
    assert heading, f"docs/reference/errors.md has no section for {name}"
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", sorted(FAMILY | ASSERTIONS))
def test_the_page_says_what_it_means_and_what_to_do(name: str) -> None:
    text = section(name)
    assert [part for part in PARTS if part in text] == list(PARTS)


def test_the_page_has_sections_for_no_other() -> None:
    assert set(re.findall(r"\{#(\w+)\}\n\n\*\*Means", PAGE)) == set(FAMILY | ASSERTIONS)


def test_the_tree_of_the_page_is_the_family() -> None:
    tree = PAGE.partition("```text\nHarnessError\n")[2].partition("```")[0]
    assert {"HarnessError", *re.findall(r"\w+Error", tree)} == set(FAMILY)


def test_each_exception_is_of_the_family_or_says_that_a_caller_is_wrong() -> None:
    others = {name for name in EXCEPTIONS if name not in FAMILY | ASSERTIONS}
    assert {name for name in others if not issubclass(EXCEPTIONS[name], ValueError)} == ANSWERS
    public = {name for name in others - ANSWERS if not name.startswith("_")}
    assert [name for name in sorted(public) if f"`{name}`" not in PAGE] == []


def test_each_error_says_what_was_done_and_seen_and_what_to_do() -> None:
    made = [
        (place, node) for place, node in _sources() if isinstance(node, ast.Call) and _name(node) in FAMILY
    ]
    assert len(made) > 200
    unclear = [(place, _unclear(call, _name(call))) for place, call in made]
    assert [f"{place}: without {what}" for place, what in unclear if what] == []


def test_none_is_raised_that_says_nothing() -> None:
    raised = [(place, _name(node.exc)) for place, node in _sources() if isinstance(node, ast.Raise)]
    assert [
        f"{place}: {name}" for place, name in raised if name in {"Exception", "BaseException", "RuntimeError"}
    ] == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('SetupError("a", "b", "c")', ""),
        ('SetupError("a", "b")', "cure"),
        ('SetupError("a", "b", "")', "cure"),
        ('MachineError("a", seen)', ""),
        ('MachineError("a", " ")', "seen"),
        ('MachineError("", f"")', "doing, seen"),
        ("MachineError(seen=x, doing=y)", ""),
        ("MachineError()", "doing, seen"),
        ('DoesNotBuildError("a", b, log=c)', ""),
    ],
)
def test_what_is_left_out_is_seen(line: str, what: str) -> None:
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call)
    assert _unclear(call, _name(call)) == what
