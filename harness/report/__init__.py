# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as a person looks at it: what every test did, when, and why those failed that did."""
