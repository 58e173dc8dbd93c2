"""Where the owner of a chdb folder is found, who it is, and how it is spoken to.

The socket lies in the folder itself: whoever has the folder finds it, whatever TMPDIR says, and
containers that share the folder share the owner.
"""

import contextlib
import os
import pwd
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

NAME = "store.sock"
NAME_BYTES_MAX = 100
"""Of a socket's path; the kernel takes 107."""
_HEAD = struct.Struct(">II")


def socket_path(folder: Path) -> Path:
    """Where the owner of a folder listens."""
    return folder.resolve() / NAME


@contextlib.contextmanager
def near(folder: Path) -> Iterator[str]:
    """The socket's path, by a shorter name where it is too long for the kernel."""
    path = socket_path(folder)
    if len(os.fsencode(path)) <= NAME_BYTES_MAX:
        yield str(path)
        return
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)


def holder_of(folder: Path) -> str:
    """Who owns the folder now, for people: the kernel knows who holds its lock. "" if nobody."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        inode = (folder / "owner.lock").stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, place, *_ = line.split()
            if kind == "FLOCK" and int(place.rpartition(":")[2]) == inode:
                return f"process {pid}{_user_of(int(pid))}"
    return ""


def _user_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        uid = Path(f"/proc/{pid}").stat().st_uid
        with contextlib.suppress(KeyError):
            return f" of user {pwd.getpwuid(uid).pw_name}"
        return f" of user {uid}"
    return ""


def send(link: socket.socket, head: Mapping[str, str], body: bytes) -> None:
    """One message: two lengths, a JSON head, a body."""
    packed = msgspec.json.encode(head)
    link.sendall(_HEAD.pack(len(packed), len(body)) + packed)
    if body:
        link.sendall(body)


def receive(link: socket.socket) -> tuple[dict[str, str], bytes]:
    """The next message; raises EOFError at the end."""
    head_size, body_size = _HEAD.unpack(_exactly(link, _HEAD.size))
    head = msgspec.json.decode(_exactly(link, head_size), type=dict[str, str])
    return head, _exactly(link, body_size)


def _exactly(link: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = link.recv(min(size, 1 << 20))
        if not part:
            raise EOFError("connection closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
