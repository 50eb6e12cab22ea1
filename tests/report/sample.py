# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as it could have been: what passed, and every way of failing that a report has to explain."""

from __future__ import annotations

import random
from dataclasses import replace

from harness.machine.journal import Lane, Moment
from harness.reference import chat
from harness.report.model import Crash, Frame, RunRecord, Screen, SourceFrame, TestRecord

HOSTILE = (
    "</script></pre></details><!--<script>alert(1)</script><img src=x onerror=alert(1)>"
    "\"'&lt;{{ 7 * 7 }}${1}\x1b[31m\x1b]0;t\x07\x00\u202e\ud800"
)
# What is left of it when it is made visible.
HOSTILE_SHOWN = (
    "</script></pre></details><!--<script>alert(1)</script><img src=x onerror=alert(1)>"
    "\"'&lt;{{ 7 * 7 }}${1}‹ESC›]0;t‹U+0007›‹U+0000›‹U+202E›‹U+D800›"
)
HEADER = (
    "accelerator: tcg: /dev/kvm is not there; proven with a guest in 3.1 s",
    "QEMU: 7.2.22, flavour release, built from source (qemu-7.2.22-5f3a)",
    "kernel: 6.1.0-50-amd64, and 6.1.192 with KASAN for what is marked debug",
    "system under test: bundled (device, driver, chat)",
    "cache: 14 artifacts, 2.1 GB, nothing had to be built",
    "workers: 2",
)
BOOT = "".join(
    f"[    {number / 40:8.6f}] {words}\r\n"
    for number, words in enumerate(
        [
            "Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org)",
            "Command line: console=ttyS0 root=/dev/ram0 panic=-1 quiet",
            "BIOS-provided physical RAM map:",
            "x86/fpu: Supporting XSAVE feature 0x001: 'x87 floating point registers'",
            "virtio_blk virtio1: 1/0/0 default/read/poll queues",
            "virtio_cryptodev: loading out-of-tree module taints kernel.",
            "virtio_cryptodev virtio2: /dev/crypto0: 7 algorithms",
        ]
        * 9
    )
)
KASAN = Crash(
    title="BUG: KASAN: slab-out-of-bounds in crypto_crypt+0x3e1/0x7a0 [virtio_cryptodev]",
    kind="KASAN",
    fingerprint="9c1f04d2ab77",
    lines=(
        "[   44.100731][  T140] " + "=" * 66,
        "[   44.10142][  T140] BUG: KASAN: slab-out-of-bounds in crypto_crypt+0x3e1/0x7a0 [virtio_cryptodev]",
        "[   44.102113][  T140] Write of size 48 at addr ffff888007b2c5c0 by task cryptoctl/140",
        "[   44.103006][  T140] CPU: 0 PID: 140 Comm: cryptoctl Tainted: G           OE      6.1.192 #3",
        "[   44.103121][  T140] Call Trace:",
        "[   44.103201][  T140]  kasan_report+0xb1/0x160",
        "[   44.103301][  T140]  crypto_crypt+0x3e1/0x7a0 [virtio_cryptodev]",
        "[   44.103401][  T140]  crypto_ioctl+0x5a/0x1c0 [virtio_cryptodev]",
        "[   44.103501][  T140]  __x64_sys_ioctl+0x91/0xd0",
        "[   44.104511][  T140] The buggy address belongs to the object at ffff888007b2c5c0",
        "[   44.104511][  T140]  which belongs to the cache kmalloc-8 of size 8",
        "[   44.106207][  T140] " + "=" * 66,
    ),
    frames=(
        SourceFrame("kasan_report+0xb1/0x160"),
        SourceFrame(
            "crypto_crypt+0x3e1/0x7a0 [virtio_cryptodev]",
            "crypt.c",
            212,
            (
                (208, "\tbuffer = kmalloc(op->alignment, GFP_KERNEL);"),
                (209, "\tif (!buffer)"),
                (210, "\t\treturn -ENOMEM;"),
                (211, ""),
                (212, "\tif (copy_from_user(buffer, op->src, op->len)) {"),
                (213, "\t\tkfree(buffer);"),
                (214, "\t\treturn -EFAULT;"),
                (215, "\t}"),
            ),
        ),
        SourceFrame(
            "crypto_ioctl+0x5a/0x1c0 [virtio_cryptodev]",
            "chrdev.c",
            171,
            (
                (169, ""),
                (170, "\tif (likely(cmd == CIOCCRYPT))"),
                (171, "\t\treturn crypto_crypt(file, user);"),
            ),
        ),
        SourceFrame("__x64_sys_ioctl+0x91/0xd0"),
    ),
)
PANIC = Crash(
    title="Kernel panic - not syncing: Fatal exception in interrupt",
    kind="panic",
    fingerprint="0b5e22d1f9a0",
    lines=(
        "[   16.033007] Kernel panic - not syncing: Fatal exception in interrupt",
        "[   16.033501] Kernel Offset: 0x13600000 from 0xffffffff81000000",
        "[   16.034402] ---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---",
    ),
    frames=(
        SourceFrame(
            "queue_done+0x44/0x90 [virtio_cryptodev]", "queue.c", 98, ((98, "\tcomplete(&call->done);"),)
        ),
    ),
)


