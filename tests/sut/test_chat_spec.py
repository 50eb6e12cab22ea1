# SPDX-License-Identifier: GPL-2.0-or-later
"""What a manifest says of a chat: its frames, and what is told where it says something wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SetupError
from harness.reference import chat
from harness.sut.chat_spec import BUNDLED_CHAT, ChatSpec, Turns, Where

FOREIGN = Path(__file__).parents[1] / "foreign"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("client.c", "server.c", "prebuilt"):
        (tmp_path / name).write_text("")
    return tmp_path


def read(place: Path, /, **keys: object) -> ChatSpec:
    table = {"client": ["client.c"], "server": ["server.c"], **keys}
    wanted = {key: value for key, value in table.items() if value is not None}
    return ChatSpec.from_table(wanted, place, "sut.toml, [chat]")


def test_the_least_is_our_protocol(folder: Path) -> None:
    spec = read(folder)
    assert (spec.where, spec.turns, spec.port, spec.farewell) == (Where.GUEST, Turns.STRICT, 35001, "bye")
    assert (spec.client.prompt, spec.server.other, spec.client.greeting) == ("me: ", "other: ", "")
    assert spec.client.started("/run/client", host="h", port=1, device="/dev/x") == ["/run/client", "/dev/x"]
    assert spec.frame("hi\n") == chat.frame("hi\n") == BUNDLED_CHAT.frame("hi\n")


@given(st.binary(max_size=256).map(lambda data: data.rstrip(b"\0")))
def test_our_frames_are_the_models(message: bytes) -> None:
    assert BUNDLED_CHAT.frame(message) == chat.frame(message)
    assert BUNDLED_CHAT.unframe(chat.frame(message)) == message


@pytest.mark.parametrize(("frame_bytes", "trailer"), [(64, b""), (65, b"\n"), (67, b"\n\0\0")])
def test_frames_of_other_sizes_and_keys(folder: Path, frame_bytes: int, trailer: bytes) -> None:
    key, iv = bytes(range(32)), b"0123456789abcdef"
    sizes = {"message_bytes": 64, "frame_bytes": frame_bytes}
    spec = read(folder, key=f"hex:{key.hex()}", iv=iv.decode(), **sizes)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    assert spec.frame("hey\n") == encryptor.update(b"hey\n" + bytes(60)) + trailer
    assert spec.unframe(spec.frame("hey\n")) == b"hey\n"
    plain = read(folder, encrypted=False, **sizes)
    assert plain.frame("hey\n") == b"hey\n" + bytes(60) + trailer
    assert plain.unframe(plain.frame("hey\n")) == b"hey\n"
    assert plain.text_bytes == 63


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 256 bytes, not 257"):
        BUNDLED_CHAT.frame(b"x" * 257)
    with pytest.raises(ValueError, match="has 257 bytes, not 3"):
        BUNDLED_CHAT.unframe(b"abc")
    with pytest.raises(ValueError, match="ends with b'\\\\n', not b'x'"):
        BUNDLED_CHAT.unframe(b"x" * 257)


def test_a_text_is_found_by_what_is_sent() -> None:
    text = BUNDLED_CHAT.text_whose(lambda sent: sent[0] == 0)
    assert chat.frame(f"{text}\n")[0] == 0
    with pytest.raises(ValueError, match="no such message"):
        BUNDLED_CHAT.text_whose(lambda sent: len(sent) != 256)


def test_commands(folder: Path) -> None:
    spec = read(
        folder,
        client_command='./client -t "{host} now" --port={port} {device}',
        server=None,
        server_command="./prebuilt {port}",
        device="",
    )
    started = spec.client.started("c", host="::1", port=7, device="/dev/crypto")
    assert started == ["c", "-t", "::1 now", "--port=7", "/dev/crypto"]
    assert (spec.server.sources, spec.server.command) == ((), ("./prebuilt", "{port}"))
    assert read(folder, device="").client.command == ("./client",)


def test_prompts_of_one_or_of_both(folder: Path) -> None:
    spec = read(folder, client_prompt="> ", other="< ", accepted="come in")
    assert (spec.server.prompt, spec.server.other, spec.server.greeting) == ("> ", "< ", "come in")
    spec = read(folder, client_prompt="c> ", server_prompt="s> ", other="server: ", server_other="client: ")
    assert (spec.client.prompt, spec.server.prompt) == ("c> ", "s> ")
    assert (spec.client.other, spec.server.other) == ("server: ", "client: ")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"client": None}, "there is neither client nor client_command: one is needed"),
        ({"server": None}, "there is neither server nor server_command: one is needed"),
        ({"port": "35001"}, "port is '35001', expected a number from 1 to 65535"),
        ({"port": 0}, "port is 0, expected a number from 1 to 65535"),
        ({"port": True}, "port is True, expected a number"),
        ({"prot": 35001}, "prot is no key of it, expected one of .*port, "),
        ({"where": "moon"}, "where is 'moon', expected 'host' or 'guest'"),
        ({"turns": 1}, "turns is 1, expected 'strict' or 'free'"),
        ({"folder": "nowhere"}, "folder is 'nowhere', expected a folder in /"),
        ({"client": "client.c"}, "client is 'client.c', expected a list of C files"),
        ({"server": ["other.c"]}, "server is 'other.c', expected a file in /"),
        ({"key": "short"}, r"key is 'short', expected 16 or 24 or 32 bytes, .* \(it has 5\)"),
        ({"key": "hex:0g"}, "key is 'hex:0g', expected 16 or 24 or 32 bytes, as text or as hex:…"),
        ({"iv": 7}, "iv is 7, expected 16 bytes"),
        ({"encrypted": "yes"}, "encrypted is 'yes', expected true or false"),
        ({"message_bytes": 100}, "message_bytes is 100, expected whole blocks of 16 bytes"),
        ({"frame_bytes": 255}, "frame_bytes is 255, expected a number from 256 to"),
        ({"other": ""}, "other is '', expected a text on one line that is not empty"),
        ({"farewell": "good\nbye"}, "farewell is 'good.nbye', expected a text on one line"),
        ({"client_command": "./client {path}"}, r"client_command is .* only {device} {host} {port}"),
        ({"client_command": "./client {port:d}"}, r"client_command is .* only {device} {host} {port}"),
        ({"client_command": "./client {port!r}"}, r"client_command is .* only {device} {host} {port}"),
        ({"client_command": "./client \0"}, "client_command is .*, expected a text on one line"),
        ({"client": ["a" * 300]}, "client is 'a+', expected a file in /"),
        ({"folder": "a" * 300}, "folder is 'a+', expected a folder in /"),
        ({"client_command": "./client {}"}, "client_command is .*, expected a command in which"),
        ({"client_command": "./client '"}, r"client_command is .*No closing quotation"),
        ({"client_command": "./talk"}, "client_command is './talk', expected ./client as its first word"),
        (
            {"client": None, "client_command": "./client"},
            "client_command is './client', expected a program in /.* client names no sources",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_names_the_key(
    folder: Path, keys: dict[str, object], line: str
) -> None:
    with pytest.raises(SetupError) as caught:
        read(folder, **keys)
    told = str(caught.value)
    assert told.startswith("reading sut.toml, [chat]: ")
    assert "\n" not in told
    assert re.search(line, told), told


@pytest.mark.parametrize("manifest", sorted(FOREIGN.glob("chat-*/*.toml")), ids=lambda path: path.stem)
def test_the_chats_of_the_tests_have_good_manifests(manifest: Path) -> None:
    table = tomllib.loads(manifest.read_text())["chat"]
    assert ChatSpec.from_table(table, manifest.parent, manifest.name).where is Where.HOST
