# SPDX-License-Identifier: GPL-2.0-or-later
"""A device that is built with sanitizers: what they report fails the test, and they are silent otherwise."""

import pytest

from harness.artifacts import REPOSITORY, Artifacts, Flavour, Progress
from harness.errors import QemuExitError
from harness.qtest import Cryptodev, QtestMachine

FILE = "host/qemu/virtio-cryptodev-request.c"
BEFORE = "    set_bit(handle, c->open_files);\n"
# How many files may be open chooses the fault.
FAULTS = """    {
        char *volatile block = g_malloc(8);
        volatile int32_t wrong = 1;

        block[c->conf.max_open_files == 2 ? 8 : 0] = 1;
        if (c->conf.max_open_files != 1) {
            g_free(block);
        }
        block = NULL;
        wrong <<= c->conf.max_open_files == 3 ? 40 : 0;
    }
"""


@pytest.fixture
def faulty(artifacts):
    """Return a function that opens a file of a device with a fault, and ends it."""
    if artifacts.settings.flavour is not Flavour.ASAN:
        pytest.skip("the sanitizers are in the flavour asan")
    text = (REPOSITORY / FILE).read_text()
    assert text.count(BEFORE) == 1
    changes = {FILE: text.replace(BEFORE, FAULTS + BEFORE)}
    qemu = Artifacts(artifacts.settings, Progress(), changes=changes).qemu()

    def run(properties):
        with QtestMachine(qemu, properties=properties) as machine:
            driver = Cryptodev(machine)
            driver.bring_up()
            driver.open()

    return run


def test_a_device_without_a_fault_ends_well(faulty):
    """Nothing is reported of what is right."""
    faulty("")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        pytest.param("max-open-files=1", "ERROR: LeakSanitizer: detected memory leaks", id="a leak"),
        pytest.param(
            "max-open-files=2", "ERROR: AddressSanitizer: heap-buffer-overflow", id="a byte too far"
        ),
        pytest.param(
            "max-open-files=3", "runtime error: shift exponent 40 is too large", id="undefined behaviour"
        ),
    ],
)
def test_what_a_sanitizer_reports_fails_the_test(faulty, properties, said):
    """A report is an error with its line, and with the place in the device's source below."""
    with pytest.raises(QemuExitError, match=f"after a sanitizer's report: .*{said}") as caught:
        faulty(properties)
    assert any("/virtio-cryptodev" in line for line in caught.value.evidence), caught.value


def test_a_machine_that_is_saved_more_than_once_ends_well(qtest):
    """QEMU's own code leaks nothing when it saves again, so a report is always about the device."""
    machine = qtest()
    first, second, third = (machine.save() for _ in range(3))
    assert len(first) == len(second) == len(third)
