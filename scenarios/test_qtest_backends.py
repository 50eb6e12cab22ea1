# SPDX-License-Identifier: GPL-2.0-or-later
"""The backend ``devcrypto``: the host's /dev/crypto does the work, served here by the preload."""

import errno
import struct

import psutil
import pytest

from harness.qtest import Cryptodev, DescFlag, Descriptor
from harness.reference import wire
from harness.reference.abi import Cipher, CopFlag, CryptOp, Op, SessionOp
from harness.reference.cipher import aes_cbc
from harness.reference.device import Completion, Device
from scenarios.qtest_helpers import IV, KEY, fresh

DATA = bytes(range(256)) * 4
UNKNOWN = 0xDDDDDDDD


@pytest.fixture
def passing_on(qtest, devcrypto):
    """Return a function that starts a device whose requests go to the host's /dev/crypto."""

    def start(properties=""):
        chosen = f"backend=devcrypto{',' if properties else ''}{properties}"
        # The rest of that environment is for programs that leak by design, and QEMU does not.
        preload = devcrypto.environment()["LD_PRELOAD"]
        return fresh(qtest, chosen, environment=[("LD_PRELOAD", preload)])

    return start


def told(driver, model, request):
    """Send a request; the device answers as the model does.  Return what it wrote."""
    done = driver.send(request.readable, request.initial)
    seen = Completion(done.length, b"".join(done.written))
    assert seen == model.request(b"".join(request.readable), b"".join(request.initial), seen), request
    return seen.written


def ses_of(written):
    return struct.unpack_from("<I", written, 40)[0]


def crypt(handle, ses, op=Op.ENCRYPT, data=DATA, flags=0):
    return wire.Crypt(handle, CryptOp(ses=ses, op=op, flags=flags, len=len(data)), data, IV)


def session(handle, key=KEY, cipher=Cipher.AES_CBC):
    return wire.Session(handle, SessionOp(cipher=cipher, keylen=len(key)), key)


def test_every_request_is_answered_as_the_model_does(passing_on):
    """Requests, right and wrong, that the host's /dev/crypto carries out get the answers of the model."""
    driver, model = passing_on("max-sessions=3"), Device(max_sessions=3)
    told(driver, model, wire.Open())
    told(driver, model, wire.Open())
    made = [ses_of(told(driver, model, session(0, bytes(size)))) for size in (16, 24, 32)]
    told(driver, model, session(0))
    told(driver, model, session(1, b""))
    told(driver, model, session(1, bytes(17)))
    told(driver, model, session(1, cipher=999))
    for op in (Op.ENCRYPT, Op.DECRYPT, 2):
        for flags in (0, CopFlag.WRITE_IV, CopFlag.NO_ZC):
            told(driver, model, crypt(0, made[1], op, flags=flags))
    told(driver, model, crypt(0, made[0], data=bytes(15)))
    told(driver, model, crypt(0, made[0], data=b""))
    told(driver, model, crypt(1, made[0]))
    told(driver, model, wire.Free(0, made[0]))
    told(driver, model, crypt(0, made[0]))
    told(driver, model, wire.Free(0, UNKNOWN))
    told(driver, model, session(0))
    told(driver, model, wire.Close(0))
    told(driver, model, crypt(0, made[1]))


def test_a_reset_closes_what_the_host_has_open(passing_on):
    """After a reset the host has no file open for the guest, and every handle is free."""
    driver = passing_on()
    before = driver.machine.descriptors()
    for _ in range(5):
        for handle in range(3):
            assert driver.open() == handle
            driver.session(handle, KEY)
        driver.bring_up()
        assert driver.machine.descriptors() == before


def test_sessions_go_along_with_a_saved_machine(passing_on):
    """A restored device makes its sessions anew at the host, and the guest's ids stay what they were."""
    driver = passing_on()
    handle = driver.open()
    made = [driver.session(handle, bytes([number]) * 16) for number in range(3)]
    driver.machine.restore(driver.machine.save())
    for number, ses in enumerate(made):
        reply = driver.crypt(handle, ses, Op.DECRYPT, DATA, IV)
        assert reply.data == aes_cbc(Op.DECRYPT, bytes([number]) * 16, IV, DATA)
    assert driver.session(handle, KEY) not in made


