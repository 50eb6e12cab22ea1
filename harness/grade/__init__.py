# SPDX-License-Identifier: GPL-2.0-or-later
"""A system under test meets all scenarios that apply to it: ``python -m harness grade sut.toml``."""
