# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements that a person asks for; nothing that a scenario needs."""
