# SPDX-License-Identifier: GPL-2.0-or-later
"""Which entries of a machine's apt configuration are Debian's archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.artifacts.sources import debian_sources, host_codename, read_sources, with_suite
from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""\
# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: {KEYRING}
Architectures: amd64

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://node.example/deb
Suites: nodistro
Components: main

Types: deb
URIs: https://other.example/product/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/other.gpg

Types: deb-src
URIs: http://src.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://embedded.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
"""
ONE_LINE = f"""\
deb [arch=amd64 signed-by={KEYRING}] http://old.example/debian bookworm main non-free # a comment
# deb http://off.example/debian bookworm main
deb-src http://old.example/debian bookworm main
deb https://download.example/linux/debian bookworm stable
deb [trusted=yes] http://old.example/debian-security bookworm-security main
deb http://deb.example/product product-bookworm main
deb http://old.example/archive/debian/20250520T000000Z oldstable main
nonsense
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_deb822(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    first, second = debian_sources("bookworm", read_sources(apt))
    assert first.uris == ("http://mirror.example/debian",)
    assert first.suites == ("bookworm", "bookworm-updates")
    assert first.components == ("main",)
    assert first.option("signed-by") == KEYRING
    assert second.suites == ("bookworm-security",)
    assert "BEGIN PGP" in second.option("Signed-By")


def test_an_embedded_key_survives_the_round_trip(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    sources = debian_sources("bookworm", read_sources(apt))
    (apt / "sources.list.d" / "debian.sources").write_text("\n".join(s.stanza("deb") for s in sources))
    assert debian_sources("bookworm", read_sources(apt)) == sources


def test_one_line(apt: Path) -> None:
    (apt / "sources.list").write_text(ONE_LINE)
    (apt / "sources.list.d" / "same.list").write_text(ONE_LINE)
    found = debian_sources("bookworm", read_sources(apt))
    assert [(source.uris[0], source.suites[0]) for source in found] == [
        ("http://old.example/debian", "bookworm"),
        ("http://old.example/debian-security", "bookworm-security"),
        ("http://old.example/archive/debian/20250520T000000Z", "oldstable"),
    ]
    assert found[0].option("Signed-By") == KEYRING
    assert found[1].option("Trusted") == "yes"


def test_the_stanza_asks_for_package_lists_only(apt: Path) -> None:
    (apt / "sources.list").write_text(ONE_LINE)
    stanza = debian_sources("bookworm", read_sources(apt))[0].stanza("deb-src")
    assert stanza.splitlines() == [
        "Types: deb-src",
        "URIs: http://old.example/debian",
        "Suites: bookworm",
        "Components: main",
        "Targets: Packages Sources",
        f"Signed-By: {KEYRING}",
    ]


def test_another_suite_comes_from_the_main_archive(apt: Path) -> None:
    lines = ONE_LINE.splitlines()
    (apt / "sources.list").write_text("\n".join([lines[4], lines[0]]))
    other = with_suite(debian_sources("bookworm", read_sources(apt)), "bookworm", "trixie")
    assert (other.uris, other.suites) == (("http://old.example/debian",), ("trixie",))


def test_no_entry_of_debian_is_one_line(apt: Path) -> None:
    (apt / "sources.list").write_text("deb https://download.example/linux/debian bookworm stable\n")
    with pytest.raises(SetupError, match="no entry for Debian bookworm"):
        debian_sources("bookworm", read_sources(apt))


def test_the_codename() -> None:
    assert host_codename({"ID": "debian", "VERSION_CODENAME": "bookworm"}) == "bookworm"
    with pytest.raises(SetupError, match="Fedora"):
        host_codename({"ID": "fedora", "PRETTY_NAME": "Fedora 40"})