def _talk(at: float, who: str, text: str, number: int = 0) -> tuple[list[Moment], Frame]:
    other = "server" if who == "client" else "client"
    cipher = chat.frame(f"{text}\n")
    return [
        Moment(at, Lane.KEYS, who, text),
        Moment(at + 0.004, Lane.QUEUE, "guest 1", f"request {number}: CRYPT, 256 bytes, encrypt", 0.0006),
        Moment(at + 0.006, Lane.WIRE, who, f"frame of {len(cipher)} bytes to the {other}"),
        Moment(at + 0.006, Lane.WAIT, other, "a message to be shown", 0.021),
        Moment(
            at + 0.027, Lane.SCREEN, other, f"{who}: {text}⏎", 0.0, f"\x1b[33m{who}\x1b[0m: {text}\x1b[K\r\n"
        ),
    ], Frame(at + 0.006, who, text, cipher.hex())


def _prepared(rng: random.Random) -> list[Moment]:
    return [
        Moment(0.0, Lane.HARNESS, "guest 1", "restore the ready snapshot", 0.31),
        Moment(0.02, Lane.QMP, "guest 1", "migrate-incoming"),
        Moment(0.29, Lane.QMP, "guest 1", "event: RESUME"),
        Moment(0.35, Lane.WAIT, "guest 1", "the shell's prompt", 0.09 + rng.random() / 50),
        Moment(0.44, Lane.SCREEN, "guest 1", "⏎~ # ", 0.01, "\x1b[2K\r\nwelcome\r\n~ # "),
        Moment(0.5, Lane.SSH, "guest 1", "modprobe virtio_cryptodev", 0.12, "exit 0"),
        Moment(0.58, Lane.KERNEL, "guest 1", "virtio_cryptodev virtio2: /dev/crypto0: 7 algorithms"),
        Moment(0.7, Lane.WAIT, "server", "listening on port 35001", 0.2),
    ]


def _screens(rng: random.Random, said: str) -> tuple[Screen, ...]:
    shell = f"\x1b[1;32mroot@guest\x1b[0m:\x1b[34m~\x1b[0m# chat-server\r\nlistening on port 35001\r\n{said}"
    noise = "".join(
        f"[   {number + rng.random():.6f}] audit: type={rng.randrange(2000)}\r\n" for number in range(20)
    )
    return (
        Screen("guest 1: kernel", BOOT + noise),
        Screen("server", shell, 80, 24),
        Screen("client", f"connecting…\r\n\x1b[36mme>\x1b[0m {said}", 80, 24),
    )


