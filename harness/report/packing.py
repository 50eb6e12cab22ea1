# SPDX-License-Identifier: GPL-2.0-or-later
"""The details of a test as the page's script reads them: compact JSON, gzip, base64.

Three hundred tests of two hundred moments are some ten megabytes of JSON, and of most of them nobody ever
opens one: they stay packed until somebody does.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from typing import TYPE_CHECKING, Any

from harness.machine.journal import Lane
from harness.report.terminal import PLAIN, Style, picture
from harness.report.text import bare, clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.machine.journal import Moment
    from harness.report.model import Crash, Frame, Screen, TestRecord
    from harness.report.story import Story

MOST_MOMENTS = 5000
MOST_LINES = 2000
MOST_FRAMES = 500
MOST_SCREENS = 16
# A hidden message shorter than this is found in a ciphertext by chance.
LEAST_READABLE_BYTES = 4
# From the one who acts to the one who answers; waits next to what they wait for.
LANES = (
    Lane.KEYS,
    Lane.SSH,
    Lane.QMP,
    Lane.WAIT,
    Lane.SCREEN,
    Lane.QUEUE,
    Lane.WIRE,
    Lane.KERNEL,
    Lane.HARNESS,
)


def packed(test: TestRecord, story: Story | None) -> str:
    """Return a test's details, packed."""
    text = json.dumps(facts(test, story), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def facts(test: TestRecord, story: Story | None) -> dict[str, Any]:
    """Return a test's details as JSON has them."""
    moments, left_out = _kept(test.moments, story)
    rows = _rows(moments)
    known = frozenset(frame.cipher for frame in test.frames)
    number = {row: index for index, row in enumerate(rows)}
    index = {id(moment): place for place, moment in enumerate(moments)}
    failing = story.failing if story else None
    before = story.before if story else None
    return {
        "seconds": _number(test.seconds),
        "rows": [[lane.value, clean(part)] for lane, part in rows],
        "moments": [
            _moment(moment, number[moment.lane, moment.part], _state(moment, failing), known)
            for moment in moments
        ],
        "leftOut": left_out,
        "failing": index.get(id(failing), -1),
        "before": index.get(id(before), -1),
        "evidence": _lines(test.evidence),
        "screens": [_screen(screen) for screen in test.screens[:MOST_SCREENS]],
        "frames": [_frame(frame) for frame in test.frames[-MOST_FRAMES:]],
        "screensLeftOut": max(len(test.screens) - MOST_SCREENS, 0),
        "framesLeftOut": max(len(test.frames) - MOST_FRAMES, 0),
        "crashes": [_crash(crash) for crash in test.crashes],
        "worker": clean(test.worker),
    }


def readable(frame: Frame) -> bool:
    """Return whether the message can be read in what crossed the wire."""
    message = frame.plain.strip().encode(errors="replace")
    try:
        return len(message) >= LEAST_READABLE_BYTES and message in bytes.fromhex(frame.cipher)
    except ValueError:
        return False


def _kept(moments: tuple[Moment, ...], story: Story | None) -> tuple[list[Moment], int]:
    """Return the moments that are shown: of very many those that matter, the first and the last."""
    if len(moments) <= MOST_MOMENTS:
        return sorted(moments, key=lambda moment: moment.at), 0
    told = (story.failing, story.before) if story else ()
    matters = [moment.failed or any(moment is one for one in told) for moment in moments]
    first, last = MOST_MOMENTS // 5, len(moments) - MOST_MOMENTS // 5 * 3
    middle = [place for place in range(first, last) if matters[place]][-MOST_MOMENTS // 5 :]
    places = [*range(first), *middle, *range(last, len(moments))]
    kept = sorted((moments[place] for place in places), key=lambda moment: moment.at)
    return kept, len(moments) - len(kept)


def _rows(moments: Iterable[Moment]) -> list[tuple[Lane, str]]:
    seen = dict.fromkeys((moment.lane, moment.part) for moment in moments)
    return sorted(seen, key=lambda row: (LANES.index(row[0]), row[1]))


def _state(moment: Moment, failing: Moment | None) -> int:
    """Return 0, 1 for what went wrong, or 2 for what a device refused: that may be what a test wants."""
    if moment is failing or (moment.failed and moment.lane is not Lane.QUEUE):
        return 1
    return 2 if moment.failed else 0


def _detail(moment: Moment, known: frozenset[str]) -> str:
    """Return the lines of a moment, if they say more than its text and the frames do."""
    if moment.lane not in (Lane.SCREEN, Lane.KERNEL):
        return "" if moment.detail in known else clean(moment.detail)
    said = bare(moment.detail).strip("\n")
    return said if "\n" in said.strip() else ""


def _moment(moment: Moment, row: int, state: int, known: frozenset[str]) -> list[Any]:
    """Return it as short as can be: what is usual is left out from the end."""
    fields = [
        _number(moment.at),
        row,
        clean(moment.text),
        max(_number(moment.seconds), 0),
        state,
        _detail(moment, known),
    ]
    while len(fields) > 3 and not fields[-1]:
        fields.pop()
    return fields


def _number(value: float) -> float:
    """Return seconds that JSON can hold, to the tenth of a millisecond."""
    return round(value, 4) if math.isfinite(value) else 0.0


def _lines(lines: tuple[str, ...]) -> list[str]:
    """Return lines; of very many the first and the last."""
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        lines = (*lines[:half], f"… {len(lines) - 2 * half} lines are left out …", *lines[-half:])
    return [clean(line) for line in lines]


def _screen(screen: Screen) -> dict[str, Any]:
    seen = picture(screen)
    styles: dict[Style, int] = {PLAIN: 0}
    # A line of one plain run, as most are, is a string; another is a list of text and number of style.
    lines: list[str | list[str | int]] = []
    for line in seen.lines:
        if all(style == PLAIN for _, style in line):
            lines.append("".join(text for text, _ in line))
            continue
        pieces: list[str | int] = []
        for text, style in line:
            pieces += [text, styles.setdefault(style, len(styles))]
        lines.append(pieces)
    return {
        "name": clean(screen.name),
        "note": seen.note,
        "size": f"{screen.columns} × {screen.rows}",
        "styles": [[style.ink, style.paper, style.flags] for style in styles],
        "lines": lines,
    }


def _frame(frame: Frame) -> list[Any]:
    return [
        _number(frame.at),
        clean(frame.sender),
        clean(frame.plain),
        clean(frame.cipher)[:8192],
        int(readable(frame)),
    ]


def _crash(crash: Crash) -> dict[str, Any]:
    return {
        "title": clean(crash.title),
        "kind": clean(crash.kind),
        "fingerprint": clean(crash.fingerprint),
        "lines": _lines(crash.lines),
        "frames": [
            [
                clean(frame.symbol),
                clean(frame.file),
                frame.line,
                [[n, clean(text)] for n, text in frame.around],
            ]
            for frame in crash.frames[:64]
        ],
    }
