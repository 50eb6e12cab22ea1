# SPDX-License-Identifier: GPL-2.0-or-later
"""The requirements on any chat, held against chats that are not ours: only who is right passes."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).parents[1]
CHATS = REPOSITORY / "tests" / "foreign"
REQUIREMENTS = Path(__file__).with_name("test_sut_chat.py")

FLAWS = {
    "STRCHR": ("test_a_frame_in_pieces[cut]", "cut behind a byte 0x0a inside it is taken for whole"),
    "STRING": ("test_bytes_that_end_a_c_string", "handled as a C string"),
    "UNCHECKED": (
        "test_without_a_device_nothing_is_sent[client]",
        "with no device the client sends plaintext",
    ),
    "MEMSET": ("test_nothing_is_written_past_an_end", "writes past the end of a buffer"),
    "FD1": ("test_typed_in_a_pipe", "does not read its standard input"),
    "ENDLESS": ("test_a_killed_program_ends_the_other[server]", "does not see the end of the server"),
    "STALE": ("test_a_message_of_full_length", "what is left of a long message is sent with a short one"),
    "FAREWELL": ("test_a_farewell_ends_both[client]", "the server does not notice that the client has left"),
    "IDENTITY": ("test_nothing_readable_on_the_wire", "plaintext on the wire"),
    "KEY": ("test_only_who_has_the_key_reads", "frame 0 is not what the agreed cipher, key and IV make of"),
    "SHORT": ("test_a_message_of_full_length", "a message of 255 bytes and a newline does not fit"),
}


@pytest.fixture
def held(inner_run):
    """Return a function that holds a manifest's chat against the requirements: status and output."""

    def hold(manifest: Path, *tests: str, where: str = "host") -> tuple[int | None, str]:
        source = f"""
            import tomllib
            from pathlib import Path
            import pytest
            from harness.plugin import CHAT
            from harness.sut.chat_spec import ChatSpec

            @pytest.hookimpl(trylast=True)
            def pytest_configure(config):
                path = Path({str(manifest)!r})
                table = tomllib.loads(path.read_text())["chat"] | {{"where": {where!r}}}
                config.stash[CHAT] = ChatSpec.from_table(table, path.parent, f"{{path.name}}, [chat]")
            """
        chosen = [f"{REQUIREMENTS}::{test}" for test in tests] or [str(REQUIREMENTS)]
        run = inner_run(source, "-p", "test_inner", *chosen)
        output = run.finish(seconds=240)
        return run.status, output

    return hold


@pytest.fixture
def old_chat(tmp_path):
    """Return a function that gives the manifest of the old chat with some flaws only."""

    def flawed(*flaws: str) -> Path:
        folder: Path = tmp_path / "chat-old"
        shutil.copytree(CHATS / "chat-old", folder)
        (folder / "flaws.h").write_text("".join(f"#define FLAW_{flaw}\n" for flaw in flaws))
        return folder / "sut.toml"

    return flawed


@pytest.mark.parametrize("where", ["host", pytest.param("guest", marks=pytest.mark.thorough)])
def test_a_chat_that_is_right(held, old_chat, where):
    """A chat that is not ours and has no flaw meets every requirement, on the host and in a guest."""
    status, output = held(old_chat(), where=where)
    assert status == 0, output
    assert re.search(r"\b16 passed\b", output)


@pytest.mark.thorough
@pytest.mark.parametrize("where", ["host", "guest"])
def test_a_plain_chat(held, where):
    """A plain chat with other prompts, another port, other frames and free turns meets the requirements."""
    status, output = held(CHATS / "chat-plain" / "sut.toml", where=where)
    assert status == 0, output
    assert re.search(r"\b11 passed, 5 skipped\b", output)


THOROUGH = [pytest.param(flaw, marks=() if flaw == "STRCHR" else pytest.mark.thorough) for flaw in FLAWS]