def passing(number: int = 0, talks: int = 4) -> TestRecord:
    """Return a conversation that went well."""
    rng = random.Random(number)  # noqa: S311
    moments, frames = _prepared(rng), []
    at = 1.0
    for turn in range(talks):
        text = (
            rng.choice(["καλημέρα", "hello", "how are you?", "είμαι καλά", "a line with ünïcode"])
            + f" {turn}"
        )
        some, frame = _talk(at, ("client", "server")[turn % 2], text, turn)
        moments += some
        frames.append(frame)
        at += 0.05 + rng.random() / 10
    said = "".join(f"\x1b[33m{frame.sender}\x1b[0m: {frame.plain}\r\n" for frame in frames)
    name = f"scenarios/test_chat_guest.py::test_one_types_the_other_reads[{number}]"
    return TestRecord(
        name,
        "A message typed in the client appears in the server, and only ciphertext crosses the wire.",
        "passed",
        at,
        rerun=f"pytest '{name}'",
        moments=tuple(moments),
        screens=_screens(rng, said),
        frames=tuple(frames),
        worker="gw0",
    )


def _failed(name: str, sentence: str, message: str, moments: list[Moment], **more: object) -> TestRecord:
    begun = passing(talks=3)
    facts = {
        "outcome": "failed",
        "seconds": max(moment.at + moment.seconds for moment in moments) + 0.2,
        "message": message,
        "rerun": f"pytest '{name}' --accel tcg",
        "moments": (*begun.moments, *moments),
        "screens": begun.screens,
        "frames": begun.frames,
        "worker": "gw1",
        **more,
    }
    return TestRecord(name=name, sentence=sentence, **facts)  # type: ignore[arg-type]


def panicked() -> TestRecord:
    """Return a test whose guest panicked at a keystroke."""
    return _failed(
        "scenarios/test_chat_guest.py::test_a_long_line",
        "A line of more than 255 bytes arrives as messages that together are the line.",
        "GuestPanicError: the guest's kernel reported a panic while waiting for a message to be shown",
        [
            Moment(2.5, Lane.KEYS, "client", "α" * 300),
            Moment(2.504, Lane.QUEUE, "guest 1", "request 3: CRYPT, 256 bytes, encrypt"),
            Moment(2.51, Lane.WAIT, "server", "a message to be shown", 0.8, failed=True),
            Moment(2.58, Lane.KERNEL, "guest 1", PANIC.title, 0.0, "\n".join(PANIC.lines), failed=True),
            Moment(2.6, Lane.QMP, "guest 1", "event: GUEST_PANICKED"),
        ],
        crashes=(PANIC,),
        evidence=("client.say(line)", "> assert server.heard() == line", *PANIC.lines),
    )


def kasan(number: int = 0) -> TestRecord:
    """Return a test in which KASAN saw a write out of bounds."""
    name = f"scenarios/test_crypto_memory.py::test_every_length[{number}]"
    return _failed(
        name,
        "Every length from 1 to 4096 is encrypted right or refused.",
        "GuestPanicError: the kernel's log has a KASAN report",
        [
            Moment(
                1.9,
                Lane.SSH,
                "guest 1",
                f"cryptoctl crypt --cipher aes-cbc --length {48 + number}",
                0.4,
                "exit 1\nstderr: Bad address",
            ),
            Moment(2.01, Lane.QUEUE, "guest 1", "request 3: CRYPT, 48 bytes, encrypt", 0.002),
            Moment(2.1, Lane.KERNEL, "guest 1", KASAN.lines[0], 0.006, "\n".join(KASAN.lines) + "\n"),
        ],
        crashes=(KASAN,),
        evidence=("assert 14 == 0", "errno 14 (EFAULT), the model says 0"),
        frames=(),
    )


def hung() -> TestRecord:
    """Return a test in which a wait ran out."""
    return _failed(
        "scenarios/test_chat_peer.py::test_the_peer_leaves",
        "When one says bye the other's prompt comes back.",
        "WaitError: the shell's prompt did not come within 30.0 s; the last thing seen was 'client: bye'",
        [
            Moment(2.4, Lane.KEYS, "client", "bye"),
            Moment(2.405, Lane.QUEUE, "guest 1", "CIOCFSESSION, result -22, 0.4 ms", 0.0004, failed=True),
            Moment(2.41, Lane.WIRE, "client", "frame of 257 bytes to the server"),
            Moment(2.43, Lane.SCREEN, "server", "client: bye"),
            Moment(
                2.45,
                Lane.WAIT,
                "server",
                "the shell's prompt",
                30.0,
                "what was seen: 'client: bye\\r\\n'",
                failed=True,
            ),
            *(Moment(5.0 + 5 * n, Lane.QMP, "guest 1", "query-status: running") for n in range(5)),
        ],
        evidence=(
            "the wait began at 2.45 s and ran out at 32.45 s",
            "seen: 'client: bye\\r\\n'",
            "QEMU had 99 % of a core",
        ),
    )


