def test_door(vm):
    """A program in a terminal asks for a password."""
    with vm.terminal("echo 'the door is open'; cat") as door:
        door.expect("password: ", 0.5)
