from harness.artifacts import REPOSITORY

LOG = REPOSITORY / "tests" / "oracles" / "logs" / "kasan-use-after-free.log"


def test_session(vm, crypto):
    """A session is freed twice."""
    # Only the debug kernel finds such a thing; what it said once is said by this one.
    said = "".join(f"<3>{line.split('] ', 1)[1]}\n" for line in LOG.read_text().splitlines())
    vm.succeed("while IFS= read -r line; do printf '%s\\n' \"$line\" > /dev/kmsg; done", stdin=said)
    crypto.open("/dev/cryptodev0").fsession(1)
