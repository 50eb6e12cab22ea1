# SPDX-License-Identifier: GPL-2.0-or-later
"""Which buffer of a foreign chain carries what.

All chains of one request with as many buffers are looked at together, because a single one is ambiguous: a
key has as many bytes as an IV, and a source can have as many as a structure.  Each letter gets points at each
place for what speaks for it (direction, length, contents), and the letters are dealt out so that the points
are most.  Where several ways have the most, the one that is nearest to the reference wire is taken, and the
letters that differ between them are called doubtful.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.oracles.letters import (
    Letter,
    Lettered,
    Request,
    number_in,
    operation_of,
    session_of,
    word,
)
from harness.reference.abi import MAX_MACKEY_BYTES, Cipher, CopFlag, Ioctl, Mac, Op, SessionOp
from harness.reference.abi32 import SessionOp32
from harness.reference.wire import Close, Crypt, Free, Open, Session, Syscall, WireError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.oracles.tap import Buffer, Chain

# Of how many chains of a kind the points are counted; how many buffers of a chain get letters; how many ways
# of dealing them out are compared; how long a request may be that is put together from its buffers.
_SAMPLE, _PLACES, _WAYS, _WHOLE = 64, 16, 64, 1 << 16
_ALGORITHMS = frozenset(map(int, (*Cipher, *Mac)))
_STRUCTURES = frozenset({SessionOp.SIZE, SessionOp32.SIZE})
_ERRNO = -4095
_LONGEST_WORD = 8
_SYSCALLS = {Syscall.OPEN: Request.OPEN, Syscall.CLOSE: Request.CLOSE}
_DECODED = {
    Open: Request.OPEN,
    Close: Request.CLOSE,
    Session: Request.SESSION,
    Free: Request.FREE,
    Crypt: Request.CRYPT,
}
_BY_COUNTS = {(4, 2): Request.SESSION, (4, 1): Request.FREE, (6, 2): Request.CRYPT}


@dataclass(frozen=True)
class _Known:
    """What the chains tell of each other.

    Attributes:
        handles, ids: those that the device gave out.
        codes: places whose number tells one ioctl from another.
    """

    handles: frozenset[int]
    ids: frozenset[int]
    codes: frozenset[int] = frozenset()


def recognise(chains: Sequence[Chain]) -> tuple[Lettered, ...]:
    """Return the chains with their letters, in their order."""
    known = _known(chains)
    requests = [request_of(chain, known.ids) for chain in chains]
    known = replace(known, codes=_codes(chains, requests))
    groups: defaultdict[tuple[Request, int, int], list[int]] = defaultdict(list)
    found: dict[int, Lettered] = {}
    for index, (chain, request) in enumerate(zip(chains, requests, strict=True)):
        if framed := _framed(chain, request):
            found[index] = Lettered(chain, framed, (), framed=True)
        elif request in {Request.OTHER, Request.UNKNOWN}:
            found[index] = Lettered(chain, request, ())
        else:
            groups[request, len(chain.readable), len(chain.writable)].append(index)
    for (request, _, _), members in groups.items():
        letters, doubtful = _layout([chains[index] for index in members], request, known)
        found.update((index, Lettered(chains[index], request, letters, doubtful)) for index in members)
    return tuple(found[index] for index in range(len(chains)))


def _known(chains: Sequence[Chain]) -> _Known:
    handles, ids = set(), set()
    for chain in chains:
        if _type(chain) == Syscall.OPEN:
            handles |= {word(buffer.after) for buffer in chain.writable if buffer.length <= _LONGEST_WORD}
        for buffer in chain.buffers:
            before = session_of(buffer.before, buffer.length)
            after = session_of(buffer.after or b"", buffer.length)
            if buffer.length in _STRUCTURES and before and after and before.ses != after.ses:
                ids.add(after.ses)
    return _Known(frozenset(handle for handle in handles if handle is not None), frozenset(ids))


def _codes(chains: Sequence[Chain], requests: list[Request]) -> frozenset[int]:
    """Return the places whose number is always the same for one ioctl, and another one for each."""
    seen: defaultdict[int, dict[Request, set[int | None]]] = defaultdict(lambda: defaultdict(set))
    for chain, request in zip(chains, requests, strict=True):
        for place in range(1, min(len(chain.readable), _PLACES)) if request.numbers else ():
            seen[place][request].add(number_in(chain.readable[place]))
    return frozenset(
        place
        for place, numbers in seen.items()
        if len(numbers) > 1
        and all(len(found) == 1 and None not in found for found in numbers.values())
        and len(set().union(*numbers.values())) == len(numbers)
    )


def _type(chain: Chain) -> int | None:
    """Return what T holds: the first readable buffer, or the very first where none is readable."""
    return number_in(chain.buffers[0]) if chain.buffers else None


def raw_number(chain: Chain) -> int | None:
    """Return the raw ioctl number that is anywhere in a chain but in its first buffer."""
    numbers = map(number_in, chain.buffers[1:])
    return next((number for number in numbers if number in _RAW), None)


_RAW = {number: request for request in Request for number in request.numbers} | {
    int(number): Request.OTHER for number in Ioctl if number.name not in {*Request}
}


def request_of(chain: Chain, ids: frozenset[int] = frozenset()) -> Request:
    """Return what a chain asks for: by its type, its ioctl's number, and else by its shape.

    Args:
        chain: the chain.
        ids: of sessions that there are.
    """
    kind = _type(chain)
    if kind in _SYSCALLS:
        return _SYSCALLS[Syscall(kind)]
    if kind != Syscall.IOCTL:
        return Request.UNKNOWN
    number = raw_number(chain)
    if number is not None:
        return _RAW[number]
    named = next((_named(buffer) for buffer in chain.buffers if _named(buffer)), None)
    return named or _by_shape(chain, ids)


def _named(buffer: Buffer) -> Request | None:
    """Return the request whose name a buffer holds as text."""
    text = buffer.before.rstrip(b"\0")
    return next((request for request in Request if request.numbers and text == request.encode()), None)


def _by_shape(chain: Chain, ids: frozenset[int]) -> Request:
    """Tell a request with a private number by its structures, and else by its number of buffers."""
    places = range(1, min(len(chain.buffers), _PLACES))
    session = max((_like_session(chain, place) for place in places), default=0)
    operation = max((_like_operation(chain, place, ids) for place in places), default=0)
    if session != operation:
        return Request.SESSION if session > operation else Request.CRYPT
    counts = len(chain.readable), len(chain.writable)
    if counts in _BY_COUNTS:
        return _BY_COUNTS[counts]
    words = all(0 < length <= _LONGEST_WORD for length in chain.shape)
    return Request.FREE if words and sum(counts) in {4, 5, 6} else Request.OTHER


def _others(chain: Chain, place: int, length: int) -> int:
    """Return how many buffers but the first and that at ``place`` have ``length`` bytes."""
    return sum(other == length for at, other in enumerate(chain.shape) if at not in {0, place})


def _like_session(chain: Chain, place: int) -> int:
    """Return how much a buffer looks like session_op, 0 for not at all."""
    buffer = chain.buffers[place]
    found = session_of(buffer.before, buffer.length)
    if found is None:
        return 0
    known = bool({found.cipher, found.mac} & _ALGORITHMS)
    keyed = 0 < found.keylen <= MAX_MACKEY_BYTES and _others(chain, place, found.keylen) > 0
    if buffer.length not in _STRUCTURES and not (known and keyed):
        return 0  # any long buffer can be read as a structure
    points = 2 + 3 * known + 4 * keyed
    points += 3 * (not found.mac and not found.mackeylen and not found.mackey)
    return points + 2 * buffer.writable


def _like_operation(chain: Chain, place: int, ids: frozenset[int]) -> int:
    """Return how much a buffer looks like crypt_op, 0 for not at all."""
    buffer = chain.buffers[place]
    found = operation_of(buffer.before, buffer.length)
    if found is None:
        return 0
    known = found.op <= max(Op) and found.flags < 2 * max(CopFlag)
    as_long = min(2, _others(chain, place, found.len) if found.len else 0)
    if buffer.length not in _STRUCTURES and not (known and as_long):
        return 0
    points = 2 + 3 * known + 4 * as_long
    points += 4 * (found.ses in ids)
    return points + bool(found.src and found.dst) + 2 * (not buffer.writable)


def _framed(chain: Chain, request: Request) -> Request | None:
    """Return what a chain asks for that has the reference's bytes in another number of buffers."""
    counts = len(chain.readable), len(chain.writable)
    if counts == (len(request.readable), len(request.writable)) or sum(chain.shape) > _WHOLE:
        return None
    full = [[buffer for buffer in side if buffer.length] for side in (chain.readable, chain.writable)]
    out, back = (b"".join(buffer.before.ljust(buffer.length, b"\0") for buffer in side) for side in full)
    try:
        decoded = decode(out, back)
    except WireError:
        return None
    usual = [sum(map(bool, decoded.readable)), sum(map(bool, decoded.writable))]
    return None if usual == list(map(len, full)) else _DECODED[type(decoded)]


