# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as one HTML page that needs nothing but itself: it opens from a file, and asks no network.

What is shown was said by guests and a system under test, which are hostile.  The template escapes everything;
what the script shows it sets as text, never as HTML, and the page forbids itself anything else: only the one
script whose hash it names runs, nothing is loaded, and strings are not taken for HTML.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.artifacts.progress import duration
from harness.report.packing import packed
from harness.report.story import BAD, Story, distinct, slowest, story
from harness.report.text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.report.model import RunRecord, TestRecord

OUTCOMES = ("failed", "error", "passed", "skipped")
# Of the details of tests, packed; a page has to open in a browser on a phone.
MOST_BYTES = 9_000_000
# What is left of that is not worth an attempt: to draw screens takes time.
LEAST_BYTES = 4096
# More than this many opened at once hide each other.
MOST_OPEN = 3
MOST_FAILURES = 40
MOST_CRASHES = 20
MOST_LINKS = 8

_SCRIPTS = ("elements.js", "timeline.js", "details.js", "page.js")
_STYLES = ("page.css", "details.css")
_NO_ANCHOR = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True)
class Shown:
    """A test as the page shows it.

    Attributes:
        test: what is known of it.
        anchor: what a link to it ends in, after the ``#``.
        outcome: one of :data:`OUTCOMES`.
        story: why it failed; None if it did not.
        open: whether its details are open from the beginning.
        details: packed; empty if the page would become too big with them.
    """

    test: TestRecord
    anchor: str
    outcome: str
    story: Story | None
    open: bool
    details: str


def write(record: RunRecord, path: Path) -> None:
    """Write the page of a run.

    Raises:
        OSError: it cannot be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(record), encoding="utf-8", newline="\n")


def page(record: RunRecord) -> str:
    """Return the page of a run: the same for the same record."""
    tests = _shown(record.tests)
    counts = {outcome: sum(one.outcome == outcome for one in tests) for outcome in OUTCOMES}
    script, style = _files(_SCRIPTS), _files(_STYLES)
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markup is a str too: it is only what this module makes of its own files.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.filters |= {"duration": duration, "one_line": one_line, "fact": _fact, "lag": _lag}
    return environment.get_template("page.html").render(
        record=record,
        tests=tests,
        anchors={one.test.name: one.anchor for one in reversed(tests)},
        bad=[one for one in tests if one.story],
        counts=counts,
        verdict=_verdict(counts),
        crashes=distinct(record.tests),
        waits=slowest(record.tests),
        most_failures=MOST_FAILURES,
        most_crashes=MOST_CRASHES,
        most_links=MOST_LINKS,
        script=Markup(script),  # noqa: S704
        style=Markup(style),  # noqa: S704
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def anchor(name: str) -> str:
    """Return what a link to a test ends in: ``test-test_chat_guest-py-test_hello-1``."""
    return f"test-{_NO_ANCHOR.sub('-', name.removeprefix('scenarios/')).strip('-')[:120]}"


def _shown(tests: Iterable[TestRecord]) -> list[Shown]:
    """Return the tests, those that failed first, in the order in which they ended."""
    ordered = sorted(tests, key=lambda test: OUTCOMES.index(_outcome(test)))
    few = sum(test.outcome in BAD for test in ordered) <= MOST_OPEN
    anchors: set[str] = set()
    shown = []
    room = MOST_BYTES
    for test in ordered:
        told = story(test)
        # Those that failed come first: it is the details of passed tests that find no room.
        details = packed(test, told) if room >= LEAST_BYTES else ""
        if len(details) > room:
            details = ""
        room -= len(details)
        shown.append(
            Shown(
                test, _unused(anchor(test.name), anchors), _outcome(test), told, few and bool(told), details
            )
        )
    return shown


def _outcome(test: TestRecord) -> str:
    return test.outcome if test.outcome in OUTCOMES else "error"


def _unused(wanted: str, anchors: set[str]) -> str:
    found, number = wanted, 1
    while found in anchors:
        number += 1
        found = f"{wanted}-{number}"
    anchors.add(found)
    return found


def _verdict(counts: dict[str, int]) -> str:
    """Return in one line how a run went."""
    every = sum(counts.values())
    if not every:
        return "No test ran"
    bad = counts["failed"] + counts["error"]
    if bad:
        return f"{bad} of {every} tests failed" if every > 1 else "The test failed"
    if not counts["passed"]:
        return f"All {every} tests were skipped" if every > 1 else "The test was skipped"
    passed = counts["passed"]
    return f"{passed} {'tests' if passed > 1 else 'test'} passed, none failed"


def _fact(line: str) -> tuple[str, str]:
    """Return what a line of the header is about, and what it says of it."""
    about, colon, rest = line.partition(": ")
    return (about.strip(), rest.strip()) if colon and len(about) <= 30 else ("", line.strip())


def _lag(seconds: float) -> str:
    """Return a duration that may be very short as a person says it."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.95 else duration(seconds)


def _files(names: Iterable[str]) -> str:
    folder = resources.files("harness.report") / "templates"
    return "\n" + "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> Markup:
    """Return how a content security policy names what may stand in the page."""
    digest: Any = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(f"'sha256-{digest}'")  # noqa: S704
