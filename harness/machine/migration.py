# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's migration as a way to save a machine into a file and to go on from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tenacity

from harness.errors import MachineError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine.qmp import Qmp

SAVE_SECONDS = 30.0
_STATUS_SECONDS = 0.002
# A save is no live migration: nothing is gained by sparing the disk.
_BYTES_PER_SECOND = 1 << 40


def send(qmp: Qmp, path: Path, doing: str, *, memory_in_file: bool = False) -> None:
    """Write the machine behind ``qmp`` to a file; it stands still from here until :func:`go_on`.

    Args:
        qmp: its monitor.
        path: the file, which QEMU opens by itself.
        doing: what that is, for errors.
        memory_in_file: leave out the memory, which lies in a shared file.

    Raises:
        MachineError: QEMU could not; its reason is in it.
        WaitTimeoutError: it did not finish.
    """
    _capabilities(qmp, memory_in_file=memory_in_file)
    qmp.execute("migrate-set-parameters", {"max-bandwidth": _BYTES_PER_SECOND})
    mark = qmp.mark()
    qmp.execute("migrate", {"uri": f"file:{path}"})
    _finish(qmp, doing, mark)


def receive(qmp: Qmp, path: Path, doing: str, *, memory_in_file: bool = False) -> None:
    """Have a QEMU that waits for it (``-incoming defer``) go on from a file; returns when the machine runs.

    Raises:
        MachineError: QEMU refused the stream.
        WaitTimeoutError: it did not finish.
    """
    _capabilities(qmp, memory_in_file=memory_in_file)
    mark = qmp.mark()
    qmp.execute("migrate-incoming", {"uri": f"file:{path}"})
    _finish(qmp, doing, mark)
    # It was saved standing still.
    qmp.execute("cont")


def go_on(qmp: Qmp) -> None:
    """Let a saved machine run again.

    QEMU tells of a migration's end a moment before it is ready for what comes next, and of that by no event.
    """
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda answer: answer["status"] == "finish-migrate"),
        wait=tenacity.wait_fixed(_STATUS_SECONDS),
        stop=tenacity.stop_after_delay(SAVE_SECONDS),
        # What it then says to "cont" is the better error.
        retry_error_callback=lambda _: None,
    )(qmp.execute, "query-status")
    qmp.execute("cont")


def _finish(qmp: Qmp, doing: str, mark: int) -> None:
    """Wait for the end of a migration and raise its error, if it has one."""
    ends = {"status": ("completed", "failed", "cancelled")}
    event = qmp.wait_event("MIGRATION", ends, since=mark, timeout=SAVE_SECONDS)
    if event.data["status"] != "completed":
        seen = qmp.execute("query-migrate").get("error-desc", event.data["status"])
        raise MachineError(doing, f"QEMU could not: {seen}")


def _capabilities(qmp: Qmp, *, memory_in_file: bool) -> None:
    """Have QEMU tell of its progress, and leave memory that lies in a shared file out of the stream."""
    wanted = {"events": True, "x-ignore-shared": memory_in_file}
    listed = [{"capability": name, "state": state} for name, state in wanted.items()]
    qmp.execute("migrate-set-capabilities", {"capabilities": listed})
