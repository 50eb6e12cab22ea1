# SPDX-License-Identifier: GPL-2.0-or-later
"""The chat's two programs on this machine, with devcrypto as their device, driven at both prompts."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from harness.reference import chat as model
from scenarios.chat_on_host import LISTENING, Listener, Relay, Talker, run

GREEK = "καλημέρα, τι κάνεις; ξεσκεπάζω την ψυχοφθόρα βδελυγμία"


@dataclass(frozen=True)
class Conversation:
    client: Talker
    server: Talker
    wire: Relay

    def ends(self, first: str) -> tuple[Talker, Talker]:
        return (self.client, self.server) if first == "client" else (self.server, self.client)


@pytest.fixture
def environment(devcrypto):
    return {**os.environ, **devcrypto.environment()}


@pytest.fixture
def converse(programs, environment):
    """Return a function that sets up a conversation; what passes comes in pieces of ``piece`` bytes."""
    with ExitStack() as stack:

        def start(*options: str, piece: int = 4096) -> Conversation:
            command = [str(programs.chat_server), *options, "--bind", "127.0.0.1", "--port", "0"]
            server = stack.enter_context(Talker(command, environment))
            server.expect(LISTENING)
            relay = stack.enter_context(Relay(int(server.match.group(1)), piece))
            command = [str(programs.chat_client), *options, "--host", "127.0.0.1", "--port", str(relay.port)]
            client = stack.enter_context(Talker(command, environment))
            client.starts()
            server.starts()
            return Conversation(client, server, relay)

        yield start


@pytest.mark.parametrize("piece", [1, 4096], ids=["one byte at a time", "whole"])
def test_a_conversation_both_ways(converse, piece):
    """Turn by turn each end hears what the other typed, and each frame between them is the model's."""
    chat = converse(piece=piece)
    said = []
    for turn in range(4):
        for speaker, listener in (chat.ends("client"), chat.ends("server")):
            text = f"{turn} {GREEK}"
            speaker.say(text)
            assert listener.heard() == text
            said.append(text)
    lines = [f"{text}\n" for text in said]
    assert chat.wire.frames == list(map(model.frame, lines)), model.difference(chat.wire.frames, lines)
    assert GREEK.encode() not in chat.wire.octets


@pytest.mark.parametrize("character", ["x", "ξ", "€", "🙂"])
@pytest.mark.parametrize("size", [0, 1, 252, 253, 254, 255, 256, 257, 258, 510, 511, 512, 1000])
def test_lines_of_any_length(converse, size, character):
    """A line arrives whole, in the messages the model cuts it into, one a turn, no character cut in two."""
    chat = converse()
    text = character * (size // len(character.encode())) + "y" * (size % len(character.encode()))
    chat.client.say(text)
    parts = model.messages(text)
    heard = []
    for part in parts:
        heard.append(chat.server.heard())
        assert heard[-1] == model.displayed(part)
        chat.server.say("go on")
        assert chat.client.heard() == "go on"
    chat.client.say("and this is new")
    assert chat.server.heard() == "and this is new"
    assert "".join(heard) == text
    assert chat.wire.frames[0:-1:2] == [model.frame(part) for part in parts]


def test_the_rest_of_a_long_line_is_no_farewell(converse):
    """A long line whose last part is `bye` is text to its end; a line that only begins so is text too."""
    chat = converse()
    chat.client.say("x" * 255 + "bye")
    assert chat.server.heard() == "x" * 255
    chat.server.say("bye bye")
    assert chat.client.heard() == "bye bye"
    assert chat.server.heard() == "bye"
    chat.server.say("bye")
    assert chat.client.left() == 0


@pytest.mark.parametrize("goodbye", ["bye", "end of input"])
@pytest.mark.parametrize("leaver", ["client", "server"])
def test_a_goodbye_ends_both(converse, leaver, goodbye):
    """`bye` or Ctrl-D at either prompt ends both programs with status 0, and nothing is sent for it."""
    chat = converse()
    speaker, listener = chat.ends("client")
    speaker.say("hello")
    assert listener.heard() == "hello"
    sent = ["hello\n"]
    if leaver == "client":
        listener.say("hello yourself")
        assert speaker.heard() == "hello yourself"
        sent.append("hello yourself\n")
        speaker, listener = listener, speaker
    if goodbye == "bye":
        listener.say("bye")
    else:
        listener.expect("me: ")
        listener.sendeof()
    assert listener.left() == 0
    assert speaker.left() == 0
    assert chat.wire.frames == [model.frame(message) for message in sent]


@pytest.mark.parametrize("killed", ["client", "server"])
def test_a_killed_program_ends_the_other(converse, killed):
    """A program that is killed ends the other one, which waits for it or stands at its prompt."""
    for prompted in (True, False):
        chat = converse()
        victim, survivor = chat.ends(killed)
        chat.client.expect("me: ")
        if prompted == (killed == "client"):
            chat.client.sendline("a turn")
            assert chat.server.heard() == "a turn"
            chat.server.expect("me: ")
        victim.kill(9)
        assert survivor.left() == 0


def test_plain_shows_on_the_wire(converse):
    """With --plain the conversation crosses readable, unencrypted and otherwise the same."""
    chat = converse("--plain")
    chat.client.say(GREEK)
    assert chat.server.heard() == GREEK
    assert chat.wire.frames == [model.frame(f"{GREEK}\n", plain=True)]
    assert GREEK.encode() in chat.wire.octets


def test_plain_needs_no_device(programs):
    """With --plain nobody opens a device: it works where there is none, and a wrong path does no harm."""
    with Listener() as listener:
        command = [str(programs.chat_client), "--plain", "--host", "127.0.0.1", "--port", str(listener.port)]
        assert run([*command, "/nowhere"], os.environ).returncode == 0


def test_over_ipv6(programs, environment):
    """Both programs take an IPv6 address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    with Talker([str(programs.chat_server), "--bind", "::1", "--port", "0"], environment) as server:
        server.expect(LISTENING)
        port = server.match.group(1)
        with Talker([str(programs.chat_client), "--host", "::1", "--port", port], environment) as client:
            client.say("over six")
            assert server.heard() == "over six"
            server.say("bye")
            assert server.left() == 0
            assert client.left() == 0


@pytest.mark.parametrize("program", ["chat_client", "chat_server"])
@pytest.mark.parametrize(
    "arguments",
    [["--colour"], ["--port"], ["--port", "65536"], ["--port", "http"], ["--port", ""], ["one", "two"]],
    ids=" ".join,
)
def test_a_wrong_command_line(programs, program, arguments):
    """A command line that makes no sense is status 2, and says where help is."""
    result = run([str(getattr(programs, program)), *arguments], os.environ)
    assert result.returncode == 2
    assert b"--help" in result.stderr
    assert result.stdout == b""


@pytest.mark.parametrize("program", ["chat_client", "chat_server"])
def test_help(programs, program):
    """--help tells every option and what the statuses mean."""
    result = run([str(getattr(programs, program)), "--help"], os.environ)
    assert result.returncode == 0
    where = b"--host" if program == "chat_client" else b"--bind"
    for word in (where, b"--plain", b"--port", b"NUL", b"Status"):
        assert word in result.stdout
