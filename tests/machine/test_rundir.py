# SPDX-License-Identifier: GPL-2.0-or-later
"""Run directories: private, short-lived, and swept when their owner died."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.errors import SetupError
from harness.machine.rundir import RunDirectory, runtime_root, sweep

HOLD = """
import sys
import time
from pathlib import Path
from harness.machine.rundir import RunDirectory
run = RunDirectory.create(Path(sys.argv[1]), keep=sys.argv[2] == "keep")
if sys.argv[2] == "keep":
    run.close()
if sys.argv[2] == "bury me not":
    run._undertaker.kill()
    run._undertaker.wait()
print(run.path, flush=True)
sys.stdin.read()
"""


def test_it_is_private_and_goes_away(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "root")
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "root").stat().st_mode) == 0o700
    run.file("x").write_text("x")
    run.close()
    run.close()
    assert not run.path.exists()


def test_it_is_kept_on_demand_even_by_later_runs(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, keep=True)
    run.file("x").write_text("x")
    run.close()
    RunDirectory.create(tmp_path).close()
    assert run.file("x").read_text() == "x"


def test_one_in_use_is_left_alone(tmp_path: Path) -> None:
    first, second = RunDirectory.create(tmp_path), RunDirectory.create(tmp_path)
    assert first.path.exists()
    assert sweep(tmp_path) == ()
    first.close()
    second.close()


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "bury me not"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        left = Path(holder.stdout.readline().strip())
        assert sweep(tmp_path) == ()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert left.exists()
    RunDirectory.create(tmp_path).close()
    assert not left.exists()


def test_a_socket_whose_path_is_too_long_is_refused(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path)
    assert run.socket("s").name == "s"
    with pytest.raises(SetupError, match="over 107 bytes"):
        run.socket("s" * 100)
    run.close()


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="making a run directory"):
        RunDirectory.create(tmp_path / "file" / "root")


def test_a_root_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.getuid()
    monkeypatch.setattr("harness.machine.rundir.os.getuid", lambda: owner + 1)
    with pytest.raises(SetupError, match="belongs to another user"):
        RunDirectory.create(tmp_path)


def test_where_run_directories_are(tmp_path: Path) -> None:
    assert runtime_root({"XDG_RUNTIME_DIR": str(tmp_path)}).parent == tmp_path
    assert runtime_root({"XDG_RUNTIME_DIR": str(tmp_path / "absent")}).name.endswith(f"-{os.getuid()}")
    assert runtime_root({}).name.endswith(f"-{os.getuid()}")


OWNER = """
import os, signal, sys
from pathlib import Path
from harness.machine.rundir import RunDirectory
directory = RunDirectory.create(Path(sys.argv[1]), keep=sys.argv[2] == "keep")
directory.file("large").mkdir()
print(directory.path, flush=True)
if sys.argv[2] == "closed":
    directory.close()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["killed", "closed"])
def test_nothing_is_left_of_an_owner_that_is_killed(tmp_path: Path, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OWNER, tmp_path / "root", how],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    path = Path(done.stdout.strip())
    assert path.name.startswith("run-")
    deadline = time.monotonic() + 10
    while path.exists():
        assert time.monotonic() < deadline, "the directory of a killed owner is still there"
        time.sleep(0.01)


def test_its_shell_ends_with_it(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    directory = RunDirectory.create(tmp_path / "root")
    (shell,) = set(psutil.Process().children()) - before
    assert shell.name() in {"sh", "dash", "bash"}
    directory.close()
    assert not shell.is_running()
