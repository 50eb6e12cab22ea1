# SPDX-License-Identifier: GPL-2.0-or-later
"""A person gets into the machine: a shell where a test failed, gdb, a kept guest, a chat, a replay."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PROMPT = "guest# "
FOREIGN = Path(__file__).resolve().parents[1] / "tests" / "foreign"
LEAVE = "\x1d"  # Ctrl-]


@pytest.fixture(autouse=True)
def own_runtime(monkeypatch, harness_command):
    """Return a folder for the run directories of this test alone, in which nothing may be left."""
    # A guest's sockets lie below, and a socket's path is short.
    with TemporaryDirectory(prefix="into-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
        if any(Path(folder).rglob("kept.json")):
            harness_command("kept", "--end", "all")
        assert list(Path(folder).rglob("run-*")) == []


def test_a_shell_where_a_test_has_failed(inner_terminal):
    """The guest is entered as the test left it, before it ends; then the run goes on."""
    run = inner_terminal(
        """
        def test_fails(vm):
            vm.succeed("echo left behind >/run/trace")
            assert "one" == "another"

        def test_goes_on(vm):
            pass
        """,
        "--shell-on-failure",
    )
    run.expect_exact("test_fails has failed (call): E       AssertionError")
    run.expect_exact("leave it with Ctrl-]")
    run.expect_exact(PROMPT)
    run.sendline("cat /run/trace")
    run.expect_exact("left behind")
    run.expect_exact(PROMPT)
    run.send(LEAVE)
    run.expect_exact("the run goes on")
    run.expect_exact("1 failed, 1 passed")
    assert run.exit_status() == 1


def test_a_shell_where_the_kernel_has_reported_something(inner_terminal):
    """A report of the kernel's breaks the harness's own connections; the guest is entered all the same."""
    run = inner_terminal(
        """
        def test_reports(vm):
            vm.succeed("echo 'BUG: of nobody' >/dev/kmsg")
        """,
        "--shell-on-failure",
    )
    run.expect_exact("has failed")
    run.expect_exact(PROMPT)
    run.sendline("dmesg | grep -c 'BUG: of nobody'")
    run.expect(r"\n1\r\n")
    run.sendline("exit")
    run.expect_exact("the run goes on")
    assert run.exit_status() == 1


def test_the_serial_shell_where_ssh_is_dead(inner_terminal):
    """A guest that lets nobody in by SSH is entered on the serial port, and the reason is said."""
    run = inner_terminal(
        """
        def test_kills_the_server(vm):
            vm.shell.run("killall -9 dropbear")
            assert False
        """,
        "--shell-on-failure",
    )
    run.expect_exact("it cannot be entered by SSH")
    run.expect_exact("you are on the serial shell")
    run.expect_exact(PROMPT)
    run.sendline("echo $((6 * 7))")
    run.expect(r"\n42\r\n")
    run.send(LEAVE)
    run.expect_exact("the run goes on")
    assert run.exit_status() == 1


def test_what_is_left_of_a_guest_that_has_died(inner_terminal):
    """After a panic there is no guest: the person is told so, and where its kernel log is while they look."""
    run = inner_terminal(
        """
        def test_panics(vm):
            vm.run("echo c >/proc/sysrq-trigger")
        """,
        "--shell-on-failure",
    )
    run.expect_exact("its QEMU has ended")
    run.expect(r"its kernel log: +(\S+)\r\n")
    log = Path(run.match[1])
    run.expect_exact("press Enter")
    assert "Kernel panic - not syncing: sysrq triggered crash" in log.read_text()
    run.sendline()
    assert run.exit_status() == 1
    assert not log.exists()


def test_what_is_left_of_a_guest_that_hangs(inner_terminal):
    """A guest that answers neither SSH nor on its serial port: the person is told what QEMU still knows."""
    run = inner_terminal(
        """
        def test_hangs(vm):
            vm.succeed("true")
            vm.qmp.execute("stop")
            assert False
        """,
        "--shell-on-failure",
        "--timeout-scale=0.3",
    )
    run.expect_exact("it cannot be entered by SSH")
    run.expect_exact("its serial shell does not answer")
    run.expect(r"its kernel log: +\S+\r\n")
    run.expect(r"QEMU says of it: +paused\r\n")
    run.expect(r"QEMU's monitor \(QMP\): +(\S+)\r\n")
    assert Path(run.match[1]).is_socket()
    run.expect_exact("press Enter")
    run.sendline()
    assert run.exit_status() == 1


def test_one_of_two_guests(inner_terminal):
    """With several guests the person is asked which, until they have seen enough."""
    run = inner_terminal(
        """
        def test_fails(vms):
            for number, vm in enumerate(vms(2), 1):
                vm.succeed(f"echo this is {number} >/run/number")
            assert False
        """,
        "--shell-on-failure",
    )
    for number in (2, 1):
        run.expect_exact("which guest, 1 to 2?")
        run.sendline(f"{number}")
        run.expect_exact(PROMPT)
        run.sendline("cat /run/number")
        run.expect_exact(f"\nthis is {number}")
        run.send(LEAVE)
    run.expect_exact("which guest, 1 to 2?")
    run.sendline()
    run.expect_exact("the run goes on")
    assert run.exit_status() == 1


def test_no_shell_without_a_terminal(inner_run):
    """Where nobody sits at a terminal the option is wrong usage, before anything is built."""
    run = inner_run("def test_any(vm): pass", "--shell-on-failure")
    output = run.finish(seconds=60)
    assert run.status == 4
    assert "--shell-on-failure needs a terminal" in output


@pytest.mark.parametrize("option", ["--shell-on-failure", "--gdb"])
def test_no_person_in_a_parallel_run(inner_terminal, option):
    """Several processes and one terminal: the run refuses, and says what to leave out."""
    run = inner_terminal("def test_any(vm): pass", option, "-n2")
    run.expect_exact(f"{option} and -n do not go together")
    assert run.exit_status() == 4


def test_a_kept_guest(inner_run, harness_command, gone, own_runtime):
    """A failed test's guest outlives its run; one printed line enters it, another ends it."""
    run = inner_run(
        """
        def test_fails(vm):
            vm.succeed("echo left behind >/run/trace")
            print("qemu is", vm.pid)
            assert False

        def test_passes(vm):
            pass
        """,
        "--keep",
    )
    output = run.finish(seconds=90)
    assert run.status == 1
    (enter,) = set(re.findall(r"enter it: +(.*)", output))
    (end,) = set(re.findall(r"end it: +python -m (.*)", output))
    (qemu,) = re.findall(r"qemu is (\d+)", output)
    reached = subprocess.run(
        [*shlex.split(enter), "cat /run/trace; echo to the log >/dev/kmsg"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert reached.stdout == "left behind\n"
    (folder,) = own_runtime.rglob("run-*")
    assert "to the log" in (folder / "kernel.log").read_text()
    listed = harness_command("kept").stdout
    assert "test_inner.py::test_fails (call)" in listed
    assert enter in listed
    ended = harness_command(*shlex.split(end)[1:])
    assert ended.returncode == 0, ended.stderr
    assert gone(int(qemu), seconds=5)
    assert harness_command("kept").stdout == "no guest is kept\n"
    assert harness_command(*shlex.split(end)[1:]).returncode == 1


def test_a_killed_run_keeps_nothing(inner_run, gone, own_runtime):
    """With --keep, too, a run that is killed takes its guests with it."""
    run = inner_run(
        """
        import os, signal

        def test_dies(vm):
            print(f"qemu is {vm.pid}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        "--keep",
        "-s",
    )
    output = run.finish(seconds=90)
    (qemu,) = re.findall(r"qemu is (\d+)", output)
    assert gone(int(qemu), seconds=20)
    deadline = time.monotonic() + 20
    while list(own_runtime.rglob("run-*")) and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.skipif(shutil.which("gdb") is None, reason="there is no gdb")
def test_gdb_stops_in_the_driver(inner_terminal):
    """The printed line brings gdb to the driver's source, and no deadline runs out while the guest stands."""
    run = inner_terminal(
        """
        def test_opens(crypto):
            crypto.open("/dev/cryptodev0").close()
        """,
        "--gdb=wait",
        # A guest that stands still for seconds would be given up within a fraction of one.
        "--timeout-scale=0.1",
    )
    run.expect(r"(gdb -q [^\r\n]+)\r\n")
    line = shlex.split(run.match[1])
    run.expect_exact("stands still")
    steps = ["break crypto_open", "continue", "bt", "shell sleep 6", "detach"]
    batch = [line[0], "-batch", *line[2:], *(word for step in steps for word in ("-ex", step))]
    seen = subprocess.run(batch, capture_output=True, text=True, check=False, timeout=120).stdout
    assert re.search(r"#0 +crypto_open \(inode=0x\w+, filp=0x\w+\) at \S*chrdev\.c:\d+", seen), seen
    assert re.search(r"#1 .* in chrdev_open \(", seen), seen
    run.expect_exact("1 passed")
    assert run.exit_status() == 0


class Screen:
    """A terminal of so many cells, which tmux draws."""

    def __init__(self, folder, command):
        self._tmux = ["tmux", "-u", "-S", f"{folder}/outer.sock", "-f", "/dev/null"]
        self("new-session", "-d", "-x", "160", "-y", "50", f"{command}; echo status $?; sleep 60")

    def __call__(self, *words):
        done = subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=True, timeout=10)
        return done.stdout

    def type(self, text, *keys):
        self("send-keys", "-l", text)
        self("send-keys", *(keys or ["Enter"]))

    def shows(self, pattern, seconds=60):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, text := self("capture-pane", "-p", "-J")):
            assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{text}"
            time.sleep(0.1)
        return text

    def close(self):
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False, timeout=10)


