# Apache-2.0 OR MIT
"""What is taken for the program."""

import struct
import unittest

from ansible_collections.oomguard.host.plugins.plugin_utils.program import BadProgram, Program


def elf(machine=62, kinds=(1,), bits=2):
    """An ELF header and its program headers."""
    head = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0)
    return head + b"".join(struct.pack("<I", kind) + bytes(52) for kind in kinds)


class TestProgram(unittest.TestCase):
    """Only a static program for x86_64 will do."""

    def test_a_static_program(self):
        self.assertEqual(len(Program(elf(), "oomguard").sha256), 64)

    def test_what_hosts_cannot_run(self):
        for content, why in [
            (b"#!/bin/sh\n", "no ELF header"),
            (b"", "no ELF header"),
            (elf(bits=1), "not a 64-bit"),
            (elf(machine=183), "built for another machine (ELF machine 183)"),
            (elf(kinds=(1, 3)), "is not static"),
            (elf()[:40], "is truncated"),
            (elf()[:-56], "is truncated"),
        ]:
            with self.assertRaises(BadProgram) as raised:
                Program(content, "files/oomguard")
            self.assertIn(why, str(raised.exception))
            self.assertTrue(str(raised.exception).startswith("files/oomguard "))
            self.assertIn("x86_64-unknown-linux-musl", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
