"""The system-call filter of sandboxed commands, as a classic BPF program.

A deny list on top of namespaces and dropped capabilities: it takes away the parts of the kernel that no build or
test needs and that its past holes were in. Instruction encoding and `seccomp_data` layout: linux/filter.h,
linux/seccomp.h, seccomp(2). Numbers: asm/unistd_64.h and asm-generic/unistd.h.
"""

import errno
import platform
import struct
from dataclasses import dataclass

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_NUMBER_AT = 0
_ARCH_AT = 4
_ARGS_AT = 16
_X32_BIT = 0x40000000

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_CLONE_NAMESPACES = 0x7E020000
# Terminal injection: characters pushed into the terminal's input queue, or pasted by the console.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (os.networkInterfaces needs the last). Not AF_VSOCK: it has no namespace.
_FAMILIES = (1, 2, 10, 16)


@dataclass(frozen=True)
class _Architecture:
    audit: int
    column: int
    """Index into the number pairs below."""
    has_x32: bool = False


_ARCHITECTURES = {
    "x86_64": _Architecture(audit=0xC000003E, column=0, has_x32=True),
    "aarch64": _Architecture(audit=0xC00000B7, column=1),
}

REFUSED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}

# Programs take "no such call" as an older kernel and use another way. The flags of clone3 lie behind a pointer
# that no filter can follow; clone does the same with flags in a register.
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "memfd_secret": (447, 447),
}

_CLONE = (56, 220)
_IOCTL = (16, 29)
_SOCKETS = ((41, 198), (53, 199))  # socket, socketpair


def filter_program(machine: str | None = None) -> bytes | None:
    """The filter for `machine` (as `uname -m` says; this machine's if None); None for one that has no table."""
    architecture = _ARCHITECTURES.get(machine or platform.machine())
    if architecture is None:
        return None
    column = architecture.column
    # A foreign architecture has other numbers, and i386 its `socketcall`: nothing runs as one.
    program = [_word(_ARCH_AT), _jump(_IF_EQUAL, architecture.audit, 1, 0), _return(_KILL_PROCESS), _word(_NUMBER_AT)]
    if architecture.has_x32:
        program += [_jump(_IF_AT_LEAST, _X32_BIT, 0, 1), _refuse(errno.ENOSYS)]
    for table, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                program += [_jump(_IF_EQUAL, number, 0, 1), _refuse(error)]
    program += _on(
        _CLONE[column],
        [_word(_ARGS_AT), _jump(_IF_ANY_BIT, _CLONE_NAMESPACES, 0, 1), _refuse(errno.EPERM), _return(_ALLOW)],
    )
    program += _on(
        _IOCTL[column],
        [
            _word(_ARGS_AT + 8),
            *(_jump(_IF_EQUAL, _TIOCSTI, 0, 1), _refuse(errno.EPERM)),
            *(_jump(_IF_EQUAL, _TIOCLINUX, 0, 1), _refuse(errno.EPERM)),
            _return(_ALLOW),
        ],
    )
    for numbers in _SOCKETS:
        allowed = [part for family in _FAMILIES for part in (_jump(_IF_EQUAL, family, 0, 1), _return(_ALLOW))]
        program += _on(numbers[column], [_word(_ARGS_AT), *allowed, _refuse(errno.EAFNOSUPPORT)])
    program.append(_return(_ALLOW))
    return b"".join(program)


def _on(number: int, body: list[bytes]) -> list[bytes]:
    """`body`, which must return, for the call `number`; past it for all others."""
    return [_jump(_IF_EQUAL, number, 0, len(body)), *body]


def _word(offset: int) -> bytes:
    return _instruction(_LOAD, offset)


def _jump(test: int, value: int, if_true: int, if_false: int) -> bytes:
    return _instruction(test, value, if_true, if_false)


def _return(action: int) -> bytes:
    return _instruction(_RETURN, action)


def _refuse(error: int) -> bytes:
    return _return(_ERRNO | error)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
