def test_keystroke(vm):
    """One more line is typed at the serial shell."""
    vm.shell.run("uname -r")
    vm.shell.sendline("echo c > /proc/sysrq-trigger")
    vm.shell.expect("guest# ", 10)
    vm.shell.expect("guest# ", 10)