@pytest.fixture
def screens(own_runtime, artifacts):
    """Return a function that runs ``python -m harness`` on a screen."""
    if shutil.which("tmux") is None:
        pytest.skip("there is no tmux")
    opened = []

    def start(*arguments):
        cache = f"--cache-dir={artifacts.settings.cache_dir}"
        words = [sys.executable, "-m", "harness", *arguments, cache]
        opened.append(Screen(own_runtime, shlex.join(["env", "-u", "TMUX", *words])))
        return opened[-1]

    yield start
    for screen in opened:
        screen.close()


@pytest.mark.parametrize("guests", ["one", "two"])
def test_a_chat_side_by_side(screens, own_runtime, guests):
    """Both ends of a chat are in the terminal; what is typed in one is read in the other."""
    screen = screens("shell", "--chat", guests)
    screen.shows("accepted.*\n?.*me:")
    screen.type("καλημέρα")
    screen.shows("other: καλημέρα")
    screen("send-keys", "C-b", "o")
    screen.type("good morning")
    seen = screen.shows("other: good morning")
    assert len(set(re.findall(r"(?:server|client) in (guest-\w+)", seen))) == {"one": 1, "two": 2}[guests]
    assert list(own_runtime.rglob("tmux.sock"))
    screen("send-keys", "C-b", "d")
    screen.shows("status 0")
    assert not list(own_runtime.rglob("run-*"))


