# SPDX-License-Identifier: GPL-2.0-or-later
"""What mkdocs does besides: roles in docstrings become links; what loads anything from elsewhere fails."""

from __future__ import annotations

import logging
import re

log = logging.getLogger("mkdocs.hooks.harness")

_LICENCE = re.compile(r"\A<!-- SPDX-[^>]*-->\n")
_ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):<code>~?([\w.]+)</code>")
_LOADED = re.compile(
    r"""<(?:script|img|iframe)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>|<link\b[^>]*>""", re.IGNORECASE
)
_ELSEWHERE = re.compile(r"""\bhref=["']?(?:https?:)?//""", re.IGNORECASE)
_FETCHED = re.compile(r"""\brel=["']?(?:stylesheet|preconnect|icon|preload)""", re.IGNORECASE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Leave out the licence's line: a page's title is the heading that it begins with."""
    return _LICENCE.sub("", markdown)


def on_page_content(html: str, **_: object) -> str:
    """Turn the roles of docstrings into links, where the reference has what they name."""
    return _ROLE.sub(r'<autoref optional identifier="\1"><code>\1</code></autoref>', html)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the tags for which a browser would ask another host, just to show the page."""
    tags = [found.group(0) for found in _LOADED.finditer(html)]
    return [
        tag
        for tag in tags
        if not tag.lower().startswith("<link") or (_ELSEWHERE.search(tag) and _FETCHED.search(tag))
    ]


def on_post_page(output: str, page: object, **_: object) -> str:
    """Complain of a page that cannot be read without a network; a strict build fails then."""
    for tag in loaded_from_elsewhere(output):
        log.warning("%s loads something from elsewhere: %s", page, tag)
    return output
