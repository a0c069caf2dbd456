# Apache-2.0 OR MIT
"""The script that runs on hosts, run here with a program of the test's own."""

import hashlib
import json
import os
import subprocess
import tempfile
import unittest
from collections import namedtuple

from ansible_collections.oomguard.host.plugins.plugin_utils import host

Stand = namedtuple("Stand", "content sha256 agent agent_sha256")

AGENT = b"the agent's program\n\x00"

# Answers as oomguard does: says what it was asked on both streams, and keeps what it read.
STAND = b"""#!/bin/sh
cat >"$LOG/$1.in"
echo "$*" >>"$LOG/asked"
[ "$1" = "${BREAK-}" ] && { echo "error: no" >&2; exit 1; }
echo "note about $1" >&2
echo "[\\"$1: it's\\"]"
[ "$1" = plan ] && exit 2
exit 0
"""


def stand(content=STAND):
    """A program and an agent's, with their hashes."""
    return Stand(content, hashlib.sha256(content).hexdigest(), AGENT, hashlib.sha256(AGENT).hexdigest())


class TestScript(unittest.TestCase):
    """Each job, as a host's shell runs it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "it's here", "oomguard")
        os.makedirs(os.path.dirname(self.path))
        self.temporary = os.path.join(self.folder, "tmp")
        os.makedirs(self.temporary)

    def run_job(self, find, job, push=False, document=b"", **extra):
        """The parts of the answer."""
        program = stand()
        script = host.script(program, self.path, find, job)
        env = dict(os.environ, LOG=self.folder, TMPDIR=self.temporary, **extra)
        ran = subprocess.run(
            ["/bin/sh", "-c", script], input=host.standard_input(document, program, push), capture_output=True, env=env, check=False
        )
        return host.parts("Welcome to the host\noomguard\n" + ran.stdout.decode(), "a banner\n" + ran.stderr.decode())

    def install(self):
        """Puts the programs where they belong."""
        with open(self.path + "-agent", "wb") as file:
            file.write(AGENT)
        with open(self.path, "wb") as file:
            file.write(STAND)
        os.chmod(self.path, 0o755)

    def asked(self):
        """The commands that the program was run with."""
        with open(os.path.join(self.folder, "asked"), encoding="utf-8") as file:
            return file.read().splitlines()

    def test_a_host_without_the_program_says_so_and_is_left_alone(self):
        parts = self.run_job(host.ASK, host.apply([]))
        self.assertEqual(parts, {"stop": host.Part(0, "missing", "")})
        self.assertEqual(os.listdir(os.path.dirname(self.path)), [])

    def test_another_program_is_not_run(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\ntouch \"$LOG/ran\"\n")
        os.chmod(self.path, 0o755)
        self.assertEqual(self.run_job(host.ASK, host.plan([]))["stop"].out, "missing")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ran")))

    def test_a_program_without_its_agent_is_not_run(self):
        self.install()
        for wrong in [b"another agent", None]:
            if wrong is None:
                os.remove(self.path + "-agent")
            else:
                with open(self.path + "-agent", "wb") as file:
                    file.write(wrong)
            self.assertEqual(self.run_job(host.ASK, host.plan([]))["stop"].out, "missing")

    def test_installs_it_and_applies(self):
        document = "memory_config: {swap: none}  # ein Wort: größer, 'quoted' \"$HOME\" \\n\n".encode()
        parts = self.run_job(host.INSTALL, host.apply(["--spec", "-", "--role", "it's"]), push=True, document=document)
        self.assertEqual(parts["plan"], host.Part(2, "[\"plan: it's\"]\n", "note about plan"))
        self.assertEqual(parts["apply"].code, 0)
        self.assertEqual(json.loads(parts["check"].out), ["check: it's"])
        self.assertEqual(
            self.asked(),
            ["plan --spec - --role it's --format json", "apply --spec - --role it's --yes", "check --spec - --role it's --format json"],
        )
        for name in ["plan", "apply", "check"]:
            with open(os.path.join(self.folder, name + ".in"), "rb") as file:
                self.assertEqual(file.read(), document)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), STAND)
        with open(self.path + "-agent", "rb") as file:
            self.assertEqual(file.read(), AGENT)
        for path in [self.path, self.path + "-agent"]:
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o755)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.path))), ["oomguard", "oomguard-agent"])
        # From then on it is there.
        self.assertIn("apply", self.run_job(host.ASK, host.apply([])))

    def test_a_policy_that_cannot_be_used_installs_nothing(self):
        parts = self.run_job(host.INSTALL, host.apply([]), push=True, BREAK="plan")
        self.assertEqual(parts, {"plan": host.Part(1, "", "error: no")})
        self.assertEqual(os.listdir(os.path.dirname(self.path)), [])

    def test_check_mode_leaves_nothing_behind(self):
        parts = self.run_job(host.TEMPORARY, host.plan(["--role", "ci"]), push=True)
        self.assertEqual(sorted(parts), ["check", "plan"])
        self.assertEqual(self.asked(), ["plan --role ci --format json", "check --role ci --format json"])
        self.assertEqual(os.listdir(os.path.dirname(self.path)) + os.listdir(self.temporary), [])

    def test_incomplete_program_is_not_run(self):
        program = stand()
        for find in [host.INSTALL, host.TEMPORARY]:
            script = host.script(program, self.path, find, host.plan([]))
            env = dict(os.environ, LOG=self.folder, TMPDIR=self.temporary)
            sent = host.standard_input(b"", program, True)[:-1]
            ran = subprocess.run(["/bin/sh", "-c", script], input=sent, capture_output=True, env=env, check=False)
            parts = host.parts(ran.stdout.decode(), ran.stderr.decode())
            self.assertEqual(parts["stop"].out, "the program was not transferred completely")
            self.assertEqual(os.listdir(os.path.dirname(self.path)) + os.listdir(self.temporary), [])

    def test_another_machine_is_refused(self):
        fake = os.path.join(self.folder, "uname")
        with open(fake, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho Linux aarch64\n")
        os.chmod(fake, 0o755)
        parts = self.run_job(host.ASK, host.plan([]), PATH=self.folder + ":" + os.environ["PATH"])
        self.assertEqual(parts["stop"].out, "unsupported machine: Linux aarch64 (oomguard is built for Linux x86_64)")

    def test_history_and_rollback(self):
        self.install()
        self.assertEqual(self.run_job(host.ASK, host.history())["history"].code, 0)
        self.run_job(host.ASK, host.rollback("0001-x"))
        self.assertEqual(self.asked(), ["history list --format json", "rollback --to 0001-x --yes"])

    def test_every_place_in_the_script_is_filled(self):
        script = host.script(stand(), self.path, host.INSTALL, host.apply(["--spec", "-"]))
        self.assertNotIn("@", script.replace("$@", ""))


class TestParts(unittest.TestCase):
    """Answers that are not as they should be."""

    def test_a_host_that_does_not_answer(self):
        with self.assertRaises(host.BadAnswer) as raised:
            host.parts("", "sudo: a password is required\n")
        self.assertIn("sudo: a password is required", str(raised.exception))

    def test_damage(self):
        for line in ["oomguard:plan:***", "oomguard:plan:aGFsbG8=", "oomguard:plan:"]:
            with self.assertRaises(host.BadAnswer):
                host.parts(line + "\n", "")


if __name__ == "__main__":
    unittest.main()
