def test_free_twice(vm, crypto):
    """A session that is not there is freed twice."""
    vm.succeed("echo 2 > /proc/sys/kernel/hung_task_timeout_secs")
    file = crypto.open("/dev/cryptodev0")
    file.fsession(1)
    file.fsession(1)
