# SPDX-License-Identifier: GPL-2.0-or-later
"""What is preloaded into a chat's programs reaches them however they were compiled."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.sut.chat_build import build
from harness.sut.chat_spec import ChatSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Talks to itself over TCP; prints whether it got the port that it asked for, and the lengths of its reads.
PROGRAM = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_storage room = { 0 };
    struct sockaddr_in *address = (struct sockaddr_in *)&room;
    socklen_t size = sizeof(room);
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), peer;
    size_t most = strtoul(argv[1], NULL, 10);
    char text[64];
    ssize_t got;

    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons(1);
    if (bind(server, (struct sockaddr *)&room, sizeof(room)) || listen(server, 1))
        return 1;
    getsockname(server, (struct sockaddr *)&room, &size);
    if (connect(client, (struct sockaddr *)&room, size) || write(client, "ab\ncd", 5) != 5)
        return 2;
    peer = accept(server, NULL, NULL);
    got = argc > 2 ? recv(peer, text, most, 0) : read(peer, text, most);
    printf("%s %zd\n", ntohs(address->sin_port) == 1 ? "asked" : "led", got);
    return 0;
}
"""


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., str]:
    """Return a function that says what the program prints: ``told(arguments, checked, variables)``."""
    (tmp_path / "x.c").write_text(PROGRAM)
    (tmp_path / "built").mkdir()
    spec = ChatSpec.from_table({"client": ["x.c"], "server": ["x.c"]}, tmp_path, "sut.toml")

    def run(*arguments: str, checked: bool, **variables: str) -> str:
        programs = build(spec, tmp_path / "built", checked=checked)
        environment = {**os.environ, "LD_PRELOAD": str(programs.shim), "CHATSHIM_BIND": "0", **variables}
        command = [str(programs.client), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("call", [(), ("recv",)], ids=["read", "recv"])
def test_reads_are_short_and_the_port_is_another(
    told: Callable[..., str], call: tuple[str, ...], checked: bool
) -> None:
    assert told("64", *call, checked=checked) == "led 5"
    assert told("64", *call, checked=checked, CHATSHIM_CUT="10") == "led 3"
    assert told("64", *call, checked=checked, CHATSHIM_MOST="2") == "led 2"


def test_what_the_c_library_checks_is_still_checked(told: Callable[..., str]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        told("65", checked=True, CHATSHIM_MOST="2")
    assert "buffer overflow detected" in caught.value.stderr
