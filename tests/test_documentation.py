# SPDX-License-Identifier: GPL-2.0-or-later
"""The documentation is as the code is, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
_VARIABLE = re.compile(r"\bHARNESS_[A-Z_]+\b")
# Between the harness and its own QEMU: where chains are written, and macros of foreign devices.
_INTERNAL = {
    "HARNESS_WIRETAP",
    "HARNESS_CONVERSATION",
    "HARNESS_VIRTIO_ID",
    "HARNESS_NAMES_H",
    "HARNESS_DEVICE_TYPE",
    "HARNESS_PCI_TYPE",
}


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generated = _module("generated")
hooks = _module("hooks")


def _prose(path: Path) -> str:
    """Return a page without what is code."""
    return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", path.read_text()))


def _anchors(path: Path) -> set[str]:
    """Return the names of a page's headings, as mkdocs and hosts of repositories make them."""
    found = set()
    for title in re.findall(r"^#+ (.*)$", _FENCED.sub("", path.read_text()), re.MULTILINE):
        text, _, given = title.partition(" {#")
        slug = re.sub(r"[^\w\- ]", "", text.replace("`", "")).strip().lower().replace(" ", "-")
        found.add(given.rstrip("}") or slug)
    return found


@pytest.mark.parametrize("name", generated.PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    """`python docs/generated.py` writes it."""
    assert (DOCS / name).read_text() == generated.page(name)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    lost = []
    for link in _LINK.findall(_prose(path)):
        place, _, anchor = link.partition("#")
        target = path.parent / place if place else path
        if re.match(r"https?://|mailto:", link):
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            lost.append(link)
    assert lost == []


def test_the_documentation_says_nothing_of_what_is_outside_of_it() -> None:
    """A page is part of a site: only the README leads from outside into it."""
    outside = [
        f"{path.name}: {link}"
        for path in DOCS.rglob("*.md")
        for link in _LINK.findall(_prose(path))
        if not re.match(r"https?://|#", link)
        and not (path.parent / link.partition("#")[0]).resolve().is_relative_to(DOCS)
    ]
    assert outside == []


def test_each_page_has_its_licence_and_one_title() -> None:
    for path in PAGES:
        text = _FENCED.sub("", path.read_text())
        assert text.startswith("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n# "), path
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, path


def test_each_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    assert named == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def test_each_variable_is_in_the_table() -> None:
    sources = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "scenarios").glob("*.py"), ROOT / "tox.ini"]
    used = {name for path in sources for name in _VARIABLE.findall(path.read_text())} - _INTERNAL
    told = set(_VARIABLE.findall(generated.options()))
    assert {name for name in used if not name.endswith("_")} == told


def test_each_option_of_pytest_is_known_to_the_readme_or_a_page() -> None:
    pages = "".join(path.read_text() for path in PAGES if path.name != "pytest.md")
    options = re.findall(r"`(--[\w-]+)", generated.pytest_options())
    assert options
    assert [option for option in options if option not in pages] == []


def test_marks_are_replaced_between_them_only() -> None:
    text = "a\n<!-- generated: x -->\nold\n<!-- end of generated: x -->\nb\n"
    done = generated.marked(text, "x", "new\n")
    assert done == "a\n<!-- generated: x -->\n\nnew\n\n<!-- end of generated: x -->\nb\n"
    assert generated.marked(done, "x", "new") == done


@pytest.mark.parametrize(
    "text", ["", "<!-- generated: x -->", "<!-- end of generated: x --><!-- generated: x -->"]
)
def test_a_page_without_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there is not one <!-- generated: x -->"):
        generated.marked(text, "x", "new")


def test_docstrings_become_markdown() -> None:
    text = "Return ``a``; see\n  :class:`harness.room.Room` and :meth:`~harness.room.Room.fresh`."
    assert generated.plain(text) == "Return `a`; see `harness.room.Room` and `harness.room.Room.fresh`."


def test_a_bar_does_not_end_a_cell() -> None:
    assert generated.table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |"


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://example.org/a.js">',
        '<img alt="" src="//example.org/a.png">',
        '<link rel="stylesheet" href="https://example.org/a.css">',
        '<link rel="preconnect" href="https://example.org" crossorigin>',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_seen(tag: str) -> None:
    assert hooks.loaded_from_elsewhere(f"<html>{tag}</html>") == [tag]


def test_what_lies_beside_it_and_links_are_not_complained_of() -> None:
    page = '<script src="assets/a.js"></script><link rel="stylesheet" href="a.css"><a href="https://example.org">'
    assert hooks.loaded_from_elsewhere(page) == []


def test_the_tools_are_a_group_of_their_own() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert any(tool.startswith("mkdocs-material") for tool in groups["docs"])
