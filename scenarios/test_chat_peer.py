# SPDX-License-Identifier: GPL-2.0-or-later
"""Each of the chat's programs against a peer that does what no honest one would, and devices that fail."""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass

import pexpect
import pytest

from harness.reference import chat as model
from scenarios.chat_on_host import LISTENING, SHIM, Listener, Peer, Talker, run

PRIVATE = "the secret, το μυστικό"
BOTH = pytest.mark.parametrize("end", list(model.End), ids=str)


@dataclass(frozen=True)
class Meeting:
    """A program, the peer that it is connected to, and which end the program is."""

    program: Talker
    peer: Peer
    end: model.End

    def to_the_prompt(self) -> None:
        """Bring it to the program's turn."""
        if self.end is model.End.SERVER:
            self.peer.says("your turn\n")
            assert self.program.heard() == "your turn"
        self.program.expect("me: ")

    def to_the_peers_turn(self) -> None:
        """Bring it to the peer's turn."""
        if self.end is model.End.CLIENT:
            self.program.say("your turn")
            assert self.peer.hears() == b"your turn\n"


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library


@pytest.fixture
def environment(devcrypto, shim):
    """Return a function that gives the environment with the device and the shim's ``SHIM_…`` variables."""
    return lambda **wishes: {
        **os.environ,
        **devcrypto.environment(*([shim] if wishes else [])),
        **{name: str(value) for name, value in wishes.items()},
    }


@pytest.fixture
def meet(programs, environment):
    """Return a function that starts one program and connects a peer to it."""
    with ExitStack() as stack:

        def start(end: model.End, **wishes: object) -> Meeting:
            if end is model.End.CLIENT:
                listener = stack.enter_context(Listener())
                command = [str(programs.chat_client), "--host", "127.0.0.1", "--port", str(listener.port)]
                program = stack.enter_context(Talker(command, environment(**wishes)))
                peer = stack.enter_context(Peer(listener.accept()))
            else:
                command = [str(programs.chat_server), "--bind", "127.0.0.1", "--port", "0"]
                program = stack.enter_context(Talker(command, environment(**wishes)))
                program.expect(LISTENING)
                peer = stack.enter_context(Peer.connect(int(program.match.group(1))))
            program.starts()
            return Meeting(program, peer, end)

        yield start