def test_a_chat_of_somebody_else(screens):
    """The chat that a manifest names is held on the host, if it says so; no guest is needed."""
    screen = screens("shell", "--chat", "--sut", str(FOREIGN / "chat-plain" / "encrypted.toml"))
    screen.shows(r">.*\S+>")
    screen.type("hello")
    screen.shows("< hello")
    screen("send-keys", "C-b", "d")
    screen.shows("status 0")


def test_a_chat_needs_a_terminal(harness_command):
    """Without a terminal one line says so, before anything is built."""
    done = harness_command("shell", "--chat")
    assert done.returncode == 2
    assert "no terminal" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_test_gone_through_by_hand(screens):
    """``replay`` of a test shows its steps and gives its guest, on the machine that it asked for."""
    screen = screens("replay", "test_driver.py::test_unbind_while_processes_work")
    screen.shows(PROMPT)
    screen.type("echo processors: $(nproc)")
    screen.shows("processors: 2")
    seen = screen("capture-pane", "-p", "-J", "-S", "-200")
    assert "def test_unbind_while_processes_work(vm, sut):" in seen
    screen.type("", "C-]")
    screen.shows("1 skipped.*\n*.*status 0")


def test_a_replay_by_hand_needs_a_terminal(harness_command):
    """A replay of a test needs a terminal."""
    done = harness_command("replay", "test_driver.py::test_three_devices", seconds=60)
    assert done.returncode == 2
    assert "terminal" in done.stderr
