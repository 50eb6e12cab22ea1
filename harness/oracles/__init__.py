# SPDX-License-Identifier: GPL-2.0-or-later
"""What fails a test besides its own assertions: the kernel's log, the wire, processes left behind."""