def _layout(
    chains: list[Chain], request: Request, known: _Known
) -> tuple[tuple[Letter, ...], frozenset[Letter]]:
    """Return the letters of chains with as many buffers, and which of them are doubtful."""
    usual = request.letters
    if all(_is_usual(Lettered(chain, request, usual)) for chain in chains):
        return usual, frozenset()
    sample = _sample(chains)
    places = _places(sample[0])
    letters = usual[1:]
    score = _Score(sample, places, request, known)
    points = {(place, letter): score(place, letter) for place in places for letter in letters}
    ways = _best(places, letters, points)
    chosen = min(ways, key=lambda way: _distance(way, letters))
    doubtful = {letter for way in ways for letter in letters if way.get(letter) != chosen.get(letter)}
    dealt = [Letter.EXTRA] * len(sample[0].buffers)
    dealt[0] = Letter.TYPE
    for letter, place in chosen.items():
        dealt[place] = letter
    return tuple(dealt), frozenset(doubtful)


def _is_usual(lettered: Lettered) -> bool:
    """Whether a chain is as the reference wire has it, and its number says so."""
    chain, request = lettered.chain, lettered.request
    if (len(chain.readable), len(chain.writable)) != (len(request.readable), len(request.writable)):
        return False
    if any(lettered.expected(one) != size for one, size in zip(lettered.letters, chain.shape, strict=True)):
        return False
    number = lettered.buffer(Letter.NUMBER)
    return number is None or number_in(number) in request.numbers


