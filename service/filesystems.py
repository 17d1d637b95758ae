"""What kind of file system a folder is on, where the system tells."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")

NETWORK = re.compile(
    r"afs|beegfs|ceph|cifs|glusterfs|gpfs|lustre|ncpfs|nfs4?|orangefs|smb3|smbfs"
    r"|fuse\.(cephfs|glusterfs|s3fs|sshfs)"
)
"""File systems shared over a network, whose locks and shared memory SQLite cannot trust."""


def network_filesystem(folder: Path, mounts: Path | None = None) -> str | None:
    """The kind of the network file system that holds `folder`; None if it is local or unknown."""
    try:
        lines = (
            (mounts or MOUNTS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        )
    except OSError:
        return None
    place, best, kind = folder.resolve(), -1, None
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_unescaped(fields[1]))
        # A later mount over the same folder hides the earlier one.
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind and NETWORK.fullmatch(kind) else None


def _unescaped(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text