@pytest.mark.parametrize("ids", [(0,), (7, 7)], ids=["0", "twice"])
def test_a_stream_with_ids_that_cannot_be_is_refused(passing_on, ids):
    """This backend, too, refuses a session with the id 0, and one whose id another has."""
    driver = passing_on()
    ses = driver.session(driver.open(), KEY)
    stream = driver.machine.save()
    one = struct.pack(">II", Cipher.AES_CBC, len(KEY)) + KEY + bytes(16) + bytes(8)
    right = struct.pack(">III", 0, 1, ses) + one
    wrong = struct.pack(">II", 0, len(ids)) + b"".join(struct.pack(">I", other) + one for other in ids)
    assert stream.count(right) == 1
    with pytest.raises(Exception, match=r"virtio-cryptodev: open file 0: (a )?session"):
        driver.machine.restore(stream.replace(right, wrong))


def test_a_file_that_is_no_cryptodev(qtest, tmp_path):
    """Where the host's file is something else, the guest hears the host's errno and nothing is kept."""
    path = tmp_path / "crypto"
    path.touch()
    driver = Cryptodev(qtest(properties=f"backend=devcrypto,path={path}"))
    driver.bring_up()
    before = driver.machine.descriptors()
    handle = driver.open()
    assert driver.call(session(handle)).result == -errno.ENOTTY
    assert driver.crypt(handle, UNKNOWN, Op.ENCRYPT, DATA, IV).result == -errno.EINVAL
    driver.close(handle)
    path.unlink()
    assert driver.call(wire.Open()).result == -errno.ENOENT
    assert driver.machine.descriptors() == before
    assert driver.machine.alive


def test_a_host_that_is_gone_cannot_take_a_stream(qtest, tmp_path):
    """A device whose host has no /dev/crypto any more is not restored with open files: one line says why."""
    path = tmp_path / "crypto"
    path.touch()
    driver = fresh(qtest, f"backend=devcrypto,path={path}")
    driver.open()
    stream = driver.machine.save()
    path.chmod(0)
    path.unlink()
    with pytest.raises(Exception, match="No such file or directory"):
        driver.machine.restore(stream)


def test_no_memory_for_data_that_overlaps(qtest):
    """A host without the memory for a large request that overlaps answers ENOMEM, and serves the next one."""
    size = 1 << 29
    driver = fresh(qtest, f"max-request={size},queue-size=1024", memory_mib=32)
    handle = driver.open()
    ses = driver.session(handle, KEY)
    process = psutil.Process(driver.machine.pid)
    room = process.memory_info().vms + (64 << 20)
    process.rlimit(psutil.RLIMIT_AS, (room, room))
    assert _huge(driver, handle, ses, size) == -errno.ENOMEM
    assert driver.crypt(handle, ses, Op.ENCRYPT, DATA, IV).data == aes_cbc(Op.ENCRYPT, KEY, IV, DATA)


def _huge(driver, handle, ses, size):
    """Send a request of ``size`` bytes, whose buffers are the same memory many times over, in two places."""
    machine, ring = driver.machine, driver.split_queue()
    request = wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=size), b"", IV)
    header = b"".join(request.readable[:4])
    piece = 4 << 20
    begin, source = machine.memory.allocate(128), machine.memory.allocate(piece + 16)
    target = source + 16
    machine.client.write(begin, header + IV)
    parts = [(begin, len(header), 0), *[(source, piece, 0)] * (size // piece), (begin + len(header), 16, 0)]
    parts += [*[(target, piece, DescFlag.WRITE)] * (size // piece), (begin + 100, 4, DescFlag.WRITE)]
    table = machine.memory.allocate(16 * len(parts))
    for number, (address, length, flags) in enumerate(parts):
        more = DescFlag.NEXT if number + 1 < len(parts) else 0
        machine.client.write(
            table + 16 * number, Descriptor(address, length, flags | more, number + 1).pack()
        )
    ring.set_descriptor(0, Descriptor(table, 16 * len(parts), DescFlag.INDIRECT))
    ring.offer_head(0)
    ring.kick()
    ring.wait()
    return struct.unpack("<i", machine.client.read(begin + 100, 4))[0]
