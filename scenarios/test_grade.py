# SPDX-License-Identifier: GPL-2.0-or-later
"""Systems that are not ours, graded: each row is right, and a failure says whose fault it is."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

FOREIGN = Path(__file__).parents[1] / "tests" / "foreign"


@pytest.fixture
def grade(harness_command, artifacts, tmp_path):
    """Return a function that grades one of the small foreign systems: ``grade(name, *options)``."""

    def run(name, *options, seconds=1200):
        told = tmp_path / f"{name}.json"
        cache = f"--cache-dir={artifacts.settings.cache_dir}"
        manifest = str(FOREIGN / name / "sut.toml")
        done = harness_command("grade", manifest, f"--json={told}", cache, *options, seconds=seconds)
        assert told.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(told.read_text())

    return run


def _rows(told, verdict):
    return {row["requirement"] for row in told["requirements"] if row["verdict"] == verdict}


def _faults(told):
    """Return of each requirement that fails whose faults its failures are."""
    faults = defaultdict(set)
    for failure in told["failures"]:
        faults[failure["requirement"]].add(failure["at_fault"].rpartition(": ")[2].rstrip("."))
    return dict(faults)


def test_sources_that_do_not_build(grade):
    """What does not compile fails one row, with the first error, its file and its line; nothing else runs."""
    status, told = grade("nobuild")
    assert status == 1
    assert _rows(told, "fail") == {"builds"}
    assert _rows(told, "pass") == set()
    assert {"CIOCCRYPT", "errno", "hostile descriptors", "wire"} <= _rows(told, "not reached")
    messages = " ".join(failure["message"] for failure in told["failures"])
    assert "does not build: broken.c:12: unknown type name" in messages
    assert "does not build: virtio-cryptodev.c:15: implicit declaration" in messages


def test_the_wire_of_an_old_pair(grade):
    """An old pair's wire has the reference's buffers, and what its device does to the standard is told."""
    status, told = grade("old", "--only=wire", "--only=CIOCGSESSION")
    assert status == 1
    assert _rows(told, "pass") == {"CIOCGSESSION"}
    assert _rows(told, "fail") == {"wire"}
    assert told["wire"][0] == "the wire has the buffers of the reference wire"
    assert any("overwrites 24 bytes of O" in line for line in told["wire"])
    assert _faults(told) == {"wire": {"the device"}}
    causes = {failure["cause"]["rule"] for failure in told["failures"] if failure["cause"]}
    assert "host-pointer-told" in causes


@pytest.mark.thorough
def test_another_wire_is_named(grade):
    """A pair with a wire of its own works, and each way in which its wire differs is told."""
    status, told = grade("otherwire", "--only=wire", "--only=CIOCGSESSION")
    assert status == 1
    assert _rows(told, "pass") == {"CIOCGSESSION"}
    lines = "\n".join(told["wire"])
    for difference in (
        "open: F has 8 bytes instead of 4",
        "CIOCGSESSION: R comes before S",
        "CIOCCRYPT: R comes before d",
        "CIOCCRYPT: C is 3 where the reference wire has 0xc0306368 (CIOCCRYPT)",
    ):
        assert difference in lines


@pytest.mark.thorough
def test_an_old_pair(grade):
    """Everything about an old pair: what its README owns up to is found, and nothing else in its driver."""
    status, told = grade("old", "-n", "2")
    assert status == 1
    assert _faults(told) == {
        "CIOCFSESSION": {"the driver"},
        "CIOCCRYPT": {"the driver"},
        "errno": {"the driver"},
        "sessions shared and kept apart": {"the driver"},
        "leaks": {"the driver"},
        "hostile descriptors": {"Their device fails with our driver too"},
        "wire": {"the device"},
    }
    assert _rows(told, "pass") == {
        "builds",
        "encrypted chat",
        "ciphertext on the wire",
        "nodes and loading",
        "open and close",
        "CIOCGSESSION",
        "concurrency",
        "unload",
        "SMAP",
        "speed",
    }
    causes = {failure["cause"]["rule"] for failure in told["failures"] if failure["cause"]}
    assert {"errno-lost", "unknown-ioctl-succeeds", "leak-level", "device-trusts-fd"} <= causes


@pytest.mark.thorough
def test_a_pair_with_another_wire(grade):
    """A pair whose halves only understand each other is right, but for the IV that it does not keep."""
    status, told = grade("otherwire", "-n", "2")
    assert status == 1
    assert _rows(told, "fail") == {
        "CIOCCRYPT",
        "errno",
        "sessions shared and kept apart",
        "hostile descriptors",
        "wire",
    }
    assert {"encrypted chat", "concurrency", "leaks", "unload", "SMAP"} <= _rows(told, "pass")
    # Neither half can be tried with one of ours: nothing is said of whose fault it is.
    assert all(not failure["at_fault"] for failure in told["failures"])


@pytest.mark.thorough
def test_a_native_module(grade):
    """A module that offers /dev/crypto by itself, and is right, passes all that applies: status 0."""
    status, told = grade("native", "-n", "2")
    assert told["failures"] == []
    assert status == 0
    assert {"CIOCCRYPT", "errno", "CRIOGET", "leaks", "encrypted chat"} <= _rows(told, "pass")
    assert {"hostile descriptors", "wire", "hashes"} <= _rows(told, "not applicable")


def test_our_driver_on_an_old_device(inner_run):
    """Our driver works on a device that says of each answer that it wrote nothing, as old ones do."""
    api = Path(__file__).with_name("test_sut_api.py")
    chosen = "node or size_of_key or freed or encrypted_is or all_that_is_written"
    run = inner_run("", f"--sut={FOREIGN}/old/sut.toml", "--half=device", "-k", chosen, str(api))
    output = run.finish(seconds=240)
    assert run.status == 0, output
    assert " passed" in output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the key name is missing"),
        ('name = "x"\nkind = "native"\n[driver]\nfolder = "nowhere"\n', "there is none"),
        ("name = ", "it is no TOML"),
    ],
    ids=["empty", "folder", "toml"],
)
def test_a_wrong_manifest_is_status_2(harness_command, tmp_path, text, said):
    """A manifest that is wrong is one line and status 2, and nothing is built for it."""
    (tmp_path / "sut.toml").write_text(text)
    done = harness_command("grade", str(tmp_path / "sut.toml"))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_manifest_is_status_2(harness_command, tmp_path):
    """A manifest that is not there is one line and status 2."""
    done = harness_command("grade", str(tmp_path / "sut.toml"))
    assert done.returncode == 2
    assert "No such file or directory" in done.stderr


def test_a_first_manifest(harness_command, tmp_path):
    """init-sut finds the halves of a pair, writes what it has found, and overwrites nothing."""
    for half in ("guest", "qemu"):
        for file in sorted((FOREIGN / "old" / half).rglob("*.[ch]")):
            place = tmp_path / file.relative_to(FOREIGN / "old")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    done = harness_command("init-sut", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert 'kind = "pair"' in (tmp_path / "sut.toml").read_text()
    again = harness_command("init-sut", str(tmp_path))
    assert again.returncode == 1
    assert "there is a sut.toml already" in again.stderr
