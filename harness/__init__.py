# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU-backed integration test harness for a paravirtual crypto device and an encrypted chat."""
