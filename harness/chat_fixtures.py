# SPDX-License-Identifier: GPL-2.0-or-later
"""The fixtures of scenarios that say what is required of any chat, whoever wrote it."""

from __future__ import annotations

import textwrap
import traceback
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from harness import plugin
from harness.errors import GuestPanicError, MachineError, QemuExitError
from harness.report import run as report
from harness.sut.chat import told
from harness.sut.chat_attempt import Attempt, attempt_without_device
from harness.sut.chat_build import ChatPrograms, build
from harness.sut.chat_spec import ChatSpec, Where
from harness.sut.foreign_chat import Wishes, chat_in_guest, chat_on_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from harness.artifacts import Devcrypto, Programs
    from harness.machine import Proof, VirtualMachine
    from harness.sut.bundled import SystemUnderTest
    from harness.sut.chat import Chat


STATEMENT_WIDTH = 50


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a test of the chat under test say what it needs: what is to be built is known before any begins."""
    names: list[str] = getattr(item, "fixturenames", [])
    if "chat_place" in names:
        guest = item.config.stash[plugin.CHAT].where is Where.GUEST
        needed = ("proof", "room", "vm") if guest else ("programs", "devcrypto")
        names += [name for name in needed if name not in names]


@pytest.fixture(scope="session")
def chat_spec(pytestconfig: pytest.Config) -> ChatSpec:
    """Return what is to be known of the chat under test."""
    return pytestconfig.stash[plugin.CHAT]


@pytest.fixture(scope="session")
def chat_builds(
    chat_spec: ChatSpec, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ChatPrograms]:
    """Return a function that compiles the chat under test, once: ``chat_builds(checked=False)``."""
    made: dict[bool, ChatPrograms] = {}

    def get(*, checked: bool = False) -> ChatPrograms:
        if checked and not (chat_spec.client.sources and chat_spec.server.sources):
            pytest.skip(f"{chat_spec.name} is there already compiled, without checks")
        if checked not in made:
            ready = {}
            if chat_spec.folder is None and chat_spec.where is Where.HOST:
                programs: Programs = request.getfixturevalue("programs")
                ready = {"client": programs.chat_client, "server": programs.chat_server}
            folder = tmp_path_factory.mktemp("chat")
            made[checked] = build(chat_spec, folder, checked=checked, ready=ready)
        return made[checked]

    return get


@pytest.fixture
def chat_place(
    chat_spec: ChatSpec, request: pytest.FixtureRequest, chat_builds: Callable[..., ChatPrograms]
) -> Callable[..., AbstractContextManager[Chat]]:
    """Return a function whose result is a conversation while its context lasts.

    It takes the fields of :class:`harness.sut.foreign_chat.Wishes`, and ``checked=True`` for programs that
    end where they write past the end of an object.
    """
    scale = request.config.stash[plugin.SCALE]
    if chat_spec.where is Where.HOST:
        devcrypto: Devcrypto = request.getfixturevalue("devcrypto")
    else:
        machine: VirtualMachine = request.getfixturevalue("vm")
        sut: SystemUnderTest = request.getfixturevalue("sut")

    def converse(*, checked: bool = False, **wishes: Any) -> AbstractContextManager[Chat]:
        programs = chat_builds(checked=checked)
        if chat_spec.where is Where.HOST:
            journal = report.of(request.config).guests.host
            environment = devcrypto.environment(programs.shim)
            return chat_on_host(
                chat_spec, programs, environment, Wishes(**wishes), scale=scale, journal=journal
            )
        return chat_in_guest(chat_spec, programs, machine, sut.node, Wishes(**wishes))

    return converse


@pytest.fixture
def sut_chats(chat_place: Callable[..., AbstractContextManager[Chat]]) -> Iterator[Callable[..., Chat]]:
    """Return a function that begins a conversation: ``sut_chats(at_most=1)``; see ``chat_place``."""
    with ExitStack() as stack:
        yield lambda **wishes: stack.enter_context(chat_place(**wishes))


@pytest.fixture
def sut_chat(sut_chats: Callable[..., Chat]) -> Chat:
    """Return a conversation between the two programs of the chat under test, both ends connected."""
    return sut_chats()


@pytest.fixture
def without_device(
    chat_spec: ChatSpec,
    request: pytest.FixtureRequest,
    chat_place: Callable[..., AbstractContextManager[Chat]],
) -> Callable[[str, str], Attempt]:
    """Return a function that has an end without a crypto device type a text, and tells what came of it.

    ``without_device("client", "a secret")``: the other end has its device.
    """
    if not chat_spec.encrypted:
        pytest.skip("the chat under test encrypts nothing, and needs no device")
    slowness = request.config.stash[plugin.SCALE]
    if chat_spec.where is Where.GUEST:
        proof: Proof = request.getfixturevalue("proof")
        slowness *= proof.accelerator.timeout_factor
    return lambda end, text: attempt_without_device(chat_spec, chat_place, end, text, slowness)


@pytest.fixture
def otherwise() -> Callable[[str], AbstractContextManager[None]]:
    """Return the context of what a defect would break: a failure in it begins with the defect's name.

    ``with otherwise("the rest of the frame was forgotten"): …``
    """

    @contextmanager
    def blame(defect: str) -> Iterator[None]:
        try:
            yield
        except (GuestPanicError, QemuExitError):
            raise
        except (AssertionError, ValueError, pexpect.ExceptionPexpect, MachineError) as error:
            # What pexpect tells of itself besides is long, and of no use to who wrote the programs.
            raise AssertionError(f"{defect}; seen{_statement(error)}: {told(error)}") from None

    return blame


def _statement(error: Exception) -> str:
    """Return where in the scenario an error came from."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    ours = [frame for frame in frames if frame.filename == frames[0].filename]
    line = ours[-1].line if ours else None
    return f" at `{textwrap.shorten(line, STATEMENT_WIDTH, placeholder=' …')}'" if line else ""


@pytest.fixture
def only_encrypted(chat_spec: ChatSpec) -> None:
    """Skip a test that has no meaning for a chat that is said to encrypt nothing."""
    if not chat_spec.encrypted:
        pytest.skip(f"{chat_spec.name} is said to encrypt nothing")
