# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that others wrote for the QEMU of their time are built as they are, and answer."""

import json
import struct
import subprocess
from pathlib import Path

import pytest

from harness.artifacts import REPOSITORY, Progress
from harness.artifacts.cache import Store
from harness.artifacts.foreign import DeviceSources, DoesNotBuildError
from harness.artifacts.packages import PackageSource
from harness.artifacts.qemu import QemuBuilder
from harness.qtest import Cryptodev, GuardError, QtestMachine, VirtioDriver, chain
from harness.reference import wire
from harness.reference.abi import Cipher, CryptOp, Ioctl, Op, SessionOp
from harness.reference.cipher import aes_cbc

FOREIGN = REPOSITORY / "tests" / "foreign"
OLD = DeviceSources(
    folder=FOREIGN / "old" / "qemu",
    include=(FOREIGN / "old" / "qemu" / "include",),
    type="virtio-cryptodev",
    pci="virtio-cryptodev-pci",
)
OTHER = DeviceSources(
    folder=FOREIGN / "otherwire" / "qemu", type="virtio-crypt", pci="virtio-crypt-pci", virtio_id=13
)
BROKEN = DeviceSources(folder=FOREIGN / "nobuild" / "qemu", type="virtio-cryptodev", pci=OLD.pci)
KEY, IV, DATA = bytes(range(16)), bytes(range(100, 116)), bytes(range(256))


@pytest.fixture(scope="module")
def builder(artifacts):
    """Return what builds QEMU with any device."""
    store = Store(artifacts.settings.cache_dir, Progress())
    return QemuBuilder(PackageSource(store), artifacts.settings)


@pytest.fixture
def tap(tmp_path):
    """Return where a device writes what it is asked."""
    return tmp_path / "tap"


@pytest.fixture
def start(devcrypto, tap):
    """Return a function that starts a QEMU whose device finds /dev/crypto and is tapped."""
    machines = []

    def begin(qemu, device, properties=""):
        preload = devcrypto.environment()["LD_PRELOAD"]
        environment = [("LD_PRELOAD", preload), ("HARNESS_WIRETAP", str(tap))]
        machines.append(QtestMachine(qemu, device, properties, environment=environment))
        return machines[-1]

    yield begin
    for machine in machines:
        machine.stop()


def told(tap):
    """Return the pops and the pushes that were written, and see that they go together."""
    events = [json.loads(line) for line in tap.read_text().splitlines()]
    pops = [event for event in events if event["event"] == "pop"]
    pushes = [event for event in events if event["event"] == "push"]
    assert [pop["id"] for pop in pops] == list(range(1, len(pops) + 1))
    assert sorted(push["id"] for push in pushes) == [pop["id"] for pop in pops]
    assert {event["queue"] for event in events} == {0}
    return pops, pushes


def shown(*buffers):
    """Return buffers as the tap shows them."""
    return [{"len": len(data), "data": data[:64].hex()} for data in buffers]


def monitor(qemu, device, *said):
    """Return what QEMU's monitor answers in a machine that has ``device``, whose processor does not run."""
    command = [qemu.binary, "-L", qemu.firmware, "-machine", "q35", "-accel", "qtest", "-nodefaults"]
    # Where no guest runs, a device goes at once out of a slot that the bridge itself sees to.
    command += ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
    command += ["-display", "none", "-monitor", "stdio", "-device", device]
    words = "".join(f"{line}\n" for line in (*said, "quit"))
    done = subprocess.run(command, input=words, capture_output=True, text=True, check=True)
    return done.stdout


def info_pci(qemu, device):
    """Return what QEMU's monitor says of its PCI devices, one of which is ``device``."""
    return monitor(qemu, device, "info pci")


def test_a_device_for_3_0_answers_as_the_model_does(builder, start, tap):
    """A device for QEMU 3.0, without a part for PCI, opens, makes a session, encrypts, frees and closes."""
    qemu = builder.get(device=OLD)
    assert qemu.tapped
    driver = Cryptodev(start(qemu, OLD.type))
    driver.bring_up()
    handle = driver.open()
    request = wire.Session(handle, SessionOp(cipher=Cipher.AES_CBC, keylen=16), KEY)
    # Not as a request of the model's: this device gives its own pointer to the key back.
    operation, result = driver.send(request.readable, request.initial).written
    ses = SessionOp.unpack(operation).ses
    assert result == bytes(4)
    # And it stores its own pointers into what the driver gave it to read.
    with pytest.raises(GuardError, match="which it may only read"):
        driver.crypt(handle, ses, Op.ENCRYPT, DATA, IV)
    assert driver.free(handle, ses) == 0
    driver.close(handle)
    pops, pushes = told(tap)
    assert {push["used"] for push in pushes} == {0}
    first, second, third, *_ = pops
    assert (first["out"], [buffer["len"] for buffer in first["in"]]) == (shown(bytes(4)), [4])
    assert pushes[0]["in"] == shown(struct.pack("<i", handle))
    assert (second["out"], second["in"][0]) == (shown(*request.readable), shown(request.initial[0])[0])
    assert pushes[1]["in"][1] == shown(bytes(4))[0]
    assert third["out"][2] == shown(struct.pack("<I", Ioctl.CIOCCRYPT))[0]
    assert third["out"][4] == shown(DATA)[0]
    assert pushes[2]["in"] == shown(aes_cbc(Op.ENCRYPT, KEY, IV, DATA), bytes(4))
    assert pushes[2]["out"][3] != third["out"][3]


