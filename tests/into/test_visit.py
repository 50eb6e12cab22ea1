# SPDX-License-Identifier: GPL-2.0-or-later
"""Which guest a person enters, and what they are told of one that nobody can enter."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import MachineError
from harness.into import visit
from harness.machine.entrances import MONITOR, SERIAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Terminal:
    def __init__(self, name: str) -> None:
        self.name, self.typed, self.entered, self.closed = name, 0, 0, 0

    def interact(self) -> None:
        self.entered += 1

    def sendline(self) -> None:
        self.typed += 1

    def close(self) -> None:
        self.closed += 1


class _Visitor:
    def __init__(self, *, ssh: bool, serial: bool) -> None:
        self._ssh, self._serial = ssh, serial
        self.inside = _Terminal("ssh")
        self.shell = _Terminal("serial")

    def ssh(self) -> Any:
        if not self._ssh:
            raise MachineError("connecting", "nobody answers")

        @contextmanager
        def terminal(*_: object, **__: object) -> Iterator[_Terminal]:
            yield self.inside

        return SimpleNamespace(terminal=terminal, close=self.inside.close)

    def status(self) -> str:
        return "paused"

    def serial(self) -> _Terminal:
        if not self._serial:
            raise MachineError("asking for a prompt", "it did not come")
        return self.shell


def _machine(folder: Path, *, alive: bool = True, ssh: bool = True, serial: bool = True) -> Any:
    return SimpleNamespace(
        alive=alive,
        run_directory=folder,
        visitor=_Visitor(ssh=ssh, serial=serial),
        identity=SimpleNamespace(hostname=f"guest-{folder.name}", lan_address=None),
        kernel_log=SimpleNamespace(tail=lambda count: ("the last words",)),
    )


def _nobody(text: str) -> str:
    raise AssertionError(text)


def test_one_guest_is_entered_without_a_question(tmp_path: Path) -> None:
    machine = _machine(tmp_path)
    visit.visit([machine], lambda _: None, _nobody)
    assert (machine.visitor.inside.entered, machine.visitor.inside.closed) == (1, 1)
    assert machine.visitor.shell.entered == 0


def test_the_serial_shell_is_second(tmp_path: Path) -> None:
    machine, said = _machine(tmp_path, ssh=False), list[str]()
    visit.enter(machine, said.append, _nobody)
    assert (machine.visitor.shell.entered, machine.visitor.shell.closed) == (1, 1)
    assert said[0] == "it cannot be entered by SSH: nobody answers"


@pytest.mark.parametrize("alive", [True, False])
def test_what_is_left_to_see(tmp_path: Path, alive: bool) -> None:
    (tmp_path / SERIAL).touch()
    machine, said, asked = _machine(tmp_path, alive=alive, ssh=False, serial=False), list[str](), list[str]()

    def ask(text: str) -> str:
        asked.append(text)
        return ""

    visit.enter(machine, said.append, ask)
    text = "\n".join(said)
    assert str(tmp_path / "kernel.log") in text
    assert "the last words" in text
    assert (str(tmp_path / MONITOR) in text) == alive
    assert ("paused" in text) == alive
    assert ("its QEMU has ended" in text) != alive
    assert len(asked) == 1


def test_of_several_the_person_chooses(tmp_path: Path) -> None:
    machines = [_machine(tmp_path / name) for name in ("a", "b")]
    answers = iter(["2", "x", "3", "0", " 1 ", "2", ""])
    said: list[str] = []
    visit.visit(machines, said.append, lambda _: next(answers))
    assert [machine.visitor.inside.entered for machine in machines] == [1, 2]
    assert "  1  guest-a" in said
