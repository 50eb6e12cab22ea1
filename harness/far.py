# SPDX-License-Identifier: GPL-2.0-or-later
"""Another machine for a test, on this one: an SSH server on loopback with a home and a cache of its own.

It does for ``ssh`` what sshd does for a pytest-xdist gateway, and no more: one account, one public key, one
command a session, no terminal.  It needs neither root nor sshd.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Self

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko import common

from harness.artifacts import REPOSITORY
from harness.artifacts.settings import CACHE_VARIABLE
from harness.machine.rundir import runtime_root
from harness.oracles.processes import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import IO

ADDRESS = "127.0.0.1"
USER = "far"
BLOCK = 65536
# A pytest-xdist worker that lost its connection interrupts its test after 5 s and gives up after 10 more.
END_SECONDS = 20.0
# Kinds of entries that are of no use without the SSH key, or the processor, of the machine that made them.
PERSONAL = ("boot", "guest")


class FarMachine:
    """A machine that is reached by ``ssh``; its commands see none of this one's environment but PATH.

    Attributes:
        cache: its cache, empty at first.
    """

    def __init__(self, folder: Path) -> None:
        """Start the server; ``folder`` is the machine's disk (its path short: guests' sockets lie there)."""
        self._folder = folder
        self.cache = folder / "cache"
        for name in ("home", "tmp", "run"):
            (folder / name).mkdir()
        user, host = _Key(folder / "id_user"), _Key(folder / "id_host")
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            CACHE_VARIABLE: str(self.cache),
        }
        self._server = _Server(host.private, user.private, folder / "home", self._environment)
        (folder / "known_hosts").write_text(f"{USER} {host.public_line}\n")
        self._configuration = folder / "ssh_config"
        self._configuration.write_text(self._client_configuration())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _client_configuration(self) -> str:
        wishes = {
            "HostName": ADDRESS,
            "Port": self._server.port,
            "User": USER,
            "IdentityFile": f'"{self._folder / "id_user"}"',
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "HostKeyAlias": USER,
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": f'"{self._folder / "known_hosts"}"',
            "GlobalKnownHostsFile": "/dev/null",
            "BatchMode": "yes",
        }
        return "".join(["Host far\n", *(f"    {name} {value}\n" for name, value in wishes.items())])

    def gateway(self, name: str) -> str:
        """Return the value of pytest's ``--tx`` for a worker of this name here, with this very repository."""
        parts = {
            "ssh": "far",
            "ssh_config": self._configuration,
            "id": name,
            "chdir": REPOSITORY,
            "python": sys.executable,
        }
        return "//".join(f"{key}={value}" for key, value in parts.items())

    def receive(self, cache: Path, *, without: Iterable[str] = ()) -> None:
        """Get of another cache what the README says to copy, apart from entries of the kinds ``without``.

        Links stand for copies: an entry is never written to.
        """
        shutil.copytree(cache / "pins", self.cache / "pins")
        (self.cache / "store").mkdir()
        unwanted = {*PERSONAL, *without}
        for entry in (cache / "store").iterdir():
            if entry.name.rpartition("-")[0] not in unwanted:
                (self.cache / "store" / entry.name).symlink_to(entry)

    def built(self) -> set[str]:
        """Return the kinds of the entries that were made here and not received."""
        entries = (self.cache / "store").iterdir()
        return {entry.name.rpartition("-")[0] for entry in entries if not entry.is_symlink()}

    def cut(self) -> None:
        """Cut all connections, as a network does that fails, and take no further ones."""
        self._server.cut()

    def wait(self, *, seconds: float = END_SECONDS) -> None:
        """Wait for the end of all commands; ``subprocess.TimeoutExpired`` when one does not end."""
        self._server.wait(seconds)

    def remains(self) -> list[str]:
        """Name the QEMUs and run directories that are here now."""
        root = runtime_root(self._environment)
        runs = [path.name for path in root.glob("run-*")]
        return [*runs, *(f"process {process.pid}" for process in leftovers(root))]

    def close(self) -> None:
        """Cut all connections and end what still runs."""
        self._server.close()


