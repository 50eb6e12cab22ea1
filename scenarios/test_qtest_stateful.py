# SPDX-License-Identifier: GPL-2.0-or-later
"""Random lives of a device, right and wrong, with every answer foretold by the reference model.

A profile of hypothesis makes them more, and ``--hypothesis-seed`` makes them those of another run.  A failure
ends with a trace: save it and play it again with ``python -m harness replay FILE``.
"""

import pytest


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("", id="as it comes"),
        pytest.param("max-open-files=2 max-sessions=2 max-request=64 queue-size=8", id="with small limits"),
        pytest.param("ring=packed max-open-files=3", id="packed ring"),
        pytest.param("legacy max-sessions=3", id="legacy registers"),
        pytest.param("event-idx=off indirect=off queue-size=16", id="nothing negotiated"),
    ],
)
def test_a_device_does_what_the_model_says_all_its_life(lives, device):
    """Whatever a driver sends and in whatever order, the device answers as the model does."""
    lives(device)
