# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a run says what happened, needs nothing but itself, and no guest can put anything into it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from harness.machine.journal import Lane, Moment
from harness.report import packing, page
from harness.report.model import Frame, RunRecord, TestRecord
from harness.report.story import story
from tests.report import sample

if TYPE_CHECKING:
    from pathlib import Path

VOID = ("meta", "br", "input")


class Elements(HTMLParser):
    """Gathers elements, their attributes, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words = ""
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.words += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]

    def facts(self) -> list[dict[str, Any]]:
        """Return the details of the tests, unpacked."""
        return [json.loads(gzip.decompress(base64.b64decode(json.loads(text)))) for text in self.scripts[:-1]]


@pytest.fixture(scope="module")
def elements() -> Elements:
    return Elements(page.page(sample.run()))


def _words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_it_says_what_happened_where_and_after_which_keys(elements: Elements) -> None:
    words = _words(elements.words)
    assert words.strip().startswith("6 of 16 tests failed")
    assert "pytest scenarios -n 2 --dist worksteal" in words
    assert "/dev/kvm is not there" in words
    assert f"{sample.PANIC.title} In guest 1, 2.58 s after the test began; 80 ms after the keys" in words
    assert "during the command cryptoctl crypt --cipher aes-cbc --length 48 in guest 1." in words
    assert (
        "In server, 32.45 s after the test began, a wait of 30.0 s for the shell's prompt was in vain; "
        "30.1 s after the keys bye in client." in words
    )
    assert "It hit 2 tests" in words
    assert "at crypt.c:212, in crypto_crypt" in words
    assert "30.0 s ✕ in vain" in words
    assert "Run it again: pytest 'scenarios/test_chat_peer.py::test_the_peer_leaves' --accel tcg" in words


def test_those_that_failed_come_first(elements: Elements) -> None:
    outcomes = [v for tag, name, v in elements.attributes if tag == "details" and name == "data-outcome"]
    assert outcomes == ["failed"] * 5 + ["error"] + ["passed"] * 9 + ["skipped"]


def test_every_link_leads_to_a_test(elements: Elements) -> None:
    identities = elements.values("id")
    assert len(set(identities)) == len(identities)
    links = elements.values("href")
    assert len(links) == 6 + 3 + 2
    assert {link.removeprefix("#") for link in links} < set(identities)
    assert "test-test_chat_peer-py-test_the_peer_leaves" in identities


def test_only_a_few_are_opened() -> None:
    few = sample.run(sample.passing(), sample.kasan(), sample.hung())
    assert Elements(page.page(few)).values("open") == ["", ""]
    many = sample.run(*(sample.kasan(number) for number in range(page.MOST_OPEN + 1)))
    assert not Elements(page.page(many)).values("open")


def test_two_of_one_name_have_two_addresses() -> None:
    identities = Elements(page.page(sample.run(sample.passing(), sample.passing()))).values("id")
    assert [one for one in identities if one.startswith("test-")] == [
        "test-test_chat_guest-py-test_one_types_the_other_reads-0",
        "test-test_chat_guest-py-test_one_types_the_other_reads-0-2",
    ]


@pytest.mark.parametrize(
    ("tests", "verdict"),
    [
        ((sample.passing(), sample.skipped()), "1 test passed, none failed"),
        ((sample.passing(), sample.passing(1)), "2 tests passed, none failed"),
        ((sample.skipped(),), "The test was skipped"),
        ((sample.kasan(),), "The test failed"),
    ],
)
def test_the_verdict(tests: tuple[TestRecord, ...], verdict: str) -> None:
    assert f"<title>{verdict}</title>" in page.page(sample.run(*tests))


def test_a_run_of_nothing() -> None:
    text = page.page(RunRecord(("no colon in it",), "", 0.0, ""))
    assert "No test ran" in text
    assert "What failed" not in text


def test_no_guest_can_put_anything_into_the_page() -> None:
    header = (sample.HOSTILE, f"a: {sample.HOSTILE}")
    wild = RunRecord(header, sample.HOSTILE, 1.0, sample.HOSTILE, (sample.hostile(),))
    tame_test = replace(sample.kasan(), moments=sample.kasan().moments[-3:])
    elements, tame = Elements(page.page(wild)), Elements(page.page(sample.run(tame_test)))
    assert elements.words.count(sample.HOSTILE_SHOWN) >= 10
    assert set(elements.names) == set(tame.names)
    assert not {"img", "link", "iframe", "object", "base", "form", "embed"}.intersection(elements.names)
    assert not [
        name for _, name, _ in elements.attributes if name.startswith("on") or name in ("src", "style")
    ]
    assert all(value.startswith("#test-") for value in elements.values("href"))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", value) for value in elements.values("id"))
    # Its script is ours, and of what is said nothing stands in a script but packed.
    assert elements.scripts[-1] == tame.scripts[-1]
    assert [re.fullmatch(r'"(\w|[+/]|=|\\u\w{4})+"', text) is not None for text in elements.scripts[:-1]] == [
        True
    ]
    assert "alert(1)" not in "".join(elements.scripts)
    said = json.dumps(elements.facts(), ensure_ascii=False)
    assert not re.search(r"[\x00-\x1f\u202e\ud800]|\\u00(?!0a)", said)


def test_the_policy_lets_only_its_own_script_and_style_in(elements: Elements) -> None:
    (policy,) = [value for value in elements.values("content") if "default-src" in value]
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (("script", elements.scripts[-1]), ("style", "".join(elements.styles)))
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def test_the_page_needs_nothing_but_itself(elements: Elements) -> None:
    code = "".join([elements.scripts[-1], *elements.styles])
    # The name of SVG's elements is no address that anything is loaded from.
    rest = code.replace('"http://www.w3.org/2000/svg"', "")
    for way in ("http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest", "import(", "WebSocket"):
        assert way not in rest
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert sink not in code.replace("innerHTML and its like", "")
    assert "prefers-color-scheme: dark" in code
    assert "prefers-reduced-motion" in code
    assert "@media print" in code


def test_controls_are_real_ones(elements: Elements) -> None:
    assert elements.names.count("summary") == 16
    buttons = [value for tag, name, value in elements.attributes if (tag, name) == ("button", "type")]
    assert len(buttons) == elements.names.count("button")
    assert elements.values("aria-keyshortcuts") == ["/"]


def test_the_details_of_a_test(elements: Elements) -> None:
    facts = elements.facts()[1]
    rows, moments = facts["rows"], facts["moments"]
    assert [moment[0] for moment in moments] == sorted(moment[0] for moment in moments)
    failing = moments[facts["failing"]]
    assert rows[failing[1]] == ["kernel", "guest 1"]
    assert failing[2:] == [sample.KASAN.lines[0], 0.006, 1, "\n".join(sample.KASAN.lines)]
    assert rows[moments[facts["before"]][1]] == ["ssh", "guest 1"]
    assert rows[0] == ["keystrokes", "client"]
    crash = facts["crashes"][0]
    assert crash["frames"][1][1:3] == ["crypt.c", 212]
    assert [212, "\tif (copy_from_user(buffer, op->src, op->len)) {"] in crash["frames"][1][3]
    assert facts["screens"][1]["lines"][0] == ["root@guest", 1, ":", 0, "~", 2, "# chat-server", 0]
    assert facts["screens"][1]["styles"] == [[None, None, ""], [2, None, "b"], [4, None, ""], [3, None, ""]]


def test_output_is_told_without_escape_codes(elements: Elements) -> None:
    facts = elements.facts()[3]
    told = {moment[2]: moment[3:] for moment in facts["moments"]}
    assert told["⏎~ # "] == [0.01, 0, "welcome\n~ # "]
    assert next(rest for text, rest in told.items() if text.startswith("client: ")) == []
    # What a device refused is not what went wrong.
    assert told["CIOCFSESSION, result -22, 0.4 ms"] == [0.0004, 2]
    assert "ESC" not in json.dumps(facts)


def test_what_can_be_read_on_the_wire(elements: Elements) -> None:
    assert [frame[4] for frame in elements.facts()[5]["frames"]] == [0, 0, 0, 1]
    assert not packing.readable(Frame(0.0, "client", "ab", "6162"))
    assert not packing.readable(Frame(0.0, "client", "hello", "no hex"))


def test_of_very_many_moments_those_that_matter_are_kept() -> None:
    wait = Moment(40.0, Lane.WAIT, "guest 1", "it", failed=True)
    many = [Moment(number / 100, Lane.SCREEN, "guest 1", "x") for number in range(3 * packing.MOST_MOMENTS)]
    many.insert(4001, wait)
    test = replace(sample.hung(), moments=tuple(many))
    facts = packing.facts(test, story(test))
    assert len(facts["moments"]) + facts["leftOut"] == len(many)
    assert len(facts["moments"]) <= packing.MOST_MOMENTS
    assert facts["moments"][facts["failing"]][2] == "it"


def test_what_json_cannot_hold() -> None:
    moments = (Moment(float("nan"), Lane.KEYS, "", "", float("inf")), Moment(0.0, Lane.KEYS, "", ""))
    test = TestRecord(
        "a", "", "passed", float("nan"), moments=moments, frames=(Frame(float("-inf"), "", "", ""),)
    )
    assert packing.facts(test, None)["moments"] == [[0.0, 0, ""], [0.0, 0, ""]]
    assert packing.packed(test, None)


def test_long_evidence_is_cut_in_the_middle() -> None:
    test = replace(sample.hung(), evidence=tuple(str(number) for number in range(5000)))
    lines = packing.facts(test, None)["evidence"]
    assert (lines[0], lines[-1], len(lines)) == ("0", "4999", packing.MOST_LINES + 1)
    assert "… 3000 lines are left out …" in lines


def test_it_is_the_same_for_the_same_record(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "a.html", tmp_path / "b.html"
    page.write(sample.run(), first)
    page.write(sample.run(), second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_text(encoding="utf-8") == page.page(sample.run())


def test_the_size_of_three_hundred_tests() -> None:
    text = page.page(sample.big())
    assert len(text.encode()) < 10_000_000
    elements = Elements(text)
    assert "15 of 300 tests failed" in elements.words
    assert len(elements.scripts) == 301


def test_what_finds_no_room_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = sample.kasan()
    monkeypatch.setattr(page, "LEAST_BYTES", 11)
    monkeypatch.setattr(page, "MOST_BYTES", len(packing.packed(failed, story(failed))) + 10)
    elements = Elements(page.page(sample.run(sample.passing(), failed)))
    assert len(elements.scripts) == 2
    assert "Its details are left out" in elements.words
