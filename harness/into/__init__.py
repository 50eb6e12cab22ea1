# SPDX-License-Identifier: GPL-2.0-or-later
"""Into the machine: a person in a guest, with a shell, a debugger, a chat; and guests that are kept."""