def _sample(chains: list[Chain]) -> list[Chain]:
    """Return some chains, of different lengths if there are: they tell most."""
    different = list({chain.shape: chain for chain in reversed(chains)}.values())[:_SAMPLE]
    rest = itertools.islice((chain for chain in chains if chain not in different), _SAMPLE - len(different))
    return [*different, *rest] if len(different) < _SAMPLE else different


def _places(chain: Chain) -> list[int]:
    """Return the indices of the buffers that get letters: the first few of either direction."""
    border, end = len(chain.readable), len(chain.buffers)
    places = [*range(min(border, _PLACES)), *range(border, min(end, border + _PLACES))]
    return [place for place in places if place]


class _Score:
    """Counts the points of a letter at a place, over all chains of a sample."""

    def __init__(self, chains: list[Chain], places: list[int], request: Request, known: _Known) -> None:
        self._chains, self._known = chains, known
        self._outputs = frozenset(request.writable) - {Letter.SESSION}
        self._session = _anchor(chains, places, _like_session)
        self._operation = _anchor(chains, places, functools.partial(_like_operation, ids=known.ids))

    def __call__(self, place: int, letter: Letter) -> int:
        return sum(self._points(chain, place, letter) for chain in self._chains)

    def _points(self, chain: Chain, place: int, letter: Letter) -> int:
        buffer = chain.buffers[place]
        if letter in self._outputs and not buffer.writable and not buffer.changed:
            return 0  # nothing came back in it
        if letter in {Letter.SESSION, Letter.OPERATION}:
            return self._structure(buffer, place, letter)
        points = self._word(buffer, place, letter) if letter.is_word else self._string(chain, buffer, letter)
        usual = buffer.writable == (letter in self._outputs)
        return points + 2 * usual if points else 0

    def _structure(self, buffer: Buffer, place: int, letter: Letter) -> int:
        anchor = self._session if letter is Letter.SESSION else self._operation
        if anchor is not None:
            return 20 * (place == anchor)
        return int(0 < buffer.length < SessionOp.SIZE) * (1 + (buffer.writable == (letter is Letter.SESSION)))

    def _word(self, buffer: Buffer, place: int, letter: Letter) -> int:
        if buffer.length > _LONGEST_WORD:
            return 8 * (letter is Letter.NUMBER and _named(buffer) is not None)
        points = {0: 1, 4: 4, 8: 3}.get(buffer.length, 2)
        value = word(buffer.before)
        if letter is Letter.NUMBER:
            return points + 8 * (number_in(buffer) in _RAW) + 4 * (place in self._known.codes)
        if letter is Letter.HANDLE:
            return points + 6 * (value in self._known.handles or word(buffer.after) in self._known.handles)
        if letter is Letter.ID:
            return points + 6 * (value in self._known.ids)
        answer = word(buffer.after, signed=True)
        return points + 2 * (answer is not None and _ERRNO <= answer <= 0)

    def _string(self, chain: Chain, buffer: Buffer, letter: Letter) -> int:
        expected = self._expected(chain, letter)
        if expected is None:
            same = any(
                other.length == buffer.length for other in chain.buffers if other.writable != buffer.writable
            )
            return 1 + (same and letter is not Letter.KEY)
        if expected == buffer.length:
            return 6 + 2 * (letter is Letter.DESTINATION and buffer.changed)
        return int(expected > 0)

    def _expected(self, chain: Chain, letter: Letter) -> int | None:
        if letter is Letter.IV:
            return letter.size
        place = self._session if letter is Letter.KEY else self._operation
        if place is None:
            return None
        buffer = chain.buffers[place]
        if letter is Letter.KEY:
            session = session_of(buffer.before, buffer.length)
            return session.keylen if session else None
        operation = operation_of(buffer.before, buffer.length)
        return operation.len if operation else None


