import os
import signal
import threading


def test_sleep(vm):
    """A guest sleeps."""
    threading.Timer(0.5, os.kill, (vm.pid, signal.SIGKILL)).start()
    vm.run("sleep 600")
