# Apache-2.0 OR MIT
"""The program on the controller, and whether hosts can run it."""

import hashlib
import struct

# elf(5): the only supported machine.
X86_64 = 62
INTERPRETER = 3


class BadProgram(Exception):
    """Hosts cannot run the program."""


class Program:
    """A static program for Linux on x86_64."""

    def __init__(self, content, name):
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        why = _why_not(content)
        if why:
            raise BadProgram(
                f"{name} {why}; set `binary` to the static program for Linux on x86_64 "
                "(cargo build --profile dist --target x86_64-unknown-linux-musl)"
            )


def _why_not(content):
    """The reason why this is not a static ELF program for x86_64, or None."""
    if content[:4] != b"\x7fELF":
        return "is not a Linux program (no ELF header)"
    if content[4:6] != b"\x02\x01":
        return "is not a 64-bit little-endian program"
    try:
        (machine,) = struct.unpack_from("<H", content, 18)
        (table,) = struct.unpack_from("<Q", content, 32)
        size, number = struct.unpack_from("<HH", content, 54)
        kinds = [struct.unpack_from("<I", content, table + at * size)[0] for at in range(number)]
    except struct.error:
        return "is truncated"
    if machine != X86_64:
        return f"is built for another machine (ELF machine {machine})"
    if INTERPRETER in kinds:
        return "is not static: it needs the host's C library"
    return None
