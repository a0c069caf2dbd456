# Apache-2.0 OR MIT
"""What is taken for the program."""

import struct
import unittest

from ansible_collections.oomguard.host.plugins.plugin_utils.program import BadProgram, Program, agent_candidates


def elf(machine=62, kinds=(1,), bits=2):
    """An ELF header and its program headers."""
    head = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0)
    return head + b"".join(struct.pack("<I", kind) + bytes(52) for kind in kinds)


class TestProgram(unittest.TestCase):
    """Only a static program for x86_64 will do."""

    def test_a_static_program(self):
        program = Program(elf(), "oomguard", elf(kinds=(1, 1)), "oomguard-agent")
        self.assertEqual((len(program.sha256), len(program.agent_sha256)), (64, 64))
        self.assertNotEqual(program.sha256, program.agent_sha256)

    def test_the_agent_is_beside_the_command_or_in_the_library_folder_of_a_package(self):
        self.assertEqual(agent_candidates("/x/files/oomguard"), ["/x/files/oomguard-agent"])
        self.assertEqual(agent_candidates("/x/bin/oomguard"), ["/x/bin/oomguard-agent", "/x/lib/oomguard/oomguard-agent"])

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
                Program(content, "files/oomguard", elf(), "files/oomguard-agent")
            self.assertIn(why, str(raised.exception))
            with self.assertRaises(BadProgram) as agents:
                Program(elf(), "files/oomguard", content, "files/oomguard-agent")
            self.assertTrue(str(agents.exception).startswith("files/oomguard-agent "))
            self.assertTrue(str(raised.exception).startswith("files/oomguard "))
            self.assertIn("x86_64-unknown-linux-musl", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
