# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest that others are restored from is watched, too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness import room
from harness.artifacts import Replaced
from harness.errors import GuestPanicError, SetupError
from harness.machine import Accelerator, KernelLog, Proof
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline
from harness.machine.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OOPS = b"[    1.5] BUG: unable to handle page fault for address: ffffffffffffffd8\n[    1.6] done\n"


class Machine:
    """A guest that boots, says something, and is saved."""

    says = b""

    def __init__(self, config: object) -> None:
        self.config, self.lifeline, self.pid = config, Lifeline(), 0
        self.identity, self.deadlines = SimpleNamespace(hostname="guest-1"), Deadlines()
        self.kernel_log, self.qemu_log = KernelLog(self.lifeline), KernelLog(self.lifeline)
        self.shell = SimpleNamespace(expect_exact=lambda _: 0)
        self.ssh = SimpleNamespace(close=lambda: None)
        self.abort = self.lifeline.cut

    def boot(self, memory_file: Path) -> None:
        assert memory_file.stat().st_size == 256 << 20
        self.kernel_log.feed(self.says)

    def succeed(self, _: str) -> str:
        return ""

    def save(self, folder: Path) -> Snapshot:
        (folder / "state").touch()
        return Snapshot(folder)

    def close(self) -> None:
        self.kernel_log.end()
        self.qemu_log.end()


def _unstripped() -> None:
    raise SetupError("looking for the module", "it is gone")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Snapshot]:
    """Return a function that makes a ready guest out of a machine that is none."""

    def guest(_: str, make: Callable[[Path], None]) -> Path:
        make(tmp_path)
        return tmp_path

    artifacts: Any = SimpleNamespace(
        guest=guest, replaced=lambda: Replaced(None, None), unstripped=_unstripped
    )
    monkeypatch.setattr(room, "VirtualMachine", Machine)
    monkeypatch.setattr(room, "machine_config", lambda *_, **__: SimpleNamespace(memory_mib=256))
    monkeypatch.setattr(room, "machine_key", lambda _: "key")
    return room.Room(artifacts, Proof(Accelerator.TCG, "a test")).ready


def test_a_sound_guest_is_saved(made: Callable[[], Snapshot], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "says", b"[    1.5] all is well\n")
    assert made().state.exists()


def test_a_guest_whose_kernel_reported_something_is_not(
    made: Callable[[], Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Machine, "says", OOPS)
    with pytest.raises(GuestPanicError, match="unable to handle page fault"):
        made()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_guest_whose_user_failed_lingers_if_somebody_wants_it(wanted: bool) -> None:
    artifacts: Any = SimpleNamespace(replaced=lambda: Replaced(None, None), unstripped=_unstripped)
    ends: list[Callable[[], None]] = []

    def lingers(_: object, end: Callable[[], None]) -> bool:
        ends.append(end)
        return wanted

    guests = room.Room(artifacts, Proof(Accelerator.TCG, "a test"), care=room.Care(lingers=lingers))
    machine: Any = Machine(None)
    with pytest.raises(AssertionError), guests._watched(machine, bool):
        raise AssertionError
    assert guests.machines == ((machine,) if wanted else ())
    assert machine.kernel_log.closed != wanted
    ends[0]()
    assert guests.machines == ()
    assert machine.kernel_log.closed
