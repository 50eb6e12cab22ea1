# SPDX-License-Identifier: GPL-2.0-or-later
"""The mirrors: whether this machine's own archive of Debian answers, asked in apt's way, with its proxies."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.artifacts.debian import APT_HELPER, NETWORK_CURE
from harness.artifacts.sources import debian_sources, host_codename, read_sources
from harness.doctor.check import Check, bad, good
from harness.errors import SetupError

if TYPE_CHECKING:
    from harness.doctor.surroundings import Surroundings

NAME, INDEX = "package mirror", "Python index"
# Of one try; and of all that apt makes of it (it tries each address of a name).
TRY_SECONDS, ASK_SECONDS = 3, 8.0
# The smallest of what QEMU's configure is given from PyPI.
SMALL = "pycotap"


@dataclass(frozen=True)
class Mirrors:
    """What was heard of the mirrors.

    Attributes:
        check: whether they answer.
        server: the time that one told, in seconds since 1970; None when none did.
    """

    check: Check
    server: float | None = None


def mirrors(here: Surroundings) -> Mirrors:
    """Ask each entry of this machine's apt configuration for its first suite."""
    try:
        sources = debian_sources(host_codename(here.codenames), read_sources(here.root / "etc" / "apt"))
    except SetupError as error:
        return Mirrors(bad(NAME, error.seen, error.cure))
    server: float | None = None
    asked = []
    for source in sources:
        uri, suite = source.uris[0], source.suites[0]
        if not uri.startswith(("http://", "https://")):
            continue
        seen, told = _ask(here, f"{uri.rstrip('/')}/dists/{suite.rstrip('/')}/InRelease")
        if seen:
            return Mirrors(bad(NAME, f"{uri} does not answer: {seen}", NETWORK_CURE), server)
        server = told or server
        asked.append(uri)
    return Mirrors(good(NAME, f"{', '.join(asked)} answered" if asked else "no address to ask"), server)


def _ask(here: Surroundings, uri: str) -> tuple[str, float | None]:
    """Fetch a small file; return what is wrong, and the server's time."""
    with TemporaryDirectory() as folder:
        options = ["Acquire::Retries=0", "Debug::Acquire::http=true", "Debug::Acquire::https=true"]
        options += [f"Acquire::{kind}::Timeout={TRY_SECONDS}" for kind in ("http", "https")]
        words = [word for option in options for word in ("-o", option)]
        done = here.run([APT_HELPER, *words, "download-file", uri, f"{folder}/answer"], ASK_SECONDS)
    date = re.search(r"^date:\s*(.+?)\s*$", done.text, re.MULTILINE | re.IGNORECASE)
    server = None
    if date:
        try:
            server = parsedate_to_datetime(date[1]).timestamp()
        except ValueError:
            server = None
    if done.status == 0:
        return "", server
    lines = done.text.splitlines()
    why = next((line for line in lines if line.startswith("E: ")), lines[-1] if lines else "no word")
    return why.removeprefix("E: ").removeprefix("Failed to fetch ").removeprefix(uri).strip(), server


def index(here: Surroundings) -> Check:
    """Ask the Python index, in pip's way: QEMU's configure is given meson and ninja from there."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-cache-dir", "--retries", "0", "--timeout", str(TRY_SECONDS)]
        done = here.run([*command, "--dest", folder, SMALL], 4 * ASK_SECONDS)
    if done.status == 0:
        return good(INDEX, "it answered")
    lines = [line for line in done.text.splitlines() if "ERROR" in line] or done.text.splitlines()[-1:]
    cure = "check the network and pip's configuration (PIP_INDEX_URL, PIP_PROXY)"
    return bad(INDEX, f"it does not answer: {lines[0] if lines else 'no word'}", cure)
