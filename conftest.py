# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings the harness's options and fixtures to every test below this folder."""

pytest_plugins = ("harness.plugin",)
