# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report has of a run: everything that was done, in its order, and what was seen of a failure."""

from __future__ import annotations

import json

import pytest

from harness.reference import chat as reference

TALK = '''
def test_talk(chat):
    """They talk."""
    chat.client.say("hello")
    assert chat.server.heard() == "hello"
    chat.server.say("καλημέρα")
    assert chat.client.heard() == "καλημέρα"

def test_wrong(vm):
    """It is wrong."""
    vm.shell.run("uname -r")
    vm.run("echo seen on the way; exit 3")
    vm.shell.expect("what never comes", 1)
'''


@pytest.fixture
def reported(inner_run, tmp_path):
    """Return a function that runs a source text with a report: its records by name, its files, its words."""

    def run(source, *options):
        folder = tmp_path / "report"
        inner = inner_run(source, f"--report={folder}", *options)
        said = inner.finish(seconds=600)
        assert (folder / "tests.jsonl").is_file(), said
        records = [json.loads(line) for line in (folder / "tests.jsonl").read_text().splitlines()]
        return {record["name"].partition("::")[2]: record for record in records}, folder, said

    return run


def _first(record, lane, text, part=""):
    """Return when something happened first."""
    found = [one for one in record["moments"] if one["lane"] == lane and text in one["text"]]
    found = [one for one in found if part in one["part"]]
    assert found, f"no {text!r} among the {lane} of {part!r}"
    return found[0]["at"]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_report_has_all_that_happened(reported, options):
    """A report has keys, prompts, frames, requests and waits as they came, and a failure explains itself."""
    records, folder, said = reported(TALK, *options)
    talk, wrong = records["test_talk"], records["test_wrong"]
    assert (talk["outcome"], wrong["outcome"]) == ("passed", "failed"), said
    assert talk["sentence"] == "They talk."
    in_order = [
        _first(talk, "harness", "restored in"),
        _first(talk, "waits", "the SSH connection"),
        _first(talk, "virtqueue", "open  T | F"),
        _first(talk, "output", "listening on", "server"),
        _first(talk, "output", "me: ", "client"),
        _first(talk, "keystrokes", "hello⏎", "client"),
        _first(talk, "virtqueue", "CIOCCRYPT"),
        _first(talk, "wire", "hello", "client"),
        _first(talk, "output", "other: hello", "server"),
        _first(talk, "keystrokes", "καλημέρα⏎", "server"),
        _first(talk, "wire", "καλημέρα", "server"),
        _first(talk, "harness", "ended"),
    ]
    # A frame is seen where the capture is read, which may be after the other end has shown its text.
    wires = (in_order[7], in_order[10])
    rest = [at for at in in_order if at not in wires]
    assert rest == sorted(rest)
    assert in_order[5] < wires[0] < in_order[-1]
    assert in_order[9] < wires[1] < in_order[-1]
    assert [moment["at"] for moment in talk["moments"]] == sorted(moment["at"] for moment in talk["moments"])
    assert [(one["sender"], one["plain"], one["cipher"]) for one in talk["frames"]] == [
        ("client", "hello\n", reference.frame("hello\n").hex()),
        ("server", "καλημέρα\n", reference.frame("καλημέρα\n").hex()),
    ]
    screens = {one["name"]: one["text"] for one in talk["screens"]}
    assert "other: hello" in screens["server"]
    assert "other: καλημέρα" in screens["client"]
    assert reference.KEY.hex() not in json.dumps([talk["moments"], talk["screens"]])
    _explains_itself(wrong)
    assert (folder / "junit.xml").is_file()
    assert "::error file=test_inner.py" in (folder / "annotations.txt").read_text()
    assert "longest waits" in said
    for line in ("accelerator: ", "qemu: ", "guest kernel: ", "cache: ", "system under test: "):
        assert line in said


def _explains_itself(record):
    assert record["message"].startswith("waiting for 'what never comes' from the guest's serial shell")
    assert any("last in the kernel log" in line for line in record["evidence"])
    assert "::test_wrong" in record["rerun"]
    failed = [(one["lane"], one["text"]) for one in record["moments"] if one["failed"]]
    assert failed == [("waits", "'what never comes' from the guest's serial shell")]
    commands = [one for one in record["moments"] if one["lane"] == "ssh" and "status 3" in one["text"]]
    assert [one["detail"] for one in commands] == ["seen on the way"]
    assert any("uname -r" in one["text"] for one in record["screens"])


def test_a_guest_that_several_tests_share(reported):
    """Of a shared guest each test's record has its own time, and several guests are told apart."""
    source = """
    def test_first(vm_module):
        vm_module.succeed("echo one")

    def test_second(vm_module):
        vm_module.succeed("echo two")

    def test_two(vms):
        one, two = vms(2)
        one.shell.run("true")
        two.shell.run("true")
    """
    records, _, said = reported(source)
    assert {record["outcome"] for record in records.values()} == {"passed"}, said

    def commands(name):
        return [one["text"] for one in records[name]["moments"] if one["lane"] == "ssh"]

    assert commands("test_first") == ["echo one: status 0"]
    assert commands("test_second") == ["echo two: status 0"]
    parts = {one["part"] for one in records["test_two"]["moments"] if one["lane"] == "keystrokes"}
    assert parts == {"guest 1: serial shell", "guest 2: serial shell"}


def test_an_unwritable_folder_ends_a_run_before_anything_is_built(inner_run, tmp_path):
    """Where no report can be written a run ends with one line and status 4, and builds nothing."""
    (tmp_path / "file").touch()
    cache = tmp_path / "cache"
    options = (f"--report={tmp_path / 'file' / 'report'}", f"--cache-dir={cache}")
    run = inner_run(TALK, *options, share_cache=False)
    said = run.finish(seconds=60)
    assert run.status == 4
    assert said.splitlines()[0].startswith("ERROR: beginning the report: ")
    assert len(said.strip().splitlines()) == 1
    assert not cache.exists()
