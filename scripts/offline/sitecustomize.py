"""Python without a network: connections to any address but this machine's own are refused.

Python imports a module of this name at its start, from PYTHONPATH. The notebooks are built and
tested with this folder on it: a cell that needs the network fails here, not at a reader's.
"""

import ipaddress
import os
import socket
import tempfile
from pathlib import Path

PROGRESS = Path(tempfile.gettempdir()) / "prmlab-offline" / "progress.json"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("PRMLAB_PROGRESS", str(PROGRESS))  # not the record of whoever runs this


def is_local(host: object) -> bool:
    """True for this machine's names and addresses, and for what is no host (None, bytes)."""
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def refuse(host: object) -> None:
    """OSError, unless the host is this machine."""
    if not is_local(host):
        raise OSError(f"the network is off here: no connection to {host}")


def guarded(method):
    """A socket's method whose last argument is an address, with other machines refused."""
    def call(self, *arguments):
        if isinstance(arguments[-1], tuple):
            refuse(arguments[-1][0])
        return method(self, *arguments)
    return call


def getaddrinfo(host, *arguments, _original=socket.getaddrinfo, **options):
    """As `socket.getaddrinfo`, for this machine's own names."""
    refuse(host)
    return _original(host, *arguments, **options)


for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
socket.getaddrinfo = getaddrinfo
