# SPDX-License-Identifier: GPL-2.0-or-later
"""The trial of KVM, with guests that a script plays instead of QEMU."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.machine import Accelerator, MachineConfig, Proof
from harness.machine.trial import boot_under_kvm, choose_accelerator

if TYPE_CHECKING:
    from pathlib import Path

# A QEMU's stand-in: its two serial ports are the sockets whose numbers are on its command line.
PLAY = """#!{python}
import json, os, re, sys, time
fds = {{name: int(fd) for name, fd in re.findall(r"socket,id=([a-z-]+),fd=(\\d+)", " ".join(sys.argv))}}
qmp = os.fdopen(fds["qmp"], "r+b", buffering=0)
qmp.write(b'{{"QMP": {{"version": {{}}, "capabilities": []}}}}\\n')
request = json.loads(qmp.read(4096))  # no line feed ends it
answer = {{"return": {{}}, **{{key: request[key] for key in request if key == "id"}}}}
qmp.write(json.dumps(answer).encode() + b"\\n")
def say(port, text):
    os.write(fds[port], text.encode())
"""

# It says that it is up, and agrees to be whoever it is told to be.
READY = (
    "say('identityd', 'ready\\n'); os.read(fds['identityd'], 9999); say('identityd', 'ok\\n'); time.sleep(60)"
)


def config(tmp_path: Path, play: str) -> MachineConfig:
    program = tmp_path / "qemu"
    program.write_text(PLAY.format(python=sys.executable) + play)
    program.chmod(0o755)
    return MachineConfig(
        qemu=SimpleNamespace(
            binary=program, firmware=tmp_path, identity="q", environment=(), last_words=False
        ),
        kernel=SimpleNamespace(image=tmp_path, identity="k"),
        image=SimpleNamespace(initramfs=tmp_path, identity="i"),
        ssh_key=SimpleNamespace(private=tmp_path, public_line="s"),
        accelerator=Accelerator.TCG,
        run_root=tmp_path / "run",
    )


def test_a_guest_that_becomes_ready(tmp_path: Path) -> None:
    verdict = boot_under_kvm(config(tmp_path, READY))
    assert verdict.works
    assert verdict.seen.startswith("the guest booted under it in ")


def test_a_guest_that_never_speaks(tmp_path: Path) -> None:
    start = time.monotonic()
    verdict = boot_under_kvm(config(tmp_path, "time.sleep(60)"), silence=0.3)
    assert not verdict.works
    assert verdict.seen == "the guest kernel printed nothing under it for 0.3 s"
    assert time.monotonic() - start < 30


def test_a_guest_that_falls_silent(tmp_path: Path) -> None:
    verdict = boot_under_kvm(config(tmp_path, "say('kernel-log', 'one\\ntwo\\n'); time.sleep(60)"), silence=3)
    # Silence is counted from before the start, and a busy machine takes its time to start an interpreter.
    assert verdict.seen == "the guest kernel fell silent after 2 lines under it for 3 s"


def test_a_qemu_that_gives_up(tmp_path: Path) -> None:
    start = time.monotonic()
    verdict = boot_under_kvm(config(tmp_path, "sys.exit('qemu-system-x86_64: ../target/kvm.c:1: no')"))
    assert not verdict.works
    assert verdict.seen == "the guest did not boot under it: no"
    assert time.monotonic() - start < 30


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    boot_under_kvm(config(tmp_path, "time.sleep(60)"), silence=0.2)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


def test_the_choice(tmp_path: Path) -> None:
    guest = config(tmp_path, "sys.exit(1)")
    assert choose_accelerator("tcg", guest, cache_dir=tmp_path) == Proof(
        Accelerator.TCG, "TCG: it was asked for"
    )
    with pytest.raises(SetupError):
        choose_accelerator("xen", guest, cache_dir=tmp_path)
