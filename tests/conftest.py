# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for all unit tests."""

from hypothesis import settings

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")
