# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers that others wrote, for kernels of years ago: they compile unedited, and work in today's guest."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import pytest

from harness.artifacts import NotBuiltError, Progress
from harness.artifacts.cache import Store
from harness.artifacts.foreign import DoesNotBuildError, DriverSources
from harness.artifacts.foreign_driver import ForeignDriverBuilder
from harness.artifacts.kernel import with_needs
from harness.errors import ArtifactError
from harness.oracles.twin import Twin
from harness.reference import abi, vectors
from harness.reference.calls import Pointer

FOREIGN = Path(__file__).parent.parent / "tests" / "foreign"
KEY = bytes(range(16))
NODE = "/dev/cryptodev0"
AES = abi.Cipher.AES_CBC
MODULE = '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n'
OUR_DEVICE = pytest.mark.machine(devices=("virtio-cryptodev-pci,calls=off,queues=1",))


@pytest.fixture(scope="module")
def built(artifacts):
    """Return a function that builds one of the drivers, by the name of its folder."""
    builder = ForeignDriverBuilder(Store(artifacts.settings.cache_dir, Progress()), artifacts.settings.jobs)
    return lambda name: builder.get(DriverSources(folder=FOREIGN / name / "guest"), artifacts.kernel())


@pytest.fixture
def old(built, vm, sut, crypto) -> Twin:
    """Return an open file of the driver for Linux 4.x on our device, beside the model's."""
    _instead(vm, sut, built("old").module)
    vm.succeed(f"mknod -m 666 {NODE} c 60 0")
    return Twin(crypto.open(NODE))


@pytest.fixture
def native(built, vm, sut, crypto) -> Twin:
    """Return an open file of the native /dev/crypto, beside the model's."""
    vm.succeed("rm /dev/crypto")
    _instead(vm, sut, built("native").module)
    return Twin(crypto.open("/dev/crypto"))


def _instead(vm, sut, module: Path) -> None:
    vm.succeed(sut.unload())
    vm.succeed(f"cat >/run/{module.name}", stdin=module.read_bytes())
    vm.succeed(f"insmod /run/{module.name}")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("old", "virtio_crypto"),
        ("otherwire", "virtio_crypt"),
        ("native", "cryptodev_native"),
        ("shims", "shims"),
    ],
)
def test_it_compiles_unedited(artifacts, built, name, module):
    """A driver for Linux 3.x or 4.x is built for the guest's kernel, once, and its folder stays as it was."""
    before = {path: path.read_bytes() for path in (FOREIGN / name).rglob("*") if path.is_file()}
    driver = built(name)
    assert driver.module.name == f"{module}.ko"
    assert {path: path.read_bytes() for path in (FOREIGN / name).rglob("*") if path.is_file()} == before
    looking = ForeignDriverBuilder(Store(artifacts.settings.cache_dir, Progress(), building=False), 1)
    sources = DriverSources(folder=FOREIGN / name / "guest")
    assert looking.get(sources, artifacts.kernel()) == driver
    with pytest.raises(NotBuiltError):
        looking.get(DriverSources(folder=sources.folder, defines=("ANOTHER",)), artifacts.kernel())


def test_the_virtio_id_is_the_authors_or_the_one_that_is_said(artifacts, built):
    """An id in the sources counts; those that expect it in the kernel's headers get 30, or what is said."""
    assert b"virtio:d0000000Dv" in built("otherwire").module.read_bytes()
    assert b"virtio:d0000001Ev" in built("old").module.read_bytes()
    builder = ForeignDriverBuilder(Store(artifacts.settings.cache_dir, Progress()), artifacts.settings.jobs)
    sources = DriverSources(folder=FOREIGN / "old" / "guest", defines=("HARNESS_VIRTIO_ID=13",))
    assert b"virtio:d0000000Dv" in builder.get(sources, artifacts.kernel()).module.read_bytes()


def test_what_does_not_compile_is_told_by_file_and_line(built):
    """A type that does not exist: the error names the file, from the author's folder on, and the line."""
    with pytest.raises(DoesNotBuildError) as caught:
        built("nobuild")
    assert (caught.value.file, caught.value.line) == ("broken.c", 12)
    assert "crypto_device_t" in caught.value.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("#include <nosuch.h>\n", 1, "nosuch.h: No such file or directory"),
        ("#include <linux/list.h>\nint f(int *p)\n{\n\tlist_for_each_entry(p, 3, m)\n\t\t;\n}\n", 4, "->"),
        ("#include <linux/bug.h>\nint f(void)\n{\n\tBUILD_BUG_ON(sizeof(int) == 4);\n\treturn 0;\n}\n", 4,
         "BUILD_BUG_ON failed: sizeof(int) == 4"),
        (MODULE + "int nosuch(void);\nint f(void)\n{\n\treturn nosuch();\n}\n", 0,
         '"nosuch" [x.ko] undefined!'),
        ("#include <linux/module.h>\n", 0, "missing MODULE_LICENSE() in x.o"),
    ],
    ids=["header", "macro of the kernel", "assertion of the kernel", "undefined", "licence"],
)  # fmt: skip
def test_where_it_fails(artifacts, tmp_path, text, line, message):
    """Whoever reports it, and wherever the kernel's own line is: the author's line is told."""
    (tmp_path / "x.c").write_text(text)
    builder = ForeignDriverBuilder(Store(artifacts.settings.cache_dir, Progress()), artifacts.settings.jobs)
    with pytest.raises(DoesNotBuildError) as caught:
        builder.get(DriverSources(folder=tmp_path), artifacts.kernel())
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("x.c" if line else "", line)


