# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor finds what is wrong with a machine, names the cure, and cleans up after crashed runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

USER = [] if os.geteuid() == 0 else ["-r"]
NO_NETWORK = ["unshare", *USER, "--net"]


@pytest.fixture
def ask(harness_command, tmp_path):
    """Return a function that asks the doctor about an empty cache: exit status, and check by name."""

    def ask(*options, prefix=(), cache=None):
        done = harness_command(
            "doctor", "--json", f"--cache-dir={cache or tmp_path / 'cache'}", *options, prefix=prefix
        )
        assert "Traceback" not in done.stderr
        told = json.loads(done.stdout)
        assert done.returncode == (1 if told["status"] == "fail" else 0)
        return done.returncode, {check["name"]: check for check in told["checks"]}

    return ask


def test_this_machine(harness_command, artifacts):
    """A machine on which guests run gets no failure, a line for each check, and status 0."""
    done = harness_command("doctor", f"--cache-dir={artifacts.settings.cache_dir}")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert {line.split()[0] for line in lines} <= {"ok", "warn"}
    assert "ok      packages: all of bindep.txt are installed" in lines
    # What warns says what to do.
    assert all("  -> " in line for line in lines if line.startswith("warn"))


def test_nothing_is_made_by_looking(ask, tmp_path):
    """Looking at a cache that is not there does not make one."""
    ask()
    assert not (tmp_path / "cache").exists()


def test_few_open_files(ask):
    """A limit of 64 open files is told with the line that raises it."""
    status, checks = ask(prefix=["bash", "-c", 'ulimit -Sn 64; exec "$@"', "bash"])
    assert status == 1
    assert checks["open files"]["seen"] == "only 64 for each process, a run takes 256"
    assert checks["open files"]["cure"] == "ulimit -Sn 1024"


def test_short_files(ask):
    """A limit on the size of files that a guest's memory exceeds is told."""
    status, checks = ask(prefix=["bash", "-c", 'ulimit -Sf 100000; exec "$@"', "bash"])
    assert status == 1
    assert checks["sizes"]["cure"] == "ulimit -Sf 1048576"


def test_no_network(ask):
    """Where something has to be fetched and no mirror answers, that is told within seconds."""
    status, checks = ask(prefix=NO_NETWORK)
    assert status == 1
    assert "does not answer" in checks["package mirror"]["seen"]
    assert "proxy" in checks["package mirror"]["cure"]


def test_a_network_that_nobody_needs(ask, artifacts):
    """With everything in the cache no mirror is asked, unless --network says so."""
    cache = artifacts.settings.cache_dir
    _, checks = ask(cache=cache, prefix=NO_NETWORK)
    assert checks["package mirror"]["status"] == "ok"
    status, checks = ask("--network", cache=cache, prefix=NO_NETWORK)
    assert status == 1
    assert checks["package mirror"]["status"] == "fail"


@pytest.mark.parametrize(
    ("options", "name", "word"),
    [
        ("size=64m", "cache", "a first build takes 3.0 GB"),
        ("size=64g,nr_inodes=1000", "cache", "room for 99"),
        ("size=64g,noexec", "cache", "noexec"),
    ],
)
def test_a_disk_without_room(ask, own_mounts, tmp_path, options, name, word):
    """A cache's disk without room, without inodes, or where nothing may be run, is told beforehand."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    status, checks = ask(prefix=[*own_mounts, "sh", "-c", script, str(disk)], cache=disk)
    assert status == 1
    assert word in checks[name]["seen"]
    assert "--cache-dir" in checks[name]["cure"]


def test_a_full_place_for_run_directories(ask, own_mounts, tmp_path):
    """A small disk for run directories and temporary files is told with the variable that moves them."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=1m tmpfs "$0" && XDG_RUNTIME_DIR=$0 TMPDIR=$0 exec "$@"'
    status, checks = ask(prefix=[*own_mounts, "sh", "-c", script, str(disk)])
    assert status == 1
    assert checks["run directories"]["status"] == checks["temporary files"]["status"] == "fail"
    assert "XDG_RUNTIME_DIR" in checks["run directories"]["cure"]


