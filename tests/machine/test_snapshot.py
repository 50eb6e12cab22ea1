# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots: what they depend on, how QEMU is asked, what is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import MachineError
from harness.machine import snapshot
from harness.machine.accelerator import Accelerator
from harness.machine.command import Plugged
from harness.machine.config import MachineConfig
from harness.machine.entrances import Entrances
from harness.machine.qmp import Event
from harness.machine.snapshot import Snapshot, machine_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(b"head" + bytes(100_000))
    return {
        "qemu": SimpleNamespace(binary=Path("/q/qemu"), firmware=Path("/q/fw"), identity="q"),
        "kernel": SimpleNamespace(image=kernel, identity="k"),
        "image": SimpleNamespace(initramfs=Path("/i/initramfs"), identity="i"),
        "ssh_key": SimpleNamespace(private=Path("/s/key"), public_line="ssh-ed25519 s"),
        "accelerator": Accelerator.TCG,
    }


CHANGES: dict[str, dict[str, Any]] = {
    "another QEMU": {
        "qemu": SimpleNamespace(binary=Path("/q/qemu"), firmware=Path("/q/fw"), identity="other")
    },
    "another image": {"image": SimpleNamespace(initramfs=Path("/i/initramfs"), identity="other")},
    "another SSH key": {"ssh_key": SimpleNamespace(private=Path("/s/key"), public_line="ssh-ed25519 t")},
    "another accelerator": {"accelerator": Accelerator.KVM},
    "more memory": {"memory_mib": 512},
    "more processors": {"cpus": 2},
    "another device": {"devices": ("virtio-cryptodev-pci,max-sessions=4",)},
    "other words for the kernel": {"kernel_args": ("quiet",)},
    "a private network": {"lan": True},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_machine_has_another_snapshot(parts: dict[str, Any], change: dict[str, Any]) -> None:
    assert machine_key(MachineConfig(**parts)) != machine_key(MachineConfig(**parts | change))


def test_another_processor_has_another_snapshot(
    parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = machine_key(MachineConfig(**parts))
    monkeypatch.setattr(snapshot, "_processor", lambda: ["model name: another"])
    assert machine_key(MachineConfig(**parts)) != ours


def test_where_the_artifacts_lie_does_not_matter(parts: dict[str, Any]) -> None:
    elsewhere = {
        "qemu": SimpleNamespace(binary=Path("/x/qemu"), firmware=Path("/x/fw"), identity="q"),
        "run_root": Path("/elsewhere"),
        "timeout_scale": 7.0,
        "keep": True,
        # Nothing that a person comes in by can be seen from inside.
        "entrances": Entrances(monitor=True, gdb=True, keeper=True),
    }
    assert machine_key(MachineConfig(**parts | elsewhere)) == machine_key(MachineConfig(**parts))


class Monitor:
    """Answers as QEMU does; each migration ends with ``status``."""

    def __init__(self, status: str = "completed") -> None:
        self.status, self.commands = status, list[str]()
        # QEMU is not done yet when it says that the migration is.
        self.runstates = iter(["finish-migrate", "finish-migrate", "postmigrate"])

    def mark(self) -> int:
        return len(self.commands)

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        self.commands.append(command)
        if command == "query-status":
            return {"status": next(self.runstates)}
        return {"error-desc": "the disk is full"} if command == "query-migrate" else {}

    def wait_event(self, name: str, match: Mapping[str, Any], *, since: int, timeout: float) -> Event:
        assert (name, self.commands[since]) in {("MIGRATION", "migrate"), ("MIGRATION", "migrate-incoming")}
        assert self.status in match["status"]
        return Event(name, {"status": self.status})


def save(monitor: Monitor, folder: Path, config: MachineConfig, *, in_file: bool = False) -> Snapshot:
    qmp: Any = monitor
    return snapshot.write(
        qmp, folder, config, plugged={"crypto0": Plugged("a-device,x=1", 3)}, memory_in_file=in_file
    )


def test_a_saved_guest_goes_on(parts: dict[str, Any], tmp_path: Path) -> None:
    config = MachineConfig(**parts)
    monitor = Monitor()
    saved = save(monitor, tmp_path, config)
    assert monitor.commands[0] == "stop"
    assert monitor.commands[-1] == "cont"
    assert saved.plugged(config) == {"crypto0": Plugged("a-device,x=1", 3)}
    assert saved.memory is None
    assert stat.S_IMODE(saved.state.stat().st_mode) == 0o600, "keys are in it"


def test_a_guest_whose_memory_is_the_file_stands_still(parts: dict[str, Any], tmp_path: Path) -> None:
    monitor = Monitor()
    save(monitor, tmp_path, MachineConfig(**parts), in_file=True)
    assert "cont" not in monitor.commands


def test_a_save_that_fails_says_why_and_the_guest_goes_on(parts: dict[str, Any], tmp_path: Path) -> None:
    monitor = Monitor("failed")
    with pytest.raises(MachineError, match="the disk is full"):
        save(monitor, tmp_path, MachineConfig(**parts))
    assert monitor.commands[-1] == "cont"


def test_a_snapshot_of_another_machine_is_refused(parts: dict[str, Any], tmp_path: Path) -> None:
    saved = save(Monitor(), tmp_path, MachineConfig(**parts))
    with pytest.raises(MachineError, match="another machine"):
        saved.plugged(MachineConfig(**parts | {"memory_mib": 512}))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"machine": "x", "plugged": {"a": "b"}})])
def test_an_unreadable_snapshot_is_refused(parts: dict[str, Any], tmp_path: Path, text: str) -> None:
    (tmp_path / "snapshot.json").write_text(text)
    with pytest.raises(MachineError, match="no readable snapshot"):
        Snapshot(tmp_path).plugged(MachineConfig(**parts))


def test_a_refused_stream_is_an_error(tmp_path: Path) -> None:
    qmp: Any = Monitor("failed")
    with pytest.raises(MachineError, match=r"restoring the guest.*the disk is full"):
        snapshot.read(qmp, Snapshot(tmp_path))