class _Key:
    """A fresh key pair, the private half kept in a file as ssh wants it."""

    def __init__(self, path: Path) -> None:
        data = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        path.touch(mode=0o600)
        path.write_bytes(data)
        self.private = paramiko.Ed25519Key.from_private_key(io.StringIO(data.decode()))
        self.public_line = f"{self.private.get_name()} {self.private.get_base64()}"


class _Server:
    """Takes connections until it is closed; each has a thread of paramiko's, each command three of ours."""

    def __init__(
        self, host: paramiko.PKey, user: paramiko.PKey, home: Path, environment: Mapping[str, str]
    ) -> None:
        self._host, self._user = host, user
        self._home, self._environment = home, environment
        self._lock = threading.Lock()
        self._cut = False
        self._transports: list[paramiko.Transport] = []
        self._commands: list[_Command] = []
        self._listener = socket.create_server((ADDRESS, 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="far machine", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                connection, _ = self._listener.accept()
                transport = paramiko.Transport(connection)
                transport.add_server_key(self._host)
                with self._lock:
                    self._transports.append(transport)
                # A client that leaves in the middle of the handshake is its own business.
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(event=threading.Event(), server=_Account(self._user, self.start))

    def start(self, channel: paramiko.Channel, line: str) -> bool:
        """Run a command for a channel; False once the connections are cut."""
        with self._lock:
            if not self._cut:
                self._commands.append(_Command(channel, line, self._home, self._environment))
            return not self._cut

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            transports = tuple(self._transports)
        with contextlib.suppress(OSError):  # it was shut down before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for transport in transports:
            transport.close()

    def wait(self, seconds: float) -> None:
        for command in self._commands:
            command.process.wait(seconds)

    def close(self) -> None:
        self.cut()
        self._acceptor.join()
        for command in self._commands:
            command.end()


class _Account(paramiko.ServerInterface):
    """Lets the owner of one key in, for commands and nothing else."""

    def __init__(self, key: paramiko.PKey, start: Callable[[paramiko.Channel, str], bool]) -> None:
        self._key, self._start = key, start

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's interface
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == USER and key == self._key
        return common.AUTH_SUCCESSFUL if known else common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's interface
        session = kind == "session"
        return common.OPEN_SUCCEEDED if session else common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return self._start(channel, command.decode())


class _Command:
    """A command of a client: sh runs it, as sshd would have it, and threads carry its streams."""

    def __init__(
        self, channel: paramiko.Channel, line: str, home: Path, environment: Mapping[str, str]
    ) -> None:
        self._channel = channel
        # Whoever runs us in the background may have had Ctrl-C ignored; sshd gives its commands the default.
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", "sh", "-c", line],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=environment,
            start_new_session=True,
        )
        self._threads = [
            self._thread(self._carry_in, self.process.stdin),
            self._thread(self._carry_out_and_report, self.process.stdout, self.process.stderr),
        ]

    @staticmethod
    def _thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(
            target=work, args=arguments, name=f"far command {work.__name__}", daemon=True
        )
        thread.start()
        return thread

    def _carry_in(self, stream: IO[bytes]) -> None:
        # A process that no longer reads, or a connection that was cut: the stream's end tells it the latter.
        with contextlib.suppress(OSError), stream:
            while data := self._channel.recv(BLOCK):
                view = memoryview(data)
                while view:
                    view = view[stream.write(view) :]

    @staticmethod
    def _carry_out(stream: IO[bytes], send: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError), stream:
            while data := stream.read(BLOCK):
                send(data)

    def _carry_out_and_report(self, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        # The client must not hear of the end before it heard that its command was taken.  It answers this
        # question, as any it does not know, in its turn: after what the connection's thread does now.
        self._channel.get_transport().global_request("taken@harness", wait=True)
        outputs = [
            self._thread(self._carry_out, stdout, self._channel.sendall),
            self._thread(self._carry_out, stderr, self._channel.sendall_stderr),
        ]
        for thread in outputs:
            thread.join()
        status = self.process.wait()
        with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
            self._channel.send_exit_status(status if status >= 0 else 128 - status)
            self._channel.close()

    def end(self) -> None:
        """End the command if it has not ended; the connection is cut already."""
        self.process.kill()
        for thread in self._threads:
            thread.join(END_SECONDS)
