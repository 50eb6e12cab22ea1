# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources that are not ours: do they build?"""

import pytest

pytestmark = pytest.mark.requirement("builds")


def test_the_driver_builds(build_driver):
    """The driver's sources, unedited, become a module for the guest's kernel."""
    assert build_driver().module.stat().st_size > 0


def test_the_device_builds(build_device):
    """The device's sources, unedited, become a part of QEMU."""
    assert build_device().binary.stat().st_size > 0
