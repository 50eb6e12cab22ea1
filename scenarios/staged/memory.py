def test_fill(vm):
    """A big file is written into memory."""
    vm.succeed("mkdir /big && mount -t tmpfs -o size=1g none /big")
    vm.succeed("dd if=/dev/zero of=/big/file bs=1M count=900")
