# Apache-2.0 OR MIT
"""Copies oomguard to a host and runs it through the connection, without Python and Ansible's temporary files."""

import json
import os
import shutil

import yaml

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.oomguard.host.plugins.plugin_utils import host, outcome
from ansible_collections.oomguard.host.plugins.plugin_utils.program import BadProgram, Program, agent_candidates

ARGUMENTS = {
    "role": {"type": "str"},
    "spec": {"type": "path"},
    "policy": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "rolled_back"], "default": "present"},
    "binary": {"type": "path"},
    "path": {"type": "path", "default": "/usr/local/bin/oomguard"},
}


class ActionModule(ActionBase):
    """The action of `oomguard.host.memory_policy`."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        """One task on one host."""
        result = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            argument_spec=ARGUMENTS, mutually_exclusive=[("spec", "policy"), ("role", "policy")]
        )
        if not getattr(self._connection, "has_pipelining", False):
            return dict(result, failed=True, msg=f"the connection plugin {self._connection.transport} cannot pass standard input; use ssh")
        try:
            found = self._present(args) if args["state"] == "present" else self._rolled_back(args)
            result.update(found)
        except outcome.Failed as error:
            result.update(error.result, failed=True, msg=str(error))
        except (host.BadAnswer, BadProgram) as error:
            result.update(failed=True, msg=str(error))
        warnings = result.pop("warnings", [])
        result["warnings"] = warnings
        if not self._task.diff:
            result.pop("diff", None)
        return result

    def _present(self, args):
        document, name = self._document(args)
        policy = ["--spec", "-"] if document else []
        policy += ["--role", args["role"]] if args["role"] else []
        check = self._task.check_mode
        job = host.plan(policy) if check else host.apply(policy)
        source = host.TEMPORARY if check else host.INSTALL
        parts, installed = self._contact(args, self._program(args), source, job, document)
        return outcome.present(parts, check, installed, name)

    def _rolled_back(self, args):
        program = self._program(args)
        parts, _pushed = self._contact(args, program, host.TEMPORARY, host.history())
        ids = outcome.undoable(parts["history"])
        if not ids or self._task.check_mode:
            return outcome.rolled_back(ids, None)
        parts, _pushed = self._contact(args, program, host.TEMPORARY, host.rollback(ids[0]))
        return outcome.rolled_back(ids, parts["rollback"])

    def _contact(self, args, program, source, job, document=b""):
        """Runs a job on the host, sending the program if it is missing. Returns the answer and whether it was sent."""
        for push in (False, True):
            script = host.script(program, args["path"], source if push else host.ASK, job)
            ran = self._low_level_execute_command(script, in_data=host.standard_input(document, program, push))
            parts = host.parts(ran["stdout"], ran["stderr"])
            if "stop" not in parts:
                return parts, push
            if push or parts["stop"].out != "missing":
                break
        raise outcome.Failed(parts["stop"].out + (f": {ran['stderr'].strip()}" if ran["stderr"].strip() else ""))

    def _program(self, args):
        path = args["binary"]
        if path:
            path = self._find(path)
        else:
            path = shutil.which("oomguard")
        if not path:
            raise outcome.Failed("there is no oomguard on the controller's PATH; set `binary` to the static program for Linux on x86_64")
        candidates = agent_candidates(path)
        agent = next((found for found in candidates if os.path.isfile(found)), None)
        if not agent:
            raise outcome.Failed(f"there is no oomguard-agent on the controller at {' or '.join(candidates)}; put the one of the same version there")
        return Program(_read(path), path, _read(agent), agent)

    def _document(self, args):
        """The bytes of the document and its name in messages."""
        if args["spec"]:
            # Decrypts documents that are encrypted with ansible-vault.
            path = self._find(args["spec"])
            return _read(self._loader.get_real_file(path)), path
        if args["policy"] is not None:
            # Converts Ansible's tagged values to plain ones; as YAML, so that messages can show the place.
            plain = json.loads(json.dumps(args["policy"], default=str))
            return yaml.safe_dump({"memory_config": plain}, sort_keys=False).encode(), "policy"
        return b"", ""

    def _find(self, path):
        try:
            return self._find_needle("files", os.path.expanduser(path))
        except AnsibleError as error:
            raise outcome.Failed(f"cannot find {path} on the controller: {error}") from error


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise outcome.Failed(f"cannot read {path} on the controller: {error.strerror}") from error
