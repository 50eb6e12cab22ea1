# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads when the harness itself gives up."""

import pickle

import pytest

from harness import errors
from harness.errors import HarnessError, MachineError

PLAIN = [HarnessError, errors.SetupError, errors.ArtifactError]
MACHINE = [MachineError, errors.WaitTimeoutError, errors.GuestPanicError, errors.QemuExitError]


@pytest.mark.parametrize("kind", [*PLAIN, *MACHINE])
def test_one_line_of_what_was_done_seen_and_to_do(kind: type[HarnessError]) -> None:
    error = kind("fetching QEMU's source", "the mirror answered 404", "try --qemu-source")
    assert str(error) == "fetching QEMU's source: the mirror answered 404 -- try --qemu-source"
    assert (error.doing, error.seen, error.cure) == (
        "fetching QEMU's source",
        "the mirror answered 404",
        "try --qemu-source",
    )


@pytest.mark.parametrize("kind", [*PLAIN, *MACHINE])
def test_without_a_cure_the_line_ends_with_what_was_seen(kind: type[HarnessError]) -> None:
    error = kind("booting", "nothing for 30 s")
    assert str(error) == "booting: nothing for 30 s"
    assert error.cure == ""


def test_line_breaks_and_runs_of_blanks_are_folded() -> None:
    error = HarnessError("building\nthe  driver", " make:\t*** \r\n Error 2\n", "\n")
    assert str(error) == "building the driver: make: *** Error 2"


@pytest.mark.parametrize("kind", MACHINE)
def test_evidence_is_printed_below_oldest_first(kind: type[MachineError]) -> None:
    error = kind("waiting for the prompt", "the deadline", "look", evidence=("first line", "last line"))
    assert str(error).splitlines() == [
        "waiting for the prompt: the deadline -- look",
        "    | first line",
        "    | last line",
    ]
    assert error.evidence == ("first line", "last line")
    assert kind("a", "b").evidence == ()


def test_the_family() -> None:
    """A failure of the machine is never an assertion's, and each kind can be caught by its family's name."""
    for kind in (*PLAIN, *MACHINE):
        assert issubclass(kind, HarnessError)
        assert not issubclass(kind, AssertionError)
    for kind in MACHINE:
        assert issubclass(kind, MachineError)
    for kind in PLAIN:
        assert not issubclass(kind, MachineError)


@pytest.mark.parametrize("kind", [*PLAIN, *MACHINE])
def test_an_error_travels_between_processes(kind: type[HarnessError]) -> None:
    """Test workers are processes of their own: what they raise is pickled."""
    error = kind("doing", "seen", "cure")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes
    assert type(again) is kind
    assert str(again) == str(error)


def test_evidence_travels_too() -> None:
    error = MachineError("doing", "seen", evidence=("a line",))
    assert pickle.loads(pickle.dumps(error)).evidence == ("a line",)  # noqa: S301 -- our own bytes
