# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for all unit tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, and nothing of the code; the first one of a fresh
# clone has all modules read besides, to find numbers worth trying.
settings.register_profile("harness", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("harness")