@pytest.fixture
def build(artifacts, tmp_path):
    """Return a function that builds files, given as name and text, and returns the module."""
    builder = ForeignDriverBuilder(Store(artifacts.settings.cache_dir, Progress()), artifacts.settings.jobs)

    def make(files: dict[str, str], **how: Any) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return builder.get(DriverSources(folder=tmp_path, **how), artifacts.kernel()).module

    return make


def test_files_without_a_makefile(build):
    """Two files, of which one has the module's name, and no makefile: they become that module."""
    files = {
        "mine.c": MODULE
        + "int other(void);\nstatic int init(void) { return other(); }\nmodule_init(init);\n",
        "mine.h": "#include <linux/errno.h>\n",
        "sub/other.c": '#include "../mine.h"\nint other(void) { return -EXDEV; }\n',
    }
    assert build(files, module="mine").name == "mine.ko"


def test_a_makefile_of_a_kernel_tree(build, tmp_path):
    """A makefile whose parts a configuration selects, with flags of the old kind and rules of its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "odd.h").write_text("#define ODD 1\n")
    makefile = (
        "all:\n\tfalse\nCC = false\nEXTRA_CFLAGS := -DEXTRA=3\nobj-$(CONFIG_VIRTIO_CRYPTODEV) += tree.o\n"
        "tree-objs := first.o second.o\n"
    )
    first = MODULE + "#include <odd.h>\nint second = EXTRA + ODD + sizeof(WORDS);\n"
    files = {"Makefile": makefile, "first.c": first, "second.c": "static int odd;\n", "user.c": "main() {}\n"}
    defines, include = ('WORDS="two $words"',), (tmp_path / "folder",)
    assert build(files, defines=defines, include=include).name == "tree.ko"


def test_a_makefile_of_two_modules(build):
    """Of two modules one has to be named; the error says which there are."""
    files = {"Kbuild": "obj-m := one.o two-more.o\n", "one.c": MODULE, "two-more.c": MODULE}
    with pytest.raises(ArtifactError, match="makes one, two-more -- say by its name"):
        build(files)
    with pytest.raises(ArtifactError, match="makes one, two-more, and not three"):
        build(files, module="three")
    assert build(files, module="two_more").name == "two-more.ko"


def test_variables_on_the_stack(build, vm):
    """What a driver of before 4.9 puts into a virtqueue from its stack is where the host will look for it."""
    text = MODULE + (
        "#include <linux/scatterlist.h>\nstatic int init(void)\n{\n\tstruct scatterlist sg;\n"
        "\tvolatile u32 number = 1;\n\tsg_init_one(&sg, (void *)&number, sizeof(number));\n"
        "\t*(u32 *)(page_address(sg_page(&sg)) + sg.offset) = 7;\n\treturn number == 7 ? 0 : -EIO;\n}\n"
        "module_init(init);\n"
    )
    module = build({"onstack.c": text})
    vm.succeed("cat >/run/onstack.ko && insmod /run/onstack.ko", stdin=module.read_bytes())


@OUR_DEVICE
def test_an_old_driver_on_our_device(old):
    """A driver of Linux 4.x, busy waiting, does every size up to 64 KiB on our device as the model does."""
    chance = random.Random(4)  # noqa: S311 -- test data, the same in every run
    ses = old.session(AES, KEY)
    for op in abi.Op:
        for size in (0, 16, 4080, 4096, 4112, 65536):
            old.crypt(ses, op, chance.randbytes(size), iv=chance.randbytes(16))
    old.crypt(ses, abi.Op.ENCRYPT, bytes(64), iv=bytes(16), in_place=True)
    for key in (b"", Pointer.BAD):
        old.gsession(AES, key, keylen=len(key) if isinstance(key, bytes) else 16)
    old.gsession(AES, bytes(65))
    old.fsession(ses)


@OUR_DEVICE
def test_the_flaws_of_the_old_driver(old):
    """What its folder says is wrong with it is wrong: other tests are to find that."""
    file = old.real
    assert file.ioctl(0x63FF) == 0
    assert file.gsession(AES, bytes(17)).errno == errno.EPERM
    assert file.crypt(1, abi.Op.ENCRYPT, bytes(16), iv=bytes(16)).errno == errno.EPERM
    ses = old.session(AES, KEY)
    assert file.crypt(ses, abi.Op.ENCRYPT, bytes(16)).errno == errno.EFAULT
    assert file.crypt(ses, abi.Op.ENCRYPT, bytes(16), iv=bytes(16), flags=abi.CopFlag.WRITE_IV).iv is None


@OUR_DEVICE
def test_an_old_driver_comes_and_goes(old, vm, built, crypto):
    """An old driver is unloaded and loaded again: the device is as new for it."""
    old.real.close()
    for _ in range(3):
        vm.succeed("rmmod virtio_crypto && insmod /run/virtio_crypto.ko")
    again = Twin(crypto.open(NODE))
    again.crypt(again.session(AES, KEY), abi.Op.ENCRYPT, bytes(4096), iv=bytes(16))


class TestNative:
    """The module that has the kernel do the ciphers: it is right, and what grades drivers says so."""

    def test_nist_vectors(self, native):
        """All vectors of NIST SP 800-38A F.2 come out as printed, apart and in place."""
        for vector in vectors.CBC:
            ses = native.session(AES, vector.key)
            for in_place in (False, True):
                answer = native.crypt(ses, vector.op, vector.source, iv=vector.iv, in_place=in_place)
                assert answer.dst == vector.result

    def test_sizes_and_ivs(self, native):
        """Every size, the IV that goes on, and the one that is written back are the model's."""
        chance = random.Random(5)  # noqa: S311 -- test data, the same in every run
        ses = native.session(AES, bytes(range(32)))
        for op in abi.Op:
            for size in (0, 16, 4080, 4096, 4112, 65536, 1 << 20):
                native.crypt(ses, op, chance.randbytes(size), iv=chance.randbytes(16))
                native.crypt(ses, op, bytes(48))
                native.crypt(ses, op, bytes(64), iv=bytes(16), flags=abi.CopFlag.WRITE_IV)

    def test_errors(self, native):
        """Every wrong call has the errno of cryptodev-linux, and leaves the session as it was."""
        file = native.real
        for cipher, key in ((0, b""), (99, KEY), (AES, b""), (AES, bytes(17)), (AES, bytes(65))):
            native.gsession(cipher, key)
        native.gsession(AES, Pointer.BAD, keylen=17)
        native.gsession(AES, Pointer.BAD, keylen=65)
        ses = native.session(AES, KEY)
        native.crypt(ses ^ 1, 7, bytes(15), iv=Pointer.BAD)
        native.crypt(ses, 7, bytes(15), iv=Pointer.BAD)
        native.crypt(ses, 2, bytes(16), iv=bytes(16))
        native.crypt(ses, abi.Op.ENCRYPT, bytes(15), iv=bytes(16))
        for pointer in (Pointer.BAD, Pointer.NULL):
            native.crypt(ses, abi.Op.ENCRYPT, pointer, length=16, iv=b"\x05" * 16)
            native.crypt(ses, abi.Op.ENCRYPT, bytes(16), dst=pointer, iv=b"\x06" * 16)
        native.crypt(ses, abi.Op.ENCRYPT, bytes(16))
        for number in (0x63FF, abi.Ioctl.CIOCKEY):
            assert file.ioctl(number, "zero") == errno.EINVAL
        for number in (
            abi.Ioctl.CIOCGSESSION,
            abi.Ioctl.CIOCCRYPT,
            abi.Ioctl.CIOCFSESSION,
            abi.Ioctl.CRIOGET,
        ):
            assert file.ioctl(number, "bad") == errno.EFAULT
        native.fsession(ses)
        native.fsession(ses)
        native.crypt(ses, abi.Op.ENCRYPT, bytes(16), iv=bytes(16))

    def test_sessions_belong_to_the_open_file(self, native, crypto):
        """Duplicates, clones and children share the sessions; another open file does not have them."""
        file, ses = native.real, native.session(AES, KEY)
        for shared in (file.dup(), file.clone(), file.seen_by(crypto.fork())):
            Twin(shared, native.model).crypt(ses, abi.Op.ENCRYPT, bytes(32))
        assert file.asymmetric_features() == 0
        assert crypto.open("/dev/crypto").crypt(ses, abi.Op.ENCRYPT, bytes(16)).errno == errno.EINVAL

    def test_other_modes_need_their_modules(self, native, artifacts, vm):
        """AES-ECB and -CTR are EINVAL until the guest has loaded the kernel's modules for them."""
        modes = ((abi.Cipher.AES_ECB, vectors.ECB), (abi.Cipher.AES_CTR, vectors.CTR))
        for cipher, _ in modes:
            assert native.real.gsession(cipher, KEY).errno == errno.EINVAL
        for name, module in with_needs(artifacts.kernel().modules, ("ecb", "ctr")).items():
            vm.succeed(f"cat >/run/{name}.ko && insmod /run/{name}.ko", stdin=module)
        for cipher, answers in modes:
            for vector in answers:
                ses = native.session(cipher, vector.key)
                assert native.crypt(ses, vector.op, vector.source, iv=vector.iv).dst == vector.result
                native.crypt(ses, vector.op, bytes(32))
                native.crypt(ses, vector.op, bytes(7), iv=bytes(16), flags=abi.CopFlag.WRITE_IV)
                native.crypt(ses, vector.op, bytes(16))
