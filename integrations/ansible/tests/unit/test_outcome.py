# Apache-2.0 OR MIT
"""What a task shows of an answer."""

import json
import unittest

from ansible_collections.oomguard.host.plugins.plugin_utils import outcome
from ansible_collections.oomguard.host.plugins.plugin_utils.host import Part

FINDING = {
    "id": "x",
    "severity": "warning",
    "subject": "swap",
    "is": "none",
    "should": "1 GiB",
    "why": "no room",
    "fix": None,
    "advice": "add a disk",
}
REFUSAL = {"id": "container", "reason": "this is a container", "advice": "run it on the host"}
FSTAB = {"change": "file_write", "path": "/etc/fstab", "before": "a\n", "after": "a\nb\n", "why": "boot"}


def plan(changes=(), refusals=(), err=""):
    """An answer of `plan`."""
    text = {"changes": list(changes), "refusals": list(refusals), "notes": [], "steps": ["a step"] * len(changes)}
    return Part(2 if changes or refusals else 0, json.dumps(text), err)


def check(*findings):
    """An answer of `check`."""
    return Part(2 if findings else 0, json.dumps({"findings": findings}), "")


DONE = Part(0, "[ 1/1] a step\nDone. `oomguard rollback --to 0001-X` undoes it.\n", "")


class TestPresent(unittest.TestCase):
    """`state: present`."""

    def test_changed(self):
        parts = {"plan": plan([FSTAB]), "apply": DONE, "check": check()}
        result = outcome.present(parts, False, True, "")
        self.assertTrue(result["changed"] and result["binary_installed"])
        self.assertEqual((result["apply_id"], result["steps"], result["warnings"]), ("0001-X", ["a step"], []))
        self.assertEqual(
            result["diff"],
            [{"before": "a\n", "after": "a\nb\n", "before_header": "/etc/fstab", "after_header": "/etc/fstab"}],
        )

    def test_unchanged(self):
        parts = {"plan": plan(), "apply": Part(0, "Nothing to change.\n", ""), "check": check()}
        self.assertFalse(outcome.present(parts, False, False, "")["changed"])
        # A program that was replaced is a change too.
        self.assertTrue(outcome.present(parts, False, True, "")["changed"])
        parts["plan"] = plan([FSTAB])
        self.assertFalse(outcome.present(parts, False, False, "")["changed"])

    def test_what_is_left_is_a_warning(self):
        parts = {"plan": plan([FSTAB]), "apply": DONE._replace(code=2), "check": check(FINDING, dict(FINDING, severity="advice"))}
        result = outcome.present(parts, False, False, "")
        self.assertEqual(result["warnings"], ["swap is none and should be 1 GiB: no room; add a disk"])
        self.assertEqual(len(result["findings"]), 2)

    def test_check_mode_reports_and_warns_of_nothing_that_apply_mends(self):
        result = outcome.present({"plan": plan([FSTAB]), "check": check(FINDING)}, True, False, "")
        self.assertEqual((result["changed"], result["warnings"]), (True, []))

    def test_a_refusal_fails_in_either_mode(self):
        refused = Part(1, "", "error: nothing was changed, for 1 reason:\n  this is a container\n    -> run it on the host")
        for is_check, parts in [
            (True, {"plan": plan([FSTAB], [REFUSAL]), "check": check(FINDING)}),
            (False, {"plan": plan([FSTAB], [REFUSAL]), "apply": refused, "check": check(FINDING)}),
        ]:
            with self.assertRaises(outcome.Failed) as raised:
                outcome.present(parts, is_check, False, "")
            self.assertIn("this is a container", str(raised.exception))
            self.assertEqual(raised.exception.result["refusals"], ["this is a container; run it on the host"])
            self.assertFalse(raised.exception.result["changed"])

    def test_messages_name_the_document(self):
        bad = Part(1, "", "error[unknown-key]: no key\n --> standard input:3:3")
        with self.assertRaises(outcome.Failed) as raised:
            outcome.present({"plan": bad}, True, False, "files/a.cspec")
        self.assertIn("--> files/a.cspec:3:3", str(raised.exception))
        noted = {"plan": plan(err="warning: standard input:2"), "check": check()}
        self.assertEqual(outcome.present(noted, True, False, "a")["warnings"], ["warning: a:2"])

    def test_failures_say_what_to_do(self):
        for part, says in [
            (Part(1, "", "error: only root may change this host; run it with sudo"), "set `become: true`"),
            (Part(126, "", "Permission denied"), "cannot run the program on this host: Permission denied"),
            (Part(139, "", ""), "exited with 139 and printed nothing"),
        ]:
            parts = {"plan": plan([FSTAB]), "apply": part, "check": check(FINDING)}
            with self.assertRaises(outcome.Failed) as raised:
                outcome.present(parts, False, False, "")
            self.assertIn(says, str(raised.exception))

    def test_bytes_that_are_no_text(self):
        removed = {"change": "file_remove", "path": "/a", "before": {"hex": "ff41"}, "why": ""}
        self.assertEqual(outcome.diffs([removed, {"change": "reload_system"}])[0]["before"], "\\xffA")


class TestRolledBack(unittest.TestCase):
    """`state: rolled_back`."""

    def test_what_is_undone(self):
        entries = [("0001", "rolled-back"), ("0002", "applied"), ("0003", "open"), ("0004", "rolling-back")]
        text = json.dumps([{"state": state, "record": {"id": name}} for name, state in entries])
        ids = outcome.undoable(Part(0, text, ""))
        self.assertEqual(ids, ["0002", "0003", "0004"])
        self.assertEqual(outcome.rolled_back(ids, None)["undone"], ["0004", "0003", "0002"])
        self.assertFalse(outcome.rolled_back([], None)["changed"])

    def test_refused(self):
        with self.assertRaises(outcome.Failed) as raised:
            outcome.rolled_back(["0001"], Part(1, "", "error: /etc/fstab was changed by somebody"))
        self.assertFalse(raised.exception.result["changed"])


if __name__ == "__main__":
    unittest.main()
