# SPDX-License-Identifier: GPL-2.0-or-later
"""The accelerator is proven once, and every way of not having KVM has its own sentence."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import SetupError
from harness.machine import accelerator
from harness.machine.accelerator import Accelerator, Proof, Verdict, kvm_access, prove, requested_accelerator

QEMU = SimpleNamespace(binary=Path("q"), firmware=Path("f"), identity="q1", environment=(), last_words=False)
KERNEL = SimpleNamespace(image=Path("k"), identity="k1")


class Trial:
    def __init__(
        self, *, works: bool, seen: str = "the guest kernel printed nothing under it for 5 s"
    ) -> None:
        self.verdict, self.runs = Verdict(works, seen), 0

    def __call__(self) -> Verdict:
        self.runs += 1
        return self.verdict


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


def decide(requested: str, tmp_path: Path, device: Path, trial: Trial, **changes: SimpleNamespace) -> Proof:
    parts = {"qemu": QEMU, "kernel": KERNEL, **changes}
    return prove(
        requested,
        qemu=parts["qemu"],
        kernel=parts["kernel"],
        cache_dir=tmp_path / "cache",
        trial=trial,
        device=device,
    )


def test_a_kvm_that_boots_the_guest_is_used(tmp_path: Path, device: Path) -> None:
    proof = decide("auto", tmp_path, device, Trial(works=True, seen="the guest booted under it in 0.6 s"))
    assert proof == Proof(Accelerator.KVM, "KVM: the guest booted under it in 0.6 s")


def test_a_kvm_that_opens_and_hangs_is_not(tmp_path: Path, device: Path) -> None:
    proof = decide("auto", tmp_path, device, Trial(works=False))
    assert proof.accelerator is Accelerator.TCG
    assert proof.reason == f"TCG: {device} opens but the guest kernel printed nothing under it for 5 s"


def test_the_outcome_is_kept(tmp_path: Path, device: Path) -> None:
    trial = Trial(works=False)
    assert not decide("auto", tmp_path, device, trial).cached
    assert decide("auto", tmp_path, device, trial).cached
    assert trial.runs == 1


@pytest.mark.parametrize(
    "changes",
    [{"qemu": SimpleNamespace(identity="q2")}, {"kernel": SimpleNamespace(identity="k2")}],
)
def test_it_holds_for_what_was_tried_only(
    tmp_path: Path, device: Path, changes: dict[str, SimpleNamespace]
) -> None:
    trial = Trial(works=False)
    decide("auto", tmp_path, device, trial)
    decide("auto", tmp_path, device, trial, **changes)
    assert trial.runs == 2


def test_it_holds_for_this_host_as_it_was_started(
    tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(works=True)
    boot_id = tmp_path / "boot_id"
    monkeypatch.setattr(accelerator, "_FACTS", (boot_id,))
    for text in ("first\ncpu MHz: 1000\n", "first\ncpu MHz: 3000\n", "second\n"):
        boot_id.write_text(text)
        decide("auto", tmp_path, device, trial)
    assert trial.runs == 2


def test_a_damaged_outcome_is_tried_anew(tmp_path: Path, device: Path) -> None:
    trial = Trial(works=True)
    decide("auto", tmp_path, device, trial)
    for entry in (tmp_path / "cache" / "accelerator").glob("*.json"):
        entry.write_text('{"works": "yes"')
    assert decide("auto", tmp_path, device, trial).accelerator is Accelerator.KVM
    assert trial.runs == 2


def test_two_at_once_try_once(tmp_path: Path, device: Path) -> None:
    trial = Trial(works=True)
    threads = [threading.Thread(target=decide, args=("auto", tmp_path, device, trial)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trial.runs == 1


def test_kvm_that_was_asked_for_must_be_proven(tmp_path: Path, device: Path) -> None:
    with pytest.raises(SetupError, match="printed nothing under it"):
        decide("kvm", tmp_path, device, Trial(works=False))


def test_tcg_that_was_asked_for_needs_no_trial(tmp_path: Path, device: Path) -> None:
    trial = Trial(works=True)
    assert decide("tcg", tmp_path, device, trial).reason == "TCG: it was asked for"
    assert trial.runs == 0


def test_no_device(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert decide("auto", tmp_path, absent, Trial(works=True)).reason == f"TCG: there is no {absent}"
    with pytest.raises(SetupError, match="there is no"):
        decide("kvm", tmp_path, absent, Trial(works=True))


def test_no_permission_is_a_sentence_of_its_own(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.machine.accelerator.os.open", refuse)
    monkeypatch.setattr(accelerator, "user_name", lambda: "maria")
    access = kvm_access(device)
    assert not access.usable
    assert access.reason == f"{device} may not be opened by user maria"
    assert access.cure == "sudo usermod -aG kvm maria, then log in again"


def test_an_unknown_wish(tmp_path: Path, device: Path) -> None:
    with pytest.raises(SetupError, match="use auto, kvm or tcg"):
        decide("xen", tmp_path, device, Trial(works=True))


def test_a_cache_that_cannot_be_written(tmp_path: Path, device: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(SetupError, match="keeping a proof"):
        decide("auto", tmp_path, device, Trial(works=True))


def test_the_option_goes_before_the_variable() -> None:
    assert requested_accelerator("kvm", {"HARNESS_ACCEL": "tcg"}) == "kvm"
    assert requested_accelerator(None, {"HARNESS_ACCEL": "tcg"}) == "tcg"
    assert requested_accelerator(None, {}) == "auto"


def test_time_outs_are_longer_without_kvm() -> None:
    assert Accelerator.TCG.timeout_factor > Accelerator.KVM.timeout_factor == 1
