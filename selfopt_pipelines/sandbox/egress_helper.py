"""Makes a listening socket inside another process's network namespace and passes it back.

Run as a program of its own, by file name and with the standard library only: joining a namespace
needs a single-threaded process, and this one is thrown away afterwards.

    python egress_helper.py <pid> <port> <descriptor of a unix socket>

The first message on the socket carries the listener (SCM_RIGHTS) or the reason why there is none.
See ioctl_ns(2) and setns(2).
"""

import ctypes
import errno
import fcntl
import os
import socket
import sys
import time

NS_GET_USERNS = 0xB701
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
LOOPBACK_WAIT_S = 5.0


def main(pid: int, port: int, channel: socket.socket) -> int:
    """Serve one request; returns the exit code."""
    try:
        with listen_inside(pid, port) as listener:
            socket.send_fds(channel, [b"ok"], [listener.fileno()])
    except OSError as error:
        channel.sendall(f"{error.strerror or error}".encode())
        return 1
    return 0


def listen_inside(pid: int, port: int) -> socket.socket:
    """A socket listening on 127.0.0.1:`port` of the network namespace of `pid`; joins it for good."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid() != 0:
        # The namespace that owns the network one, which need not be the process's own: bubblewrap may already
        # have moved into the nested one of --disable-userns. Root has its rights over both from outside.
        _join(fcntl.ioctl(network, NS_GET_USERNS), CLONE_NEWUSER)
    _join(network, CLONE_NEWNET)
    deadline = time.monotonic() + LOOPBACK_WAIT_S
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def _join(descriptor: int, kind: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), socket.socket(fileno=int(sys.argv[3]))))
