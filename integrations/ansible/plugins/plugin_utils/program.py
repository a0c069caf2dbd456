# Apache-2.0 OR MIT
"""The program on the controller: what it is, and whether it can run on hosts."""

import hashlib
import struct

# elf(5): the machine of the one build that there is.
X86_64 = 62
INTERPRETER = 3


class BadProgram(Exception):
    """Why a file is not the program that hosts can run."""


class Program:
    """A static program for Linux on x86_64."""

    def __init__(self, content, name):
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        why = _why_not(content)
        if why:
            raise BadProgram(
                f"{name} {why}; give in `binary` the static program for Linux on x86_64 "
                "(cargo build --profile dist --target x86_64-unknown-linux-musl)"
            )


def _why_not(content):
    """Why these bytes are no static ELF program for x86_64; nothing when they are."""
    if content[:4] != b"\x7fELF":
        return "is no program for Linux (no ELF header)"
    if content[4:6] != b"\x02\x01":
        return "is no program of 64 bits, little-endian"
    try:
        (machine,) = struct.unpack_from("<H", content, 18)
        (table,) = struct.unpack_from("<Q", content, 32)
        size, number = struct.unpack_from("<HH", content, 54)
        kinds = [struct.unpack_from("<I", content, table + at * size)[0] for at in range(number)]
    except struct.error:
        return "is cut short"
    if machine != X86_64:
        return f"is built for another machine (ELF machine {machine})"
    if INTERPRETER in kinds:
        return "is not static: it needs the C library of the host that it runs on"
    return None