def _anchor(chains: list[Chain], places: list[int], like: Callable[[Chain, int], int]) -> int | None:
    """Return where the structure is that all chains have; None if there is nothing like it."""
    points = {place: sum(like(chain, place) for chain in chains) for place in places}
    best = max(points, key=lambda place: points[place], default=None)
    return best if best is not None and points[best] else None


def _best(
    places: list[int], letters: tuple[Letter, ...], points: dict[tuple[int, Letter], int]
) -> list[dict[Letter, int]]:
    """Return the ways of dealing out letters that have the most points; not all if they are many."""
    # best[k][mask]: the most points that the places from the k-th on can give without the letters in mask.
    size = 1 << len(letters)
    best = [[0] * size for _ in range(len(places) + 1)]
    for index in range(len(places) - 1, -1, -1):
        for mask in range(size):
            steps = _steps(places[index], letters, points, mask)
            best[index][mask] = max(gain + best[index + 1][after] for _, gain, after in steps)

    def ways(index: int, mask: int) -> Iterator[dict[Letter, int]]:
        if index == len(places):
            yield {}
            return
        for letter, gain, after in _steps(places[index], letters, points, mask):
            if gain + best[index + 1][after] == best[index][mask]:
                for way in ways(index + 1, after):
                    yield way if letter is None else {**way, letter: places[index]}

    return list(itertools.islice(ways(0, 0), _WAYS))


def _steps(
    place: int, letters: tuple[Letter, ...], points: dict[tuple[int, Letter], int], mask: int
) -> list[tuple[Letter | None, int, int]]:
    """Return what can be done with a place: a letter, or none; its points; and the letters gone then."""
    steps: list[tuple[Letter | None, int, int]] = [
        (letter, points[place, letter], mask | 1 << bit)
        for bit, letter in enumerate(letters)
        if not mask >> bit & 1 and points[place, letter] > 0
    ]
    return [*steps, (None, 0, mask)]


def _distance(way: dict[Letter, int], letters: tuple[Letter, ...]) -> tuple[int, tuple[int, ...]]:
    """Return how far a way is from the reference's order; ways to the front come first."""
    found = [way[letter] for letter in letters if letter in way]
    return sum(a > b for a, b in itertools.combinations(found, 2)), tuple(found)