def _with_newlines_inside(count: int) -> list[str]:
    """Messages whose ciphertext holds newlines, and zeros: what is no text must not be taken for it."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        text = f"number {number}"
        ciphertext = model.frame(f"{text}\n")[:-1]
        if b"\n" in ciphertext[:100] and b"\0" in ciphertext:
            found.append(text)
        number += 1
    return found


@BOTH
@pytest.mark.parametrize("size", [1, 2, 3, 100, 255, 256, 257])
def test_system_calls_that_do_little(meet, end, size):
    """With each read and write cut to a few bytes, each second one interrupted, every byte still arrives."""
    meeting = meet(end, SHIM_BYTES=size)
    meeting.to_the_peers_turn()
    for text in _with_newlines_inside(4):
        meeting.peer.says(f"{text}\n")
        assert meeting.program.heard() == text
        meeting.program.say(text[::-1])
        assert meeting.peer.hears() == f"{text[::-1]}\n".encode()
    meeting.peer.ends()
    assert meeting.program.left() == 0


@BOTH
def test_a_frame_cut_at_every_place(meet, end):
    """A frame may come in two parts: 256 frames, each cut at another byte, are all understood."""
    meeting = meet(end)
    meeting.to_the_peers_turn()
    texts = _with_newlines_inside(8)
    for cut in range(1, model.FRAME_BYTES):
        text = texts[cut % len(texts)]
        frame = model.frame(f"{text}\n")
        meeting.peer.sends(frame[:cut])
        meeting.peer.sends(frame[cut:])
        assert meeting.program.heard() == text
        meeting.program.say("go on")
        assert meeting.peer.hears() == b"go on\n"


@BOTH
def test_a_peer_cannot_drive_the_terminal(meet, end):
    r"""Control characters and what is not UTF-8 are shown as \xNN, the rest as it is, as in the model."""
    meeting = meet(end)
    meeting.to_the_peers_turn()
    chance = random.Random(257)  # noqa: S311 -- test data, the same in every run
    nasty = [b"\x1b", b"\xc2\x9b", b"\x7f", b"\t", b"\r", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"]
    nasty += [
        b"\xf0\x9f\x99",
        b"\xe2\x82",
        b"\xff",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
    ]
    nasty += [character.encode() for character in "🙂é\\\u2028\uffffa"]
    every_byte = [bytes(range(1, 10)) + bytes(range(11, 128)), bytes(range(128, 256))]
    seconds = (0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0)
    pairs = [bytes([first, second]) for first in range(0xC0, 0x100) for second in seconds]
    packed = [b" ".join(pairs[start : start + 64]) for start in range(0, len(pairs), 64)]
    random_mix = [b"".join(chance.choices(nasty, k=60)) for _ in range(60)]
    for message in (*every_byte, *packed, *random_mix):
        meeting.peer.says(message[:255] + b"\n")
        # Up to the prompt: what drives a terminal may break a line, too.
        meeting.program.expect("me: ")
        shown = str(meeting.program.before).partition("other: ")[2]
        assert shown == f"{model.displayed(message[:255])}\r\n"
        meeting.program.sendline("go on")
        meeting.peer.hears()


@BOTH
@pytest.mark.parametrize(
    "message", [b"x" * 256, b"no newline", b"", b"\n", b"a\0b\n", b"two\nlines\n"], ids=lambda m: repr(m[:12])
)
def test_unusual_messages(meet, end, message):
    """A message without its newline, an empty one, one with more behind its end: shown as in the model."""
    meeting = meet(end)
    meeting.to_the_peers_turn()
    meeting.peer.says(message)
    assert meeting.program.heard() == model.displayed(message)
    meeting.program.expect("me: ")


@BOTH
@pytest.mark.parametrize("last", [b"\0", b"\r", b"x"])
def test_a_frame_with_a_wrong_end(meet, end, last):
    """A frame that does not end with a newline is an error: one line, status 1, nothing of it shown."""
    meeting = meet(end)
    meeting.to_the_peers_turn()
    meeting.peer.sends(model.frame("shown?\n")[:-1] + last)
    assert meeting.program.left() == 1
    (line,) = [line for line in meeting.program.last_words() if line.startswith("chat-")]
    assert "protocol" in line
    assert "shown?" not in str(meeting.program.before)


@BOTH
@pytest.mark.parametrize("size", [1, 16, 128, 255, 256])
def test_an_end_inside_a_frame(meet, end, size):
    """A connection that ends in the middle of a frame is an error: one line, status 1, nothing shown."""
    meeting = meet(end)
    meeting.to_the_peers_turn()
    meeting.peer.sends(model.frame("shown?\n")[:size])
    meeting.peer.ends()
    assert meeting.program.left() == 1
    (line,) = [line for line in meeting.program.last_words() if line.startswith("chat-")]
    assert "middle" in line
    assert "other:" not in str(meeting.program.before)
    meeting.peer.hears_the_end()


@BOTH
def test_a_peer_that_leaves_before_saying_anything(meet, end):
    """A connection that ends at once ends either program with status 0."""
    meeting = meet(end)
    meeting.peer.ends()
    assert meeting.program.left() == 0
    meeting.peer.hears_the_end()


@BOTH
def test_a_goodbye_at_the_prompt_is_noticed(meet, end):
    """A peer that leaves while nobody types is noticed at once: status 0, with nothing typed."""
    meeting = meet(end)
    meeting.to_the_prompt()
    meeting.peer.ends()
    assert meeting.program.left() == 0
    meeting.peer.hears_the_end()


@BOTH
@pytest.mark.parametrize("prompted", [True, False], ids=["at the prompt", "waiting"])
def test_a_vanished_peer(meet, end, prompted):
    """A connection that is reset ends either program at once, at its prompt too: one line, status 1."""
    meeting = meet(end)
    if prompted:
        meeting.to_the_prompt()
    else:
        meeting.to_the_peers_turn()
    meeting.peer.vanishes()
    assert meeting.program.left() == 1
    (line,) = [line for line in meeting.program.last_words() if line.startswith("chat-")]
    assert "reset" in line


@BOTH
def test_a_peer_that_speaks_out_of_turn(meet, end):
    """What comes out of turn waits for its turn; an end behind it ends nothing before it is heard."""
    meeting = meet(end)
    meeting.to_the_prompt()
    meeting.peer.says("out of turn\n")
    meeting.peer.ends()
    meeting.program.sendline(PRIVATE)
    assert meeting.peer.hears() == f"{PRIVATE}\n".encode()
    assert meeting.program.heard() == "out of turn"
    assert meeting.program.left() == 0
    meeting.peer.hears_the_end()
    assert PRIVATE.encode() not in meeting.peer.received


@BOTH
def test_a_device_that_fails(meet, end):
    """A device that fails while a message is encrypted ends the program: one line, status 1, nothing sent."""
    meeting = meet(end, SHIM_FAIL=3 if end is model.End.CLIENT else 2)
    meeting.to_the_peers_turn()
    meeting.peer.says("go on\n")
    meeting.program.say(PRIVATE)
    meeting.peer.hears_the_end()
    assert meeting.program.left() == 1
    (line,) = [line for line in meeting.program.last_words() if line.startswith("chat-")]
    assert "encrypting with /dev/crypto: No such device" in line


@BOTH
def test_a_device_that_does_nothing(meet, end):
    """A device that says yes and leaves the destination as it is never makes plaintext be sent."""
    meeting = meet(end, SHIM_IDLE=3 if end is model.End.CLIENT else 2)
    meeting.to_the_peers_turn()
    meeting.peer.says("go on\n")
    meeting.program.say(PRIVATE)
    meeting.peer.hears()
    for part in (PRIVATE.encode(), b"secret", "μυστικό".encode()):
        assert part not in meeting.peer.received


@BOTH
def test_the_session_is_freed(meet, end, tmp_path):
    """A program makes one session, uses it for every message, and frees it at the end."""
    log = tmp_path / "calls"
    meeting = meet(end, SHIM_LOG=log)
    meeting.to_the_prompt()
    meeting.program.sendline("bye")
    assert meeting.program.left() == 0
    assert log.read_text().split() == ["102", *(["104"] if end is model.End.SERVER else []), "103"]


@pytest.mark.parametrize("device", ["/dev/null", "/nowhere", "/", "/proc/self/mem"])
def test_no_device_no_connection(programs, environment, device):
    """With no device, or one that is none, the client connects to nobody: one line, status 1."""
    with Listener() as listener:
        command = [str(programs.chat_client), "--host", "127.0.0.1", "--port", str(listener.port), device]
        result = run(command, environment())
        assert result.returncode == 1
        assert result.stdout == b""
        assert device.encode() in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert listener.nobody_came()


@pytest.mark.parametrize("device", ["/dev/null", "/nowhere"])
def test_no_device_no_listening(programs, environment, device):
    """With no device, or one that is none, the server listens to nobody: one line, status 1."""
    result = run([str(programs.chat_server), "--port", "0", device], environment())
    assert result.returncode == 1
    assert b"listening" not in result.stderr
    assert device.encode() in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_refused_connection(programs, environment):
    """A client that finds nobody listening says so in one line, status 1."""
    with Listener() as listener:
        port = str(listener.port)
    result = run(
        [str(programs.chat_client), "--host", "127.0.0.1", "--port", port], environment(), b"hello\n"
    )
    assert result.returncode == 1
    (line,) = result.stderr.decode().splitlines()
    assert "refused" in line
    assert port in line


def test_a_port_that_is_taken(programs, environment):
    """A server whose port is taken says so in one line, status 1."""
    with Listener() as listener:
        command = [str(programs.chat_server), "--bind", "127.0.0.1", "--port", str(listener.port)]
        with Talker(command, environment()) as server:
            assert server.expect([pexpect.EOF, LISTENING]) == 0, (
                f"{server.after!r}, and not where it was told"
            )
            (line,) = server.last_words()
            assert server.left() == 1
    assert "in use" in line


def _served(programs, environment, typed: bytes, answers: int) -> tuple[list[bytes], subprocess.Popen[bytes]]:
    """Let a client read ``typed`` from a pipe; answer so many of its messages; return them and the client."""
    with Listener() as listener:
        command = [str(programs.chat_client), "--host", "127.0.0.1", "--port", str(listener.port)]
        pipe = subprocess.PIPE
        client = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
        assert client.stdin
        client.stdin.write(typed)
        client.stdin.close()
        client.stdin = None
        heard = []
        with Peer(listener.accept()) as peer:
            for _ in range(answers):
                heard.append(peer.hears())
                peer.says("answer\n")
            peer.hears_the_end()
    return heard, client


def test_typed_ahead_in_a_pipe(programs, environment):
    """Lines in a pipe are sent one a turn, the last without its newline too, and its end is a goodbye."""
    typed = f"one\n\n{PRIVATE}\n{'x' * 300}\nlast".encode()
    sent = [part for line in typed.decode().split("\n") for part in model.messages(line)]
    heard, client = _served(programs, environment(), typed, len(sent))
    assert heard == sent
    assert client.communicate(timeout=30)[1] == b""
    assert client.returncode == 0


def test_bye_in_a_pipe(programs, environment):
    """What stands behind `bye` in a pipe is not sent."""
    heard, client = _served(programs, environment(), b"one\nbye\nnever\n", 1)
    assert heard == [b"one\n"]
    client.communicate(timeout=30)
    assert client.returncode == 0


def test_bytes_that_are_no_text_in_a_pipe(programs, environment):
    """NUL bytes are left out with a note, for padding would swallow them; other bytes pass as they are."""
    heard, client = _served(programs, environment(), b"a\0b\0\n" + b"\x80" * 300 + b"\n", 3)
    assert heard == [b"ab\n", b"\x80" * 255 + b"\n", b"\x80" * 45 + b"\n"]
    assert b"NUL" in client.communicate(timeout=30)[1]
    assert client.returncode == 0
