# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are kept: told from dead ones, named, ended."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import HarnessError
from harness.into import kept
from harness.machine.visitor import Way

# Holds the lock of a run directory, and removes it at SIGTERM, as a keeper does.
_HOLDER = """
import fcntl, os, shutil, signal, sys
lock = os.open(sys.argv[1] + "/lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(shutil.rmtree(sys.argv[1])))
print("held", flush=True)
signal.pause()
"""


def _folder(root: Path, name: str, since: float, keeper: int) -> Path:
    folder = root / f"run-{name}"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    facts = {
        "test": f"test of {name}",
        "ssh": "ssh …",
        "folder": "/elsewhere",
        "keeper": keeper,
        "since": since,
    }
    (folder / kept.FILE).write_text(json.dumps(facts))
    return folder


def test_only_those_whose_lock_is_held_live(tmp_path: Path) -> None:
    held = [_folder(tmp_path, "b", 1.0, 1), _folder(tmp_path, "a", 2.0, 1)]
    _folder(tmp_path, "dead", 0.0, 1)
    (tmp_path / "run-other").mkdir()
    (_folder(tmp_path, "broken", 0.0, 1) / kept.FILE).write_text("{")
    locks = [os.open(folder / "lock", os.O_RDWR) for folder in held]
    try:
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert [guest.name for guest in kept.living(tmp_path)] == ["b", "a"]
        assert [guest.folder for guest in kept.named("a", tmp_path)] == [held[1]]
        assert len(kept.named("all", tmp_path)) == 2
        with pytest.raises(HarnessError, match="there is no dead"):
            kept.named("dead", tmp_path)
    finally:
        for lock in locks:
            os.close(lock)


def test_a_guest_is_ended_with_all_that_is_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    root = tmp_path / "virtio-cryptodev-harness"
    folder = _folder(root, "mine", 3.0, 0)
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, folder], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        facts = json.loads((folder / kept.FILE).read_text())
        (folder / kept.FILE).write_text(json.dumps({**facts, "keeper": holder.pid}))
        assert main(["kept"]) == 0
        assert "python -m harness kept --end mine" in capsys.readouterr().out
        assert main(["kept", "--end", "mine"]) == 0
        assert capsys.readouterr().out == "ended: guest mine of test of mine\n"
        assert not folder.exists()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate(timeout=10)
    assert main(["kept"]) == 0
    assert capsys.readouterr().out == "no guest is kept\n"
    assert main(["kept", "--end", "mine"]) == 1


def test_a_dead_guest_is_not_kept() -> None:
    machine: Any = type("Machine", (), {"alive": False, "keeper": 1})()
    with pytest.raises(HarnessError, match="its QEMU has ended"):
        kept.keep(machine, "a test")


def test_the_ssh_line() -> None:
    line = Way(Path("/keys/my key"), 40022, Path("/run/known_hosts")).line
    assert line.startswith("ssh -F none -i '/keys/my key' -p 40022 ")
    assert "-o UserKnownHostsFile=/run/known_hosts -o StrictHostKeyChecking=yes" in line
    assert line.endswith(" root@127.0.0.1")
