# SPDX-License-Identifier: GPL-2.0-or-later
"""The system itself: distribution, Python, tox, the host's kernel, the clock, namespaces."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.doctor.check import Check, bad, doubtful, good

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.doctor.surroundings import Surroundings

OLDEST_PYTHON = (3, 11)
# tox.ini asks for this one; since 3.3 an older tox can fetch it for itself.
WANTED_TOX, OLDEST_TOX = (4, 20), (3, 3)
PROGRAM_SECONDS = 20.0
# Mirrors' lists and certificates bear dates: a clock that is off by less does no harm.
CLOCK_SECONDS = 3600.0
# Nothing of the harness is older.
EPOCH = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
CONTAINER = (
    'podman run --rm -it -v "$PWD":/harness -w /harness --device /dev/kvm debian:12 '
    "sh -c 'apt-get update && apt-get install -y tox && tox -e vm'"
)
AUTOMATIC, TRIED = "bookworm", ("bookworm", "trixie")


def system(here: Surroundings) -> Check:
    """Look at the distribution: the guest's parts are fetched by apt from Debian's archive."""
    seen = f"{here.system}, {here.machine}, {here.cores} cores"
    if here.machine != "x86_64":
        return bad("system", f"{seen}: guests and the programs in them are x86-64", "use an x86-64 machine")
    codename = here.release.get("version_codename", "")
    if here.release.get("id") == "debian" and codename in TRIED:
        return good("system", seen)
    without = "leave --device out where there is no KVM"
    if here.release.get("id") == "debian" and codename:
        cure = f"should a build fail: {CONTAINER}"
        return doubtful("system", f"{seen}: the harness is tried on Debian 12", cure)
    why = "a guest is made of packages that apt fetches from Debian's archive"
    return bad("system", f"{seen}: {why}", f"{CONTAINER} (docker does, too; {without})")


def python(here: Surroundings) -> Check:
    """Look at the version of Python; ``python -m harness`` looks before anything else is imported."""
    seen = ".".join(map(str, here.python))
    if here.python[:2] >= OLDEST_PYTHON:
        return good("python", seen)
    wanted = ".".join(map(str, OLDEST_PYTHON))
    cure = f"make the environment with it: python{wanted} -m venv .venv"
    return bad("python", f"{seen}, the harness needs {wanted} or newer", cure)


def tox(here: Surroundings) -> Check:
    """Look at tox, without which all works but ``tox``."""
    wanted = ".".join(map(str, WANTED_TOX))
    cure = f"pip install 'tox>={wanted}'"
    if here.which("tox") is None:
        return doubtful("tox", "there is none: pytest and python -m harness work without it", cure)
    told = here.run(["tox", "--version"], PROGRAM_SECONDS)
    found = re.search(r"\b(\d+)\.(\d+)(?:\.\d+)?", told.text)
    if told.status or found is None:
        return doubtful("tox", f"it does not tell its version: {_last(told.text)}", cure)
    version = int(found[1]), int(found[2])
    if version >= WANTED_TOX:
        return good("tox", found[0])
    if version >= OLDEST_TOX:
        return good("tox", f"{found[0]}; it fetches {wanted} or newer from PyPI for itself")
    return doubtful("tox", f"{found[0]} is too old for tox.ini", cure)


def host_kernel(here: Surroundings) -> Check:
    """Look at what the harness asks of the host's kernel.

    Each thing is tried: a sandbox can forbid what the kernel's version promises.
    """
    name = "host kernel"
    release = here.text("proc/sys/kernel/osrelease").strip() or "unknown"
    if wrong := here.memfd():
        cure = "use Linux 3.17 or newer, and a container that allows memfd_create"
        return bad(name, f"{release}: no memfd_create ({wrong})", cure)
    if here.which("setpriv") is None:
        cure = f"{here.sudo}apt-get install -y util-linux"
        return bad(name, f"{release}: no setpriv, which ends QEMU with its parent", cure)
    bound = here.run(["setpriv", "--pdeathsig", "KILL", "--", "true"], PROGRAM_SECONDS)
    if bound.status:
        seen = f"{release}: setpriv --pdeathsig does not work ({_first(bound.text)})"
        return bad(name, seen, "use util-linux 2.33 or newer, and a container that allows prctl")
    return good(name, f"{release}, with memfd and parent-death signals")


def namespaces(here: Surroundings) -> Check:
    """Try what some scenarios need: mounts and a network that nobody else sees."""
    name = "namespaces"
    user = [] if here.uid == 0 else ["-r"]
    tried = here.run(["unshare", *user, "--mount", "--net", "true"], PROGRAM_SECONDS)
    if tried.status == 0:
        return good(name, "private mounts and networks can be made")
    seen = f"no private mounts and networks ({_first(tried.text)}): some scenarios fail"
    if here.uid == 0:
        return doubtful(name, seen, "start the container with --cap-add SYS_ADMIN (or --privileged)")
    for setting, allows in (
        ("kernel.apparmor_restrict_unprivileged_userns", "0"),
        ("kernel.unprivileged_userns_clone", "1"),
    ):
        value = here.text(f"proc/sys/{setting.replace('.', '/')}").strip()
        if value not in {"", allows}:
            return doubtful(name, seen, f"sudo sysctl {setting}={allows}")
    if here.text("proc/sys/user/max_user_namespaces").strip() == "0":
        return doubtful(name, seen, "sudo sysctl user.max_user_namespaces=10000")
    cure = "start the container with --security-opt seccomp=unconfined, or run as root"
    return doubtful(name, seen, cure)


def clock(here: Surroundings, files: Iterable[Path], server: float | None = None) -> Check:
    """Hold the clock against a server's, and against files that cannot be from the future.

    Args:
        here: tells the time.
        files: some that were written on this machine or before.
        server: what a mirror's clock says, in seconds since 1970; None: nobody was asked.
    """
    now = here.now()
    cure = f"{here.sudo}timedatectl set-ntp true, or set the host's clock"
    told = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < EPOCH:
        return bad("clock", f"it says {told}: signatures and certificates are not valid yet", cure)
    if server is not None and abs(now - server) > CLOCK_SECONDS:
        off = f"{abs(now - server) / 3600:.1f} hours {'ahead of' if now > server else 'behind'} the mirror's"
        return bad("clock", f"it says {told}, {off}", cure)
    for path in files:
        try:
            written = path.stat().st_mtime
        except OSError:
            continue
        if written > now + CLOCK_SECONDS:
            seen = f"it says {told}, but {path} was written {(written - now) / 3600:.1f} hours later"
            return doubtful("clock", seen, f"{cure}; if it is right: touch {path}")
    return good("clock", told + (", as the mirror's" if server is not None else ""))


def dated_files(cache: Path, here: Surroundings) -> list[Path]:
    """Return files and folders that tell how late it is at least."""
    system_files = (here.root / name for name in ("etc/os-release", "var/lib/dpkg/status"))
    return [REPOSITORY / "pyproject.toml", cache / "store", cache / "pins", *system_files]


def _first(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it says nothing")


def _last(text: str) -> str:
    return _first("\n".join(reversed(text.splitlines())))
