# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m harness``."""

import sys

# An older Python would stop at the first import with a message that says nothing; this file it can read.
OLDEST = (3, 11)
if sys.version_info[:2] < OLDEST:
    sys.exit(
        "FAIL    python: {}.{}, the harness needs {}.{} or newer  -> python{}.{} -m venv .venv".format(
            *sys.version_info[:2], *OLDEST, *OLDEST
        )
    )

from harness.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