@pytest.mark.parametrize("flaw", THOROUGH)
def test_a_flaw_is_caught(held, old_chat, flaw):
    """Each flaw of the old style fails the scenario that is there for it, and the message speaks of it."""
    test, why = FLAWS[flaw]
    status, output = held(old_chat(flaw), test, "test_each_hears_the_other")
    assert status == 1, output
    assert "1 failed, 1 passed" in output, f"it is {test} alone that is to fail:\n{output}"
    assert "test_each_hears_the_other PASSED" in output
    assert why in output


def working_in(folder):
    """Return the processes whose working directory lies below a folder; those that have ended have none."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def test_a_server_that_goes_into_the_background(held, old_chat, tmp_path):
    """A server that leaves its terminal is told so, and does not outlive its test."""
    manifest = old_chat("BACKGROUND")
    status, output = held(manifest, "test_each_hears_the_other")
    assert status == 1, output
    assert "the chat's server to listen: it went into the background" in output, output
    assert working_in(tmp_path) == []


@pytest.mark.thorough
def test_a_flaw_is_caught_in_a_guest(held, old_chat):
    """The same in a guest: what is read there is cut, and a device missed, as on the host."""
    flaws = ("STRCHR", "UNCHECKED")
    status, output = held(
        old_chat(*flaws), *(FLAWS[flaw][0] for flaw in flaws), "test_each_hears_the_other", where="guest"
    )
    assert status == 1, output
    assert "2 failed, 1 passed" in output
    for flaw in flaws:
        assert FLAWS[flaw][1] in output


@pytest.mark.thorough
def test_the_old_chat_as_it_is(held):
    """With all its flaws at once the old chat is not right, and what it cannot do is told by name."""
    tests = ("test_typed_in_a_pipe", "test_nothing_readable_on_the_wire")
    status, output = held(CHATS / "chat-old" / "sut.toml", *tests)
    assert status == 1, output
    assert "does not read its standard input" in output


def test_plaintext_that_is_said_to_be_encrypted(held):
    """A chat that says that it encrypts and does not is found out on the wire."""
    status, output = held(
        CHATS / "chat-plain" / "encrypted.toml",
        "test_nothing_readable_on_the_wire",
        "test_only_who_has_the_key_reads",
    )
    assert status == 1, output
    assert "2 failed" in output
    assert "plaintext on the wire: " in output
    assert "frame 0 carries its message unencrypted" in output


@pytest.mark.thorough
@pytest.mark.parametrize("where", ["host", "guest"])
def test_a_server_that_does_not_listen(held, old_chat, where):
    """A server that ends before anybody can connect is told with its status and its last words."""
    manifest = old_chat()
    source = manifest.with_name("server.c")
    source.write_text('#include <stdio.h>\nint main() { puts("not today"); return 3; }\n')
    status, output = held(manifest, "test_each_hears_the_other", where=where)
    assert status == 1, output
    assert "waiting for the chat's server to listen: it ended with status 3" in output
    assert "| not today" in output
    source.write_text(
        '#include <stdio.h>\nint main() { puts("some day"); fflush(stdout); for (;;) getchar(); }\n'
    )
    status, output = held(manifest, "test_each_hears_the_other", where=where)
    assert status == 1, output
    assert "waiting for the chat's server to listen: it listens to no port" in output
    assert "| some day" in output


@pytest.mark.thorough
def test_programs_that_do_not_meet(held, old_chat):
    """A greeting that never comes is told with what came instead."""
    manifest = old_chat()
    manifest.write_text(manifest.read_text().replace('"accepted"', '"welcome"'))
    status, output = held(manifest, "test_each_hears_the_other")
    assert status == 1, output
    assert "waiting for the chat's server to meet the other: nothing more came while" in output
    assert "welcome" in output
    assert "accepted" in output


def test_sources_that_do_not_compile(held, old_chat):
    """A chat that does not compile is told with the file and line of the first error."""
    manifest = old_chat()
    source = manifest.with_name("server.c")
    source.write_text(source.read_text().replace("int main(", "#error no server\nint main("))
    status, output = held(manifest, "test_each_hears_the_other")
    assert status == 1, output
    assert re.search(
        r"building the chat's server: does not build: server\.c:4: .*DoesNotBuildError in ", output, re.DOTALL
    )
