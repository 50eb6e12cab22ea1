# SPDX-License-Identifier: GPL-2.0-or-later
"""The SSH server that stands for another machine, with a client of paramiko's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import paramiko
import pytest

from harness.far import ADDRESS, USER, FarMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10.0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FarMachine]:
    with FarMachine(tmp_path) as far:
        yield far


@contextmanager
def _client(folder: Path, key: str = "id_user", user: str = USER) -> Iterator[paramiko.Transport]:
    words = (folder / "ssh_config").read_text().split()
    transport = paramiko.Transport((ADDRESS, int(words[words.index("Port") + 1])))
    try:
        transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(str(folder / key)))
        yield transport
    finally:
        transport.close()


def _everything(channel: paramiko.Channel) -> bytes:
    channel.settimeout(SECONDS)
    return b"".join(iter(lambda: channel.recv(65536), b""))


@pytest.mark.usefixtures("machine")
def test_a_command_has_its_streams_and_its_status(tmp_path: Path) -> None:
    sent = b"line\n" * 100_000
    with _client(tmp_path) as transport:
        channel = transport.open_session(timeout=SECONDS)
        channel.exec_command("cat; echo at the end >&2; exit 7")
        channel.settimeout(SECONDS)
        received = b""
        # More than all buffers hold: it flows both ways at once or not at all.
        for start in range(0, len(sent), 20_000):
            channel.sendall(sent[start : start + 20_000])
            received += channel.recv(1)
        channel.shutdown_write()
        assert received + _everything(channel) == sent
        assert channel.recv_stderr(100) == b"at the end\n"
        assert channel.recv_exit_status() == 7


@pytest.mark.usefixtures("machine")
def test_its_environment_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_ACCEL", "none of its business")
    with _client(tmp_path) as transport:
        channel = transport.open_session(timeout=SECONDS)
        channel.exec_command("env; pwd")
        lines = _everything(channel).decode().splitlines()
    assert f"HARNESS_CACHE_DIR={tmp_path / 'cache'}" in lines
    assert not any("HARNESS_ACCEL" in line for line in lines)
    assert lines[-1] == str(tmp_path / "home")


@pytest.mark.usefixtures("machine")
def test_the_host_is_the_one_that_is_known(tmp_path: Path) -> None:
    with _client(tmp_path) as transport:
        key = transport.get_remote_server_key()
    assert (tmp_path / "known_hosts").read_text() == f"{USER} {key.get_name()} {key.get_base64()}\n"


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("key", "user"), [("id_host", USER), ("id_user", "root")])
def test_nobody_else_is_let_in(tmp_path: Path, key: str, user: str) -> None:
    with pytest.raises(paramiko.AuthenticationException), _client(tmp_path, key, user):
        pass


def test_a_cut_connection_is_the_end_of_the_commands_input(tmp_path: Path, machine: FarMachine) -> None:
    with _client(tmp_path) as transport:
        channel = transport.open_session(timeout=SECONDS)
        channel.exec_command("echo ready; cat; echo over > seen")
        assert channel.recv(100) == b"ready\n"
        machine.cut()
        machine.wait(seconds=SECONDS)
    assert (tmp_path / "home" / "seen").read_text() == "over\n"


def test_no_connection_after_the_cut(tmp_path: Path, machine: FarMachine) -> None:
    machine.cut()
    with pytest.raises(paramiko.SSHException), _client(tmp_path):
        pass


def test_what_was_received_is_told_from_what_was_built(tmp_path: Path, machine: FarMachine) -> None:
    cache = tmp_path / "other"
    for entry in ("qemu-1", "image-2", "boot-3"):
        (cache / "store" / entry).mkdir(parents=True)
    (cache / "pins").mkdir()
    (cache / "pins" / "qemu-source-4.json").write_text("[]")
    machine.receive(cache, without=["image"])
    assert [path.name for path in (machine.cache / "store").iterdir()] == ["qemu-1"]
    assert machine.built() == set()
    (machine.cache / "store" / "image-2").mkdir()
    assert machine.built() == {"image"}
    assert (machine.cache / "store" / "qemu-1").resolve() == cache / "store" / "qemu-1"
    assert (machine.cache / "pins" / "qemu-source-4.json").is_file()
