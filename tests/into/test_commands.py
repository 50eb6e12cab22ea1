# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of ``shell``, ``replay`` and pytest that lead into the machine, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness import cli, into_commands
from harness.artifacts import REPOSITORY
from harness.into.panes import Pane

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def _options(*words: str) -> argparse.Namespace:
    return cli._parser().parse_args(words)


@pytest.mark.parametrize(
    ("words", "chat"), [([], None), (["--chat"], "one"), (["--chat", "one"], "one"), (["--chat=two"], "two")]
)
def test_a_chat_in_one_guest_or_in_two(words: list[str], chat: str | None) -> None:
    assert _options("shell", *words).chat == chat


@pytest.mark.parametrize(
    "words",
    [
        ["shell", "--chat", "three"],
        ["shell", "--mutant", "nobody"],
        ["replay"],
        ["replay", "a::b", "--mutant", "x"],
    ],
)
def test_wrong_words_are_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["shell", "--chat", "--gdb"], "--gdb does not go with --chat"),
        (["shell", "--chat"], "no terminal"),
        (["replay", "a.trace", "--gdb"], "--gdb is for tests"),
        (["replay", "a.trace", "--sut", "sut.toml"], "--sut is for tests"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    words: list[str],
    seen: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([*words, f"--cache-dir={tmp_path}/cache"]) == 2
    said = capsys.readouterr().err
    assert seen in said
    assert said.count("\n") == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("program", "package"), [("tmux", "tmux"), ("ssh", "openssh-client")])
def test_a_chat_says_what_to_install(
    program: str, package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else f"/usr/bin/{name}")
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert cli.main(["shell", "--chat"]) == 1
    assert f"apt-get install {package}" in capsys.readouterr().err


def test_a_trace_or_a_test() -> None:
    assert into_commands.is_test("scenarios/test_driver.py::test_three_devices[x]")
    assert not into_commands.is_test("out/finding-7-4711.trace")
    assert not into_commands.is_test("-")


def test_the_words_for_a_test_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--accel=tcg", "--kernel=debug", "--sut=sut.toml", "--gdb", f"--cache-dir={tmp_path}"]
    told = into_commands.test_words(_options("replay", "test_driver.py::test_three_devices", *words))
    assert {"--accel=tcg", "--kernel=debug", "--by-hand", "--gdb=go", f"--sut={tmp_path}/sut.toml"} <= set(
        told
    )
    assert told[-1] == f"{REPOSITORY}/scenarios/test_driver.py::test_three_devices"


def test_a_file_that_is_here_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_driver.py").touch()
    assert (
        into_commands.test_words(_options("replay", "test_driver.py::test_x"))[-1] == "test_driver.py::test_x"
    )


def test_a_test_by_hand_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "test_driver.py::test_three_devices"]) == 2
    assert "needs a terminal" in capsys.readouterr().err


def test_a_pane_stays_until_it_was_read() -> None:
    line = Pane("client", ["sh", "-c", "echo 'said a word'; exit 3"]).line
    done = subprocess.run(
        ["sh", "-c", line], input="\n", capture_output=True, text=True, check=True, timeout=10
    )
    assert done.stdout == "said a word\n\n[ended with status 3: press Enter] "


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["--shell-on-failure"], "--shell-on-failure needs a terminal"),
        (["--by-hand"], "replay of a test needs a terminal"),
        (["--gdb", "-n2"], "--gdb and -n do not go together"),
        (["--shell-on-failure", "-n2"], "--shell-on-failure and -n do not go together"),
        (["--gdb=never"], "invalid choice"),
    ],
)
def test_pytest_refuses(words: list[str], seen: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-c", "/dev/null", *words]
    done = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 4
    assert seen in done.stderr