def test_a_part_for_pci_is_supplied(builder):
    """A device that has nothing for PCI has it afterwards, under the id that its driver looks for."""
    assert "1af4:105e" in info_pci(builder.get(device=OLD), OLD.pci)


def test_a_device_for_2_0_with_a_wire_of_its_own(builder, start, tap):
    """A device for QEMU 2.0, whose elements lie on its stack, speaks its own wire under its own id."""
    qemu = builder.get(device=OTHER)
    driver = VirtioDriver(start(qemu, OTHER.type), 13)
    driver.bring_up()

    def ask(readable, *writable):
        done = driver.request(chain(readable, writable))
        assert done.length == sum(map(len, writable))
        return done.written

    number = struct.Struct("<I").pack
    handle = ask([number(0)], bytes(8))[0][:4]
    operation = SessionOp(cipher=Cipher.AES_CBC, keylen=16).pack()
    result, operation = ask([number(2), handle, number(1), KEY], bytes(8), operation)
    assert result == bytes(8)
    crypt = CryptOp(ses=SessionOp.unpack(operation).ses, op=Op.ENCRYPT, len=len(DATA)).pack()
    result, data = ask([number(2), handle, number(3), crypt, DATA, IV], bytes(8), bytes(len(DATA)))
    assert (result, data) == (bytes(8), aes_cbc(Op.ENCRYPT, KEY, IV, DATA))
    pops, pushes = told(tap)
    assert pops[2]["out"] == shown(number(2), handle, number(3), crypt, DATA, IV)
    assert [event["used"] for event in pushes] == [8, 56, 264]
    assert pushes[2]["in"] == shown(bytes(8), data)


def test_its_own_part_for_pci_is_taken(builder):
    """A device that has its own part for PCI is modern there, with its properties."""
    assert "1af4:104d" in info_pci(builder.get(device=OTHER), f"{OTHER.pci},chatty=1")


@pytest.mark.parametrize("device", [OLD, OTHER], ids=["3.0", "2.0"])
def test_a_device_can_be_taken_out(builder, device):
    """A device whose end expects a place for an error can be put in and taken out while QEMU runs."""
    said = f"device_add {device.pci},id=it,bus=place", "qom-list /machine/peripheral", "device_del it"
    answers = monitor(
        builder.get(device=device), "pcie-root-port,id=place", *said, "qom-list /machine/peripheral"
    )
    assert answers.count("place (child<pcie-root-port>)") == 2
    assert answers.count(f"it (child<{device.pci}>)") == 1


def test_a_device_that_saves_nothing_is_restored(builder, start):
    """A device that knows nothing of being saved goes on with the ring that it had."""
    driver = Cryptodev(start(builder.get(device=OLD), OLD.type))
    driver.bring_up()
    driver.open()
    driver.machine.restore(driver.machine.save())
    driver.close(driver.open())


def test_sources_that_do_not_compile_are_a_finding(builder):
    """The first error of sources that do not compile is told with its place; what was built stays right."""
    with pytest.raises(DoesNotBuildError) as caught:
        builder.get(device=BROKEN)
    source = Path(BROKEN.folder / "virtio-cryptodev.c").read_text().splitlines()
    assert caught.value.file == "virtio-cryptodev.c"
    assert "cryptodev_do_the_work" in source[caught.value.line - 1]
    assert "cryptodev_do_the_work" in caught.value.message


def test_a_type_that_was_not_registered_is_a_finding(builder):
    """Sources that build, and yet have no such device, are told so."""
    other = DeviceSources(folder=OTHER.folder, type="virtio-crypto", pci=OTHER.pci)
    with pytest.raises(DoesNotBuildError, match="QEMU knows no device 'virtio-crypto' after the build"):
        builder.get(device=other)


def test_our_own_device_is_tapped_too(builder, start, tap):
    """Our own device with the tap gives the answers that it gives without, and tells them."""
    qemu = builder.get(tapped=True)
    driver = Cryptodev(start(qemu, "virtio-cryptodev-device"))
    driver.bring_up()
    handle = driver.open()
    ses = driver.session(handle, KEY)
    assert driver.crypt(handle, ses, Op.ENCRYPT, DATA, IV).data == aes_cbc(Op.ENCRYPT, KEY, IV, DATA)
    pops, pushes = told(tap)
    assert len(pops) == 3
    assert pops[2]["out"][4] == shown(DATA)[0]
    assert pushes[2]["in"] == shown(aes_cbc(Op.ENCRYPT, KEY, IV, DATA), bytes(4))
    assert pushes[2]["used"] == len(DATA) + 4
    assert tap.stat().st_mode & 0o777 == 0o600


def test_a_full_tap_is_no_flood(builder, start, tap):
    """After 4096 chains the tap tells no more, and the device goes on."""
    driver = Cryptodev(start(builder.get(tapped=True), "virtio-cryptodev-device"))
    driver.bring_up()
    for _ in range(2100):
        driver.close(driver.open())
    assert len(told(tap)[0]) == 4096
