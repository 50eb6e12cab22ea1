# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile requests by the hundred thousand, each answer held against the model byte for byte."""
