# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts with one fault each, to see that scenarios catch them: ``python -m harness mutants``."""
