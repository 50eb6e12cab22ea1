# SPDX-License-Identifier: GPL-2.0-or-later
"""The chat inside a guest, through the virtual crypto device, with the wire watched."""

from __future__ import annotations

import re

import pytest

from harness.reference import chat as model

GREEK = "καλημέρα, τι κάνεις;"


@pytest.mark.requirement("ciphertext on the wire")
def test_one_types_the_other_reads(chat):
    """A message typed in the client appears in the server, and only ciphertext crosses the wire."""
    chat.client.say(GREEK)
    assert chat.server.heard() == GREEK
    assert chat.wire.frames == [model.frame(GREEK + "\n")]
    assert GREEK.encode() not in chat.wire.octets


@pytest.mark.requirement("encrypted chat")
def test_a_conversation_both_ways(chat):
    """Five turns each way are heard in order, each frame on the wire is the model's, none shows plaintext."""
    said = []
    for turn in range(5):
        for speaker, listener in ((chat.client, chat.server), (chat.server, chat.client)):
            text = f"{speaker.name} says {GREEK} for the {turn}th time"
            speaker.say(text)
            assert listener.heard() == text
            said.append(text)
    frames = chat.wire.frames
    assert [model.unframe(frame) for frame in frames] == [f"{text}\n".encode() for text in said]
    assert frames == [model.frame(f"{text}\n") for text in said]
    for secret in (*said, model.KEY.decode()):
        assert secret.encode() not in chat.wire.octets


@pytest.mark.requirement("encrypted chat")
@pytest.mark.parametrize("last_word", ["client", "server"])
def test_bye_ends_both(chat, last_word):
    """`bye` at either prompt ends both programs with status 0, and the word itself is never sent."""
    chat.client.say("hello")
    assert chat.server.heard() == "hello"
    sent = [model.frame("hello\n")]
    if last_word == "client":
        chat.server.say("and goodbye")
        assert chat.client.heard() == "and goodbye"
        sent.append(model.frame("and goodbye\n"))
    leaver = chat.client if last_word == "client" else chat.server
    leaver.leave()
    assert chat.client.left() == 0
    assert chat.server.left() == 0
    assert chat.wire.frames == sent


def test_plain_chat_shows_on_the_wire(plain_chat):
    """With --plain the same conversation crosses the wire readable: the check for plaintext can see it."""
    plain_chat.client.say("nothing to hide")
    assert plain_chat.server.heard() == "nothing to hide"
    assert plain_chat.wire.frames == [model.frame("nothing to hide\n", plain=True)]
    assert b"nothing to hide" in plain_chat.wire.octets


@pytest.mark.requirement("encrypted chat")
def test_a_message_longer_than_a_frame(chat):
    """A line of 600 bytes arrives whole, in the frames and turns that the model says, none of it readable."""
    text = "ξ" * 300
    first, *rest = model.messages(text)
    chat.client.say(text)
    heard = [chat.server.heard()]
    sent = [first]
    for message in rest:
        chat.server.say("go on")
        assert chat.client.heard() == "go on"
        heard.append(chat.server.heard())
        sent += [b"go on\n", message]
    assert "".join(heard) == text
    assert chat.wire.frames == [model.frame(message) for message in sent]
    assert "ξξξξ".encode() not in chat.wire.octets


def test_the_hosts_client_with_the_guests_server(host_to_guest_chat):
    """A client on the host, encrypting with devcrypto, talks with the guest's server through the device."""
    chat = host_to_guest_chat
    chat.client.say(GREEK)
    assert chat.server.heard() == GREEK
    chat.server.say("kia ora")
    assert chat.client.heard() == "kia ora"
    assert chat.wire.frames == [model.frame(f"{GREEK}\n"), model.frame("kia ora\n")]
    chat.client.leave()
    assert chat.server.left() == 0
    assert chat.client.left() == 0


def test_a_chat_typed_at_the_serial_console(vm, sut):
    """The client works at the guest's serial console, with the server at a terminal over SSH."""
    with vm.terminal(sut.chat_server()) as server:
        server.expect(r"listening on \d+\r?\n")
        vm.shell.sendline(sut.chat_client())
        server.expect(r"accepted\r?\n")
        vm.shell.expect(r"me: ")
        vm.shell.sendline(GREEK)
        server.expect(rf"other: {re.escape(GREEK)}\r?\n")
        server.expect(r"me: ")
        server.sendline("γεια")
        vm.shell.expect(r"other: γεια\r?\n")
        vm.shell.expect(r"me: ")
        vm.shell.sendline("bye")
        vm.shell.expect_exact("guest# ")
        assert server.exit_status() == 0


@pytest.mark.parametrize("program", ["chat_client", "chat_server"])
@pytest.mark.parametrize("device", ["/dev/cryptodev31", "/dev/null", "/nowhere"])
def test_a_wrong_device_is_one_clear_line(vm, sut, wire, program, device):
    """With no device, or one that is none, both programs say so in one line, fail, and send nothing."""
    result = vm.run(getattr(sut, program)(device=device), stdin="a secret\n")
    assert result.status == 1
    assert device in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "secret" not in result.stdout
    assert wire.frames == []
    assert b"secret" not in wire.octets


def test_a_refused_connection_is_one_clear_line(vm, sut):
    """A client that finds nobody listening says so in one line and fails."""
    result = vm.run(sut.chat_client(port=9), stdin="hello\n")
    assert result.status == 1
    assert len(result.stderr.splitlines()) == 1
    assert "refused" in result.stderr
