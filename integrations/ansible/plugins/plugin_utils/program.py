# Apache-2.0 OR MIT
"""The programs on the controller, and whether hosts can run them."""

import hashlib
import os
import struct

# elf(5): the only supported machine.
X86_64 = 62
INTERPRETER = 3


class BadProgram(Exception):
    """Hosts cannot run a program."""


class Program:
    """The static command for Linux on x86_64, and the agent's program of the same version."""

    def __init__(self, content, name, agent, agent_name):
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.agent = agent
        self.agent_sha256 = hashlib.sha256(agent).hexdigest()
        for file, file_name in ((content, name), (agent, agent_name)):
            why = _why_not(file)
            if why:
                raise BadProgram(
                    f"{file_name} {why}; set `binary` to the static program for Linux on x86_64, with oomguard-agent beside it "
                    "(cargo build --profile dist --target x86_64-unknown-linux-musl)"
                )


def agent_candidates(path):
    """Where the agent's program of the command at this path may be: beside it, or where a package puts it."""
    folder = os.path.dirname(os.path.realpath(path))
    found = [os.path.join(folder, "oomguard-agent")]
    if os.path.basename(folder) == "bin":
        found.append(os.path.join(os.path.dirname(folder), "lib", "oomguard", "oomguard-agent"))
    return found


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