def test_a_read_only_cache(ask, own_mounts, tmp_path):
    """A cache on a disk that is mounted for reading only is told."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"'
    status, checks = ask(prefix=[*own_mounts, "sh", "-c", script, str(disk)], cache=disk)
    assert status == 1
    assert "is not writable" in checks["cache"]["seen"]


def test_a_cache_of_another_version(ask, tmp_path):
    """Entries that another version of the harness wrote are a warning, with two ways out."""
    entry = tmp_path / "cache" / "store" / "qemu-1"
    entry.mkdir(parents=True)
    (entry / "manifest.json").write_text('{"format": 99, "files": {}, "trees": {}}')
    _, checks = ask()
    assert checks["cache content"]["status"] == "warn"
    assert "format 99" in checks["cache content"]["seen"]
    assert "python -m harness clean" in checks["cache content"]["cure"]


def test_a_damaged_cache(ask, artifacts, tmp_path):
    """Other bytes in an entry are found by --deep."""
    key = artifacts.devcrypto().library.parent
    entry = tmp_path / "cache" / "store" / key.name
    shutil.copytree(key, entry)
    library = entry / "libdevcrypto.so"
    library.chmod(0o644)
    content = library.read_bytes()
    library.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert ask()[1]["cache content"]["status"] == "ok"
    _, checks = ask("--deep")
    assert checks["cache content"]["status"] == "warn"
    assert "libdevcrypto.so has other bytes" in checks["cache content"]["seen"]


def test_another_distribution(ask, own_mounts, tmp_path):
    """On another distribution the doctor gives the container in which all works, and the packages' names."""
    release = tmp_path / "os-release"
    release.write_text('ID=fedora\nPRETTY_NAME="Fedora Linux 41"\nVERSION_ID=41\n')
    script = 'mount --bind "$0" "$(readlink -f /etc/os-release)" && exec "$@"'
    status, checks = ask(prefix=[*own_mounts, "sh", "-c", script, str(release)])
    assert status == 1
    assert "Fedora Linux 41" in checks["system"]["seen"]
    assert "debian:12" in checks["system"]["cure"]


def test_leftovers_of_a_crashed_run(harness_command, tmp_path):
    """QEMUs and run directories of a dead run are told; --clean-up lists them and ends them."""
    folder = tmp_path / "virtio-cryptodev-harness" / "run-dead"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    variable = f"XDG_RUNTIME_DIR={tmp_path}"
    command = ["sh", "-c", "read -r word", "-name", f"harness:{folder}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as orphan:
        try:
            options = ("doctor", f"--cache-dir={tmp_path / 'cache'}")
            told = harness_command(*options, prefix=["env", variable]).stdout
            line = next(line for line in told.splitlines() if line.split()[1] == "leftovers:")
            assert line.startswith("warn")
            # There may be others, of scenarios that run beside this one.
            assert re.search(rf"nobody waits for: (\d+ )*{orphan.pid}[ ;]", line)
            assert str(folder) in line
            assert line.endswith("-> python -m harness doctor --clean-up")
            assert orphan.poll() is None

            told = harness_command(*options, "--clean-up", prefix=["env", variable]).stdout
            assert f"ending or removing process {orphan.pid}: sh of {folder}" in told
            assert f"ending or removing run directory {folder}" in told
            assert "ok      leftovers: " in told
            assert orphan.wait(10) == -15
        finally:
            orphan.kill()
    assert not folder.exists()


def test_a_living_guest_is_no_leftover(harness_command, vm):
    """What a run that lives has made is neither told nor ended by --clean-up."""
    told = harness_command("doctor", "--clean-up").stdout
    assert f"process {vm.pid}" not in told
    assert vm.succeed("echo alive") == "alive\n"
