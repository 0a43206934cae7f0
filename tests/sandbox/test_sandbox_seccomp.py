"""The filter refuses what it should, as the kernel runs it and as a model of the kernel's machine reads it."""

import errno
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.sandbox.seccomp import filter_program

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}
CALLS = {  # name: (x86_64, aarch64)
    "read": (0, 63),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "ioctl": (16, 29),
    "mount": (165, 40),
    "ptrace": (101, 117),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "unshare": (272, 97),
    "io_uring_setup": (425, 425),
}
MACHINES = ("x86_64", "aarch64")


def decide(program: bytes, number: int, *, arch: int, args: tuple[int, ...] = ()) -> int:
    """Run classic BPF over one `seccomp_data`, for the four instructions and the return that filters here use."""
    padded = (*args, *(0,) * (6 - len(args)))
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    position, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = instructions[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return value
        else:
            taken = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            position += if_true if taken else if_false


def verdict(machine: str, call: str, *args: int) -> int:
    program = filter_program(machine)
    assert program is not None
    return decide(program, CALLS[call][MACHINES.index(machine)], arch=AUDIT[machine], args=args)


@pytest.mark.parametrize("machine", MACHINES)
class TestEveryProcessor:
    def test_ordinary_calls_are_allowed(self, machine: str) -> None:
        assert verdict(machine, "read") == ALLOW
        assert verdict(machine, "execve") == ALLOW

    @pytest.mark.parametrize("call", ["mount", "ptrace", "unshare"])
    def test_calls_of_administration_are_refused(self, machine: str, call: str) -> None:
        assert verdict(machine, call) == ERRNO | errno.EPERM

    @pytest.mark.parametrize("call", ["clone3", "io_uring_setup"])
    def test_calls_with_an_older_equivalent_do_not_exist(self, machine: str, call: str) -> None:
        assert verdict(machine, call) == ERRNO | errno.ENOSYS

    def test_clone_makes_processes_and_threads_but_no_namespaces(self, machine: str) -> None:
        assert verdict(machine, "clone", 0x003D0F00) == ALLOW
        for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
            assert verdict(machine, "clone", 17 | flag) == ERRNO | errno.EPERM

    @pytest.mark.parametrize("call", ["socket", "socketpair"])
    def test_only_local_internet_and_netlink_sockets_exist(self, machine: str, call: str) -> None:
        allowed = {family for family in range(64) if verdict(machine, call, family) == ALLOW}
        assert allowed == {1, 2, 10, 16}

    def test_nothing_can_be_typed_into_a_terminal(self, machine: str) -> None:
        assert verdict(machine, "ioctl", 0, 0x5413) == ALLOW
        for request in (0x5412, 0x541C, 0x5412 | 1 << 40):
            assert verdict(machine, "ioctl", 0, request) == ERRNO | errno.EPERM

    def test_a_call_of_another_architecture_ends_the_process(self, machine: str) -> None:
        program = filter_program(machine)
        assert program is not None
        assert decide(program, 0, arch=AUDIT["i386"]) == KILL

    @given(number=st.integers(0, 2**32 - 1), args=st.tuples(*[st.integers(0, 2**64 - 1)] * 3))
    def test_every_call_gets_an_answer(self, machine: str, number: int, args: tuple[int, ...]) -> None:
        program = filter_program(machine)
        assert program is not None
        answers = {ALLOW, *(ERRNO | error for error in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))}
        assert decide(program, number, arch=AUDIT[machine], args=args) in answers


def test_the_second_set_of_numbers_of_x86_does_not_exist() -> None:
    program = filter_program("x86_64")
    assert program is not None
    assert decide(program, 0x40000000 | 165, arch=AUDIT["x86_64"]) == ERRNO | errno.ENOSYS


def test_a_processor_without_a_table_has_no_filter() -> None:
    assert filter_program("riscv64") is None


INSTALL_AND_TRY = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
code = sys.stdin.buffer.read()
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
program = Program(len(code) // 8, code)
assert libc.prctl(38, 1, 0, 0, 0) == 0, "no_new_privs"
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
import errno, socket, subprocess, threading
def refused(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"
def unshare():
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
print(refused(unshare), refused(lambda: socket.socket(40, 1)), refused(lambda: socket.socket(17, 3)))
print(refused(lambda: socket.socket().close()), refused(lambda: subprocess.run(["true"], check=True)))
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
"""


@pytest.mark.skipif(platform.machine() not in MACHINES, reason="no table for this processor")
def test_the_kernel_takes_the_filter_and_obeys_it() -> None:
    program = filter_program()
    assert program is not None
    done = subprocess.run([sys.executable, "-c", INSTALL_AND_TRY], input=program, capture_output=True, check=False)
    assert done.stdout.decode().splitlines() == [
        "EPERM EAFNOSUPPORT EAFNOSUPPORT",
        "allowed allowed",
        "thread",
    ], done.stderr.decode()


@pytest.mark.parametrize(
    ("header", "column"),
    [("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 0), ("/usr/include/asm-generic/unistd.h", 1)],
)
def test_numbers_are_those_of_the_kernel_headers(header: str, column: int) -> None:
    import re

    from selfopt_pipelines.sandbox import seccomp

    if not Path(header).exists():
        pytest.skip("no kernel headers on this machine")
    text = Path(header).read_text()
    known = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    for name, numbers in (seccomp.REFUSED | seccomp.ABSENT).items():
        assert known.get(name, numbers[column]) == numbers[column], name
