# SPDX-License-Identifier: GPL-2.0-or-later
"""A set-up that cannot work is told in one line that says what to do, and leaves nothing half-made."""

from __future__ import annotations

import os

import pytest

USER = [] if os.geteuid() == 0 else ["-r"]
NO_NETWORK = ["unshare", *USER, "--net"]


def test_a_qemu_source_that_is_not_there(harness_command, tmp_path):
    """A --qemu-source that does not exist is one line that names it."""
    done = harness_command(
        "build", "qemu", f"--qemu-source={tmp_path / 'nowhere'}", f"--cache-dir={tmp_path}/cache"
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "nowhere") in done.stderr


def test_a_qemu_source_that_is_no_qemu(harness_command, tmp_path):
    """A folder or file that holds no QEMU is told apart from one that does."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other.tar.xz").write_bytes(b"no archive")
    for name in ("other", "other.tar.xz"):
        done = harness_command(
            "build", "qemu", f"--qemu-source={tmp_path / name}", f"--cache-dir={tmp_path}/cache"
        )
        assert done.returncode == 1
        *_, last = done.stderr.splitlines()
        assert name in last
        assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written(harness_command):
    """A cache folder that cannot be made is one line that points to --cache-dir."""
    done = harness_command("build", "kernel", "--cache-dir=/proc/harness")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "--cache-dir" in done.stderr


def test_no_network(harness_command, tmp_path):
    """Without a network, and with nothing in the cache, a build ends within a minute with one line."""
    done = harness_command("build", "kernel", f"--cache-dir={tmp_path}/cache", prefix=NO_NETWORK, seconds=60)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert "network" in last
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "cache").glob("store/*"))


def test_a_full_disk(harness_command, own_mounts, tmp_path):
    """A cache on a full disk is one line that says so, and nothing half-made stays in it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    # The listing comes from inside: the file system is gone with the command.
    script = (
        'mount -t tmpfs -o size=64k tmpfs "$0" && "$@"; status=$?; '
        'find "$0"/store "$0"/staging -type f 2>/dev/null | sed "s/^/left: /" >&2; umount "$0"; exit $status'
    )
    prefix = [*own_mounts, "sh", "-c", script, str(disk)]
    done = harness_command("build", "guest", f"--cache-dir={disk}", prefix=prefix, seconds=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "left: " not in done.stderr
    *_, last = done.stderr.splitlines()
    assert "full" in last or "space" in last


@pytest.mark.parametrize("option", ["--accel=hvf", "--jobs=none", "--no-such-option"])
def test_wrong_usage(harness_command, option):
    """A wrong option is wrong usage: status 2 and a line that names it."""
    done = harness_command("shell", option)
    assert done.returncode == 2
    assert option.partition("=")[0] in done.stderr
