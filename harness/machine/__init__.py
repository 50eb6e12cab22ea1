# SPDX-License-Identifier: GPL-2.0-or-later
"""One running guest: accelerator, QEMU process and QMP, kernel log, shell, SSH, time-outs."""
