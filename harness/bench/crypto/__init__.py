# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast AES-128-CBC encryption is: our pair, and what else there is in the same guest and on the host."""
