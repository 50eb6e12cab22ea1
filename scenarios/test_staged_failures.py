# SPDX-License-Identifier: GPL-2.0-or-later
"""A failure explains itself: twelve that are staged, and what a person sees of each first.

What is staged is in the folder ``staged``: ``NAME.py`` is the test that fails, ``NAME.patch`` the fault in
our driver, and ``NAME.txt`` what is seen: the first screen of the terminal, and the cause with which the
report begins.  In it ``...`` stands for what differs each time.
"""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.report.model import loads
from harness.report.story import story

STAGED = Path(__file__).with_name("staged")
CHATS = STAGED.parents[1] / "tests" / "foreign"
SCREEN_LINES = 40
COLUMNS = 120
# A driver with a fault, and a chat with another manifest, are put under test as the inner run begins.
MUTANT = """
import pytest

from harness.sut import mutants


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.option.mutant = mutants.read({patch!r})
"""
CHAT = """
import tomllib

import pytest

from harness.plugin import CHAT
from harness.sut.chat_spec import ChatSpec


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    table = tomllib.loads({manifest!r})["chat"]
    config.stash[CHAT] = ChatSpec.from_table(table, {folder!r}, "sut.toml, [chat]")
"""


@dataclass(frozen=True)
class Staged:
    """A failure that is staged.

    Attributes:
        name: of its files.
        cause: what is to be read on the terminal's first screen and in the report's first line.
        scenario: an existing one that fails, ``file.py::test_name``; a test of its own without one.
        options: of pytest.
        chat: the manifest of the chat under test, and what is different in it.
    """

    name: str
    cause: str
    scenario: str = ""
    options: tuple[str, ...] = ()
    chat: tuple[str, str, str] = ("", "", "")

    def source(self) -> str:
        """Return the source of the inner run."""
        own, patch = STAGED / f"{self.name}.py", STAGED / f"{self.name}.patch"
        parts = [MUTANT.format(patch=patch).replace("PosixPath", "Path")] if patch.exists() else []
        if self.chat[0]:
            path, old, new = CHATS / self.chat[0], *self.chat[1:]
            manifest = path.read_text().replace(old, new)
            parts.append(CHAT.format(manifest=manifest, folder=path.parent))
        parts = [part.replace("PosixPath", "Path") for part in parts]
        return "\n".join(("from pathlib import Path", *parts, own.read_text() if own.exists() else ""))


CASES = (
    Staged("panic", "Kernel panic - not syncing: sysrq triggered crash"),
    Staged("kasan", "KASAN: use-after-free in crypto_session_leave"),
    Staged("hang", "is in ioctl CIOCFSESSION of /dev/cryptodev0"),
    Staged(
        "frame",
        "frame 0: byte 103 of its message is 0x20 and not 0x00",
        "test_chat_host.py::test_a_conversation_both_ways[whole]",
        ("--mutant=padded-with-spaces",),
    ),
    Staged(
        "plaintext",
        "plaintext on the wire",
        "test_sut_chat.py::test_nothing_readable_on_the_wire",
        chat=("chat-plain/encrypted.toml", "", ""),
    ),
    Staged("killed", "killed by signal 9 (SIGKILL)"),
    Staged("refused", "no SSH server answers in the guest"),
    Staged(
        "build",
        "broken.c:12: unknown type name",
        "test_sut_builds.py::test_the_driver_builds",
        (f"--sut={CHATS / 'nobuild' / 'sut.toml'}",),
    ),
    Staged(
        "prompt",
        "waiting for the client's prompt 'you: ': it shows 'me: ' instead",
        "test_sut_chat.py::test_each_hears_the_other",
        ("--timeout-scale=0.2",),
        ("chat-old/sut.toml", "connected =", 'client_prompt = "you: "\nconnected ='),
    ),
    Staged("mutex", "It waits for a mutex, in crypto_session_finish() at session.c:N"),
    Staged("memory", "invoked oom-killer"),
    Staged("wait", "waiting for 'password: '"),
)


# What differs from one run to the next.
VOLATILE = (
    (r"guest-[0-9a-f]{6}\b", "guest-N"),
    (r"\[ *\d+\.\d{6}\]", "[N]"),
    (r", \d+\.\d s of them while QEMU was kept from running", ""),
    (r"\b\d+\.\d s\b", "N s"),
    (r"\b(port|pid|PID:|process) \d+\b", r"\1 N"),
    (r"\b(task \w+:)\d+\b", r"\1N"),
    (r"\bsession\.c:\d+", "session.c:N"),
    (r"\+0x[0-9a-f]+/0x[0-9a-f]+", "+N"),
    (r"(\w+-\w+)-[0-9a-f]{8}\.log\b", r"\1-N.log"),
    (rf"{re.escape(str(STAGED.parents[1]))}/", ""),
)


@pytest.fixture
def told(inner_run, artifacts, tmp_path):
    """Return a function that stages a failure: first screen, summary line, and the report's cause."""

    def stage(case):
        folder = tmp_path / "report"
        chosen = [str(Path(__file__).with_name(case.scenario))] if case.scenario else []
        options = ("-p", "test_inner", f"--report={folder}", *case.options, *chosen)
        environment = ("env", "-u", "CI", "LC_ALL=C.UTF-8", f"COLUMNS={COLUMNS}")
        run = inner_run(case.source(), *options, prefix=environment)
        output = run.finish(seconds=120)
        assert run.status == 1, output
        records = map(loads, (folder / "tests.jsonl").read_text().splitlines())
        (cause,) = [why for record in records if (why := story(record))]
        first = [cause.what, *filter(None, [cause.besides])]
        if cause.before is not None:
            first.append(f"before: {cause.before.text}")
        parts = (*_first_screen(output), "\n".join(first))
        return [_lasting(part, artifacts.settings.cache_dir) for part in parts]

    return stage


def _first_screen(output):
    """Return what is seen first of the failures, and the line that sums each up."""
    lines = output.splitlines()
    begin = next(i for i, line in enumerate(lines) if re.fullmatch(r"=+ (FAILURES|ERRORS) =+", line))
    end = next(i for i, line in enumerate(lines) if " generated xml file: " in line)
    summed_up = [line for line in lines[end:] if line.startswith(("FAILED ", "ERROR "))]
    return "\n".join(lines[begin + 1 : end][:SCREEN_LINES]), "\n".join(summed_up)


def _lasting(text, cache):
    """Return a text without what differs from one run to the next."""
    text = text.replace(f"{cache}/", "CACHE/")
    for pattern, instead in VOLATILE:
        text = re.sub(pattern, instead, text)
    return text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_failure_explains_itself(told, case):
    """What failed is read at once, on the terminal's first screen and at the beginning of the report."""
    screen, summed_up, why = told(case)
    seen = f"--- terminal\n{screen}\n--- summary\n{summed_up}\n--- report\n{why}\n"
    golden = doctest.Example("", (STAGED / f"{case.name}.txt").read_text())
    checker = doctest.OutputChecker()
    same = checker.check_output(golden.want, seen, doctest.ELLIPSIS)
    assert same, f"{checker.output_difference(golden, seen, doctest.ELLIPSIS)}\n{seen}"
    assert case.cause in screen
    assert case.cause in why.partition("\n")[0]
