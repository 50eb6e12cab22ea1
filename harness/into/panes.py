# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs side by side in the terminal: a tmux of our own, which ends with us."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.machine.keeper import bound_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SOCKET = "tmux.sock"
# What is said when a program has ended: it stays to be read until somebody has.
_ENDED = '"$@"; printf "\\n[ended with status %s: press Enter] " $?; read -r _'
_HELP = " Ctrl-b o: the other side | Ctrl-b d: leave, all ends | "
_START_SECONDS = 10.0
_COMMAND_SECONDS = 10.0
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Pane:
    """A program in its part of the window.

    Attributes:
        title: what stands above it.
        command: its words.
    """

    title: str
    command: Sequence[str]

    @property
    def line(self) -> str:
        """What tmux has its shell run."""
        return shlex.join(["sh", "-c", _ENDED, "sh", *self.command])


def require_programs() -> None:
    """See that all that is needed is there.

    Raises:
        SetupError: tmux or ssh is not installed.
    """
    for program, package in (("tmux", "tmux"), ("ssh", "openssh-client")):
        if shutil.which(program) is None:
            raise SetupError(
                "opening a chat in the terminal", f"there is no {program}", f"apt-get install {package}"
            )


class Panes:
    """A window in parts; a tmux server behind a socket that nobody else knows."""

    def __init__(self, socket: Path, hint: str = "") -> None:
        """Use a server behind ``socket``; see :func:`panes`."""
        self._hint = _HELP + hint
        self._tmux = ["tmux", "-u", "-S", str(socket), "-f", os.devnull]
        # Whoever is in a tmux already is to see this one in it.
        self._environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        self._begun = False

    def add(self, pane: Pane) -> None:
        """Start a program to the right of the others.

        Raises:
            SetupError: tmux refuses.
        """
        if self._begun:
            self._command("split-window", "-h", pane.line)
        else:
            size = shutil.get_terminal_size()
            where = ["-x", str(size.columns), "-y", str(size.lines)]
            self._command("new-session", "-d", "-s", "harness", *where, pane.line)
            self._begun = True
            for option, value in (
                ("pane-border-status", "top"),
                ("pane-border-format", " #{pane_title} "),
                ("status-left", self._hint),
                ("status-left-length", str(len(self._hint))),
                ("status-right", ""),
                ("window-status-format", ""),
                ("window-status-current-format", ""),
                ("allow-rename", "off"),
                ("set-titles", "off"),
            ):
                self._command("set-option", "-g", option, value)
        self._command("select-pane", "-T", pane.title)
        self._command("select-layout", "even-horizontal")

    @property
    def pid(self) -> int:
        """The process number of what was started last."""
        return int(self._command("display-message", "-p", "#{pane_pid}"))

    def show(self) -> None:
        """Let the person in; returns when they leave, or when all programs have ended."""
        subprocess.run([*self._tmux, "attach-session", "-t", "harness"], check=False, env=self._environment)

    def end(self) -> None:
        """End all programs."""
        subprocess.run(
            [*self._tmux, "kill-server"],
            check=False,
            capture_output=True,
            env=self._environment,
            timeout=_COMMAND_SECONDS,
        )

    def serve(self) -> list[str]:
        """Return the command of the server, which does not leave who starts it."""
        return [*self._tmux, "-D"]

    def answers(self) -> bool:
        """Whether the server is there."""
        asked = [*self._tmux, "show-options", "-g", "status"]
        return (
            subprocess.run(asked, check=False, capture_output=True, timeout=_COMMAND_SECONDS).returncode == 0
        )

    def _command(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words],
            check=False,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=_COMMAND_SECONDS,
        )
        if done.returncode:
            seen = done.stderr.strip() or f"status {done.returncode}"
            raise SetupError(f"asking tmux to {words[0]}", seen, "tmux 3.1 or newer is needed: see tmux -V")
        return done.stdout


@contextmanager
def panes(folder: Path, hint: str = "") -> Iterator[Panes]:
    """Start a tmux server that dies with this process, however that ends; its socket is in ``folder``.

    ``hint`` is shown below.

    Raises:
        SetupError: tmux does not start.
    """
    socket = folder / SOCKET
    window = Panes(socket, hint)
    server = subprocess.Popen(
        bound_to(os.getpid(), window.serve()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not (socket.exists() and window.answers()):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SetupError("starting tmux", "it does not answer", "it has to be tmux 3.2 or newer")
            time.sleep(0.02)
        yield window
    finally:
        window.end()
        try:
            server.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(_END_SECONDS)
