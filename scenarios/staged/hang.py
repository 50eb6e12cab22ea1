def test_free(vm, crypto):
    """A session that is not there is freed."""
    file = crypto.open("/dev/cryptodev0")
    vm.deadlines.scale /= 40
    file.fsession(1)
