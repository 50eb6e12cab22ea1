# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest of its own, with the harness's plugin alone, for tests of what it reports."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder to its end, with environment variables besides."""
    plugins = ["-p", "harness.plugin", "-p", "no:cacheprovider", "-p", "no:randomly", "-c", "/dev/null"]
    # Whoever runs us may be on GitHub, may be reporting, and may have had Ctrl-C ignored.
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "HARNESS_REPORT"))
    }
    return subprocess.run(
        [
            *("env", "--default-signal=INT", sys.executable, "-m", "pytest"),
            *(*plugins, f"--rootdir={folder}", *words),
        ],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