def wrong_byte() -> TestRecord:
    """Return a test that saw another byte in a frame than the model's."""
    frame = bytearray(chat.frame("hello\n"))
    frame[17] ^= 0x40
    return _failed(
        "scenarios/test_sut_wire.py::test_the_frame_is_the_models",
        "What crosses the wire is what the model says, byte for byte.",
        f"byte 17 of frame 3 is {frame[17]:#04x}, the model says {frame[17] ^ 0x40:#04x}",
        [
            Moment(1.8, Lane.KEYS, "client", "hello"),
            Moment(1.81, Lane.WIRE, "client", "frame of 257 bytes to the server", failed=True),
        ],
        frames=(*passing(talks=3).frames, Frame(1.81, "client", "", bytes(frame).hex())),
    )


def plain_wire() -> TestRecord:
    """Return a test in which a message crossed the wire as it was typed."""
    frame = chat.frame("the secret is 42\n", plain=True)
    return _failed(
        "scenarios/test_chat_guest.py::test_only_ciphertext_crosses_the_wire",
        "Nothing that was typed can be read on the wire.",
        "a message crossed the wire in plain text: 'the secret is 42'",
        [
            Moment(1.8, Lane.KEYS, "client", "the secret is 42"),
            Moment(1.81, Lane.WIRE, "client", "plain text: 'the secret is 42'", failed=True),
        ],
        outcome="error",
        frames=(*passing(talks=3).frames, Frame(1.81, "client", "the secret is 42", frame.hex())),
    )


def hostile() -> TestRecord:
    """Return a test whose every word would break a page that believes it."""
    moments = tuple(
        Moment(n / 10, lane, HOSTILE, HOSTILE, 0.01, HOSTILE, failed=True) for n, lane in enumerate(Lane)
    )
    stack = (SourceFrame(HOSTILE, HOSTILE, 1, ((1, HOSTILE),)),)
    return TestRecord(
        name=f"scenarios/test_sut_hostile.py::test_x[{HOSTILE}]",
        sentence=HOSTILE,
        outcome="failed",
        seconds=1.0,
        message=HOSTILE,
        evidence=(HOSTILE, HOSTILE),
        rerun=HOSTILE,
        moments=moments,
        screens=(Screen(HOSTILE, HOSTILE),),
        frames=(Frame(0.1, HOSTILE, HOSTILE, HOSTILE),),
        crashes=(Crash(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), stack),),
        worker=HOSTILE,
    )


def skipped() -> TestRecord:
    """Return a test that was not run."""
    name = "scenarios/test_far.py::test_a_far_machine"
    return TestRecord(
        name, "A far machine runs the same scenarios.", "skipped", 0.0, "no far machine is given"
    )


def run(*tests: TestRecord) -> RunRecord:
    """Return a run of tests: by default of every kind that there is here."""
    every = tests or (
        *(passing(number) for number in range(9)),
        panicked(),
        kasan(),
        kasan(1),
        hung(),
        wrong_byte(),
        plain_wire(),
        skipped(),
    )
    return RunRecord(
        HEADER, "2025-06-04T10:11:12+02:00", 412.3, "pytest scenarios -n 2 --dist worksteal", every
    )


def big(tests: int = 300, moments: int = 200) -> RunRecord:
    """Return a run of many tests, of which one in twenty failed."""
    made = []
    for number in range(tests):
        whole = passing(number, talks=(moments - 8) // 5)
        if number % 20 == 7:
            bad = (kasan, lambda _: hung(), lambda _: panicked())[number // 20 % 3](number)
            whole = replace(bad, name=f"{bad.name}[{number}]", moments=(*whole.moments, *bad.moments[-5:]))
        made.append(whole)
    return run(*made)
