# SPDX-License-Identifier: GPL-2.0-or-later
"""The system under test as scenarios meet it: its programs, driven from outside."""

from harness.sut.chat import Chat, ChatEnd
from harness.sut.cryptoctl import Cryptoctl, CryptoFile
from harness.sut.features import Feature, Kind, Nodes
from harness.sut.lines import CryptoctlError

__all__ = ["Chat", "ChatEnd", "CryptoFile", "Cryptoctl", "CryptoctlError", "Feature", "Kind", "Nodes"]
