# SPDX-License-Identifier: GPL-2.0-or-later
"""What the README tells a reader to do is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_of_another_virtio_device(inner_run):
    """The test file in the README's chapter on other virtio devices passes, exactly as it is printed."""
    chapter = README.read_text().split("\n## Testing another virtio device\n")[1].split("\n## ")[0]
    (source,) = re.findall(r"^```python\n(.*?)^```", chapter, re.DOTALL | re.MULTILINE)
    run = inner_run(source)
    output = run.finish(seconds=120)
    assert run.status == 0, output
    assert "5 passed" in output
