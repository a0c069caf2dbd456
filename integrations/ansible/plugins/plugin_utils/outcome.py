# Apache-2.0 OR MIT
"""Converts the answer of a host to the result of a task."""

import json


class Failed(Exception):
    """The task failed; `result` has what is known so far."""

    def __init__(self, message, result=None):
        super().__init__(message)
        self.result = result or {}


def present(parts, check, installed, name):
    """The result of `state: present`. `name` is the document's name on the controller."""
    plan_part = parts["plan"]
    if plan_part.code not in (0, 2):
        raise Failed(_message(plan_part, name))
    plan = _json(plan_part)
    result = {
        "changed": bool(plan["changes"]) or installed,
        "steps": plan["steps"],
        "notes": plan["notes"],
        "binary_installed": installed,
        "diff": diffs(plan["changes"]),
        "warnings": _said(plan_part, name),
    }
    if plan["refusals"]:
        refusals = [f"{refusal['reason']}; {refusal['advice']}" for refusal in plan["refusals"]]
        result.update(refusals=refusals, changed=False)
    if not check:
        _applied(parts.get("apply"), result, name)
    elif plan["refusals"]:
        raise Failed("the plan would be refused: " + ". ".join(refusals), result)
    findings = _json(parts["check"])["findings"]
    result["findings"] = findings
    if not check:
        result["warnings"] += [_left(finding) for finding in findings if finding["severity"] != "advice"]
    return result


def _applied(part, result, name):
    """Adds what `apply` did."""
    if part is None:
        raise Failed("the apply did not run", result)
    if part.code not in (0, 2):
        result["changed"] = False
        raise Failed(_message(part, name), result)
    mark = "`oomguard rollback --to "
    if mark in part.out:
        result["apply_id"] = part.out.split(mark, 1)[1].split("`", 1)[0]
    elif "Nothing to change." in part.out:
        # The planned change was no longer needed, for example because a process had ended.
        result["changed"] = result["binary_installed"]


def undoable(part):
    """The ids of the applies that are not rolled back, the oldest first."""
    if part.code != 0:
        raise Failed(_message(part, ""))
    return [entry["record"]["id"] for entry in _json(part) if entry["state"] != "rolled-back"]


def rolled_back(ids, part):
    """The result of `state: rolled_back`; without a part, that of check mode."""
    result = {"changed": bool(ids), "undone": ids[::-1], "binary_installed": False}
    if part is not None and part.code != 0:
        raise Failed(_message(part, ""), dict(result, changed=False, undone=[]))
    return result


def diffs(changes):
    """The files of a plan, as Ansible shows differences."""
    found = []
    for change in changes:
        path = change.get("path")
        if change["change"] == "file_write":
            before, after = _text(change["before"]), _text(change["after"])
        elif change["change"] == "file_remove":
            before, after = _text(change["before"]), ""
        else:
            continue
        found.append({"before": before, "after": after, "before_header": path, "after_header": path})
    return found


def _text(blob):
    """A file of a plan: text, nothing, or binary data."""
    if blob is None:
        return ""
    if isinstance(blob, dict):
        return bytes.fromhex(blob["hex"]).decode("utf-8", "backslashreplace")
    return blob


def _left(finding):
    """A remaining difference, as a sentence."""
    left = f"{finding['subject']} is {finding['is']} and should be {finding['should']}: {finding['why']}"
    return f"{left}; {finding['advice']}" if finding.get("advice") else left


def _json(part):
    try:
        return json.loads(part.out)
    except ValueError as error:
        raise Failed(f"the program did not print JSON ({error}): {part.out[:400]} {part.err[:400]}") from error


def _message(part, name):
    """An error of the program, with the document's name on the controller instead of "standard input"."""
    text = part.err or part.out.strip() or f"the program exited with {part.code} and printed nothing"
    if part.code in (126, 127):
        text = f"cannot run the program on this host: {text}"
    if "only root may" in text:
        text += "; set `become: true`"
    return text.replace("standard input", name) if name else text


def _said(part, name):
    """The program's warnings."""
    text = part.err.replace("standard input", name) if name else part.err
    return [text] if text else []
