# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of a build: their log, their deadline, and the line that says why one failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.artifacts.process import Job, cause, run
from harness.artifacts.progress import Step
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from pathlib import Path


def job(tmp_path: Path, **more: object) -> Job:
    return Job(**({"doing": "building it", "log": tmp_path / "logs" / "it.log", "seconds": 30.0} | more))  # type: ignore[arg-type]


def test_output_and_log(tmp_path: Path) -> None:
    assert run(["sh", "-c", "echo one; echo two >&2"], job(tmp_path)) == "one\ntwo\n"
    assert run(["sh", "-c", "echo three"], job(tmp_path)) == "three\n"
    log = (tmp_path / "logs" / "it.log").read_text()
    assert "one\ntwo\n" in log
    assert "three\n" in log


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            "cc -c a.c\na.c:3:1: warning: error: x\na.c:4:1: error: boom\nmake: *** [a.o] Error 1",
            "a.c:4:1: error: boom",
        ),
        (
            "x\n/usr/bin/ld: cannot find -lslirp\ncollect2: error: ld returned 1",
            "/usr/bin/ld: cannot find -lslirp",
        ),
        (
            "a\n../meson.build:10:2: ERROR: Dependency glib not found",
            "../meson.build:10:2: ERROR: Dependency glib not found",
        ),
        ("Reading\nE: Unable to fetch some archives", "E: Unable to fetch some archives"),
        ("ERROR: Cannot find Ninja\n", "ERROR: Cannot find Ninja"),
        ("only\nlast\n\n", "last"),
        ("", ""),
    ],
)
def test_the_cause_is_found(log: str, line: str) -> None:
    assert cause(log) == line


def test_a_failure_is_one_line_with_the_log_s_path(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        run(["sh", "-c", "echo 'a.c:1:1: error: no such thing'; echo more; exit 3"], job(tmp_path))
    assert str(caught.value) == (
        f"building it: a.c:1:1: error: no such thing -- the log is {tmp_path}/logs/it.log"
    )


def test_a_full_disk_in_a_program_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="free some space"):
        run(["sh", "-c", "echo 'cc: fatal error: x.s: No space left on device'; exit 1"], job(tmp_path))


def test_a_missing_program_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="doctor --install"):
        run(["no-such-program-here"], job(tmp_path))


def test_the_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no end after 1 s"):
        run(["sh", "-c", f"sleep 300 & echo $! >{tmp_path}/pid; wait"], job(tmp_path, seconds=0.8))
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("more", ["", ">/dev/null"], ids=["holds our pipe", "quiet"])
def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path, more: str) -> None:
    """Makefiles of other people's run what they like; nobody waits for it."""
    script = f"sleep 300 {more} & echo $! >{tmp_path}/pid; echo done; exit $0"
    assert run(["sh", "-c", script, "0"], job(tmp_path, seconds=10.0)) == "done\n"
    assert gone(int((tmp_path / "pid").read_text()))
    with pytest.raises(ArtifactError, match="done"):
        run(["sh", "-c", script, "7"], job(tmp_path, seconds=10.0))
    assert gone(int((tmp_path / "pid").read_text()))


def test_ninja_s_counter_moves_the_step(tmp_path: Path) -> None:
    step = Step("building")
    run(["sh", "-c", "echo '[1/40] a'; echo '[10/40] b'; echo c"], job(tmp_path, step=step))
    assert (step.done, step.total) == (10, 40)


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Wait until a process has ended; a zombie, which nobody may reap here, counts as ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_end_of_ours_is_the_end_of_the_program(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C and kill -9 of the harness leave no compiler behind that writes into the work tree."""
    script = textwrap.dedent(f"""
        from pathlib import Path
        from harness.artifacts.process import Job, run
        script = "echo $$ >{tmp_path}/fresh; mv {tmp_path}/fresh {tmp_path}/pid; exec sleep 300"
        run(["sh", "-c", script], Job("x", Path("{tmp_path}/log"), 300))
    """)
    harness = subprocess.Popen(
        # Whoever runs us in the background may have had Ctrl-C ignored.
        ["env", "--default-signal=INT", sys.executable, "-c", script],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 30
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < end
            assert harness.poll() is None
            time.sleep(0.02)
        os.kill(harness.pid, how)
        harness.wait(20)
        assert gone(int((tmp_path / "pid").read_text()))
    finally:
        harness.kill()
        harness.wait()
