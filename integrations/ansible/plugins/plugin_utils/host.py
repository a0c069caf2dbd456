# Apache-2.0 OR MIT
"""What runs on a host: one shell script a contact, and what it answers."""

import base64
import shlex
from collections import namedtuple

# One line of standard input has the document in base64, and what follows it is the program, where it is sent.
# The document stays in a variable of the shell: on no command line, in no environment and in no file.
# Each part of the answer is a line of base64, so that nothing that a login prints can be taken for it.
_SCRIPT = r"""
set -u
umask 077
LC_ALL=C NO_COLOR=1
export LC_ALL NO_COLOR
say() { printf 'oomguard:%s:' "$1"; base64 | tr -d '\n'; echo; }
stop() { printf 'oomguard:stop:%s\n' "$1"; exit 0; }
program=@PATH@ folder='' final=''
trap '[ -z "$folder" ] || rm -rf "$folder"' EXIT
IFS= read -r document || stop 'the connection passed no standard input'
machine=$(uname -sm)
[ "$machine" = 'Linux x86_64' ] || stop "this host is $machine, and oomguard is built for Linux x86_64 only"
for tool in sha256sum base64; do
  command -v "$tool" >/dev/null || stop "this host has no $tool"
done
has() { [ -f "$1" ] && sum=$(sha256sum <"$1") && [ "${sum%% *}" = @SHA256@ ]; }
@FIND@
run() {
  part=$1
  shift
  echo "oomguard:$part" >&2
  out=$(code=0; printf '%s' "$document" | base64 -d | "$program" "$@" || code=$?; echo ":$code")
  code=${out##*:}
  printf '%s' "$out" | say "$part"
}
@RUN@
"""

ASK = r"""
has "$program" || stop missing
"""

# Beside its final place; the job renames it once the policy is known to be good, so that a program that runs keeps its file.
INSTALL = r"""
new=$(mktemp "$(dirname "$program")/.oomguard.XXXXXXXX") || stop "cannot write beside $program (is the folder there, and \`become: true\` set?)"
folder=$new final=$program
cat >"$new" || stop "cannot write $new; the disk may be full"
has "$new" || stop 'the program did not arrive whole'
chmod 0755 "$new" && { sync "$new" 2>/dev/null || sync; }
program=$new
"""

# /tmp is often mounted without the right to run programs.
TEMPORARY = r"""
for parent in "${TMPDIR:-/tmp}" /var/tmp /run "${HOME:-/}"; do
  folder=$(mktemp -d "$parent/oomguard.XXXXXXXX" 2>/dev/null) || continue
  printf '#!/bin/sh\n' >"$folder/try" && chmod 0700 "$folder/try" && "$folder/try" 2>/dev/null && break
  rm -rf "$folder"
  folder=''
done
[ -n "$folder" ] || stop 'there is no folder where a program can be put and run for the check'
program=$folder/oomguard
cat >"$program" || stop "cannot write $program; the disk may be full"
has "$program" || stop 'the program did not arrive whole'
chmod 0700 "$program"
"""

_PLAN = r"""
run plan plan @POLICY@ --format json
run check check @POLICY@ --format json
"""

# What the plan says is what `apply` does a moment later. An empty plan still lets `apply` close the journal of one that was cut.
_APPLY = r"""
run plan plan @POLICY@ --format json
[ "$code" = 2 ] || [ "$code" = 0 ] || exit 0
if [ -n "$final" ]; then
  mv -f "$program" "$final" || stop "cannot put the program at $final"
  program=$final folder=''
fi
run apply apply @POLICY@ --yes
run check check @POLICY@ --format json
"""

Part = namedtuple("Part", "code out err")


class BadAnswer(Exception):
    """The host answered something else than the script does."""


def plan(policy):
    """The job that looks. `policy` is the arguments that name it, as in `--spec - --role ci`."""
    return _PLAN.replace("@POLICY@", shlex.join(policy))


def apply(policy):
    """The job that looks, changes and looks again."""
    return _APPLY.replace("@POLICY@", shlex.join(policy))


def journal():
    """The job that reads what was applied."""
    return "run journal journal list --format json\n"


def rollback(first):
    """The job that undoes an apply and all after it."""
    return f"run rollback rollback --to {shlex.quote(first)} --yes\n"


def script(program, path, find, job):
    """The script for one contact."""
    text = _SCRIPT.replace("@FIND@", find).replace("@RUN@", job)
    return text.replace("@PATH@", shlex.quote(path)).replace("@SHA256@", program.sha256)


def standard_input(document, program, push):
    """What the script reads."""
    line = base64.b64encode(document) + b"\n"
    return line + program.content if push else line


def parts(stdout, stderr):
    """The parts of an answer by name. `stop` says why there are no others."""
    found = {}
    errors = _errors(stderr)
    for line in stdout.splitlines():
        mark, name, text = (line.split(":", 2) + ["", ""])[:3]
        if mark != "oomguard" or not name:
            continue
        if name == "stop":
            found[name] = Part(0, text, "")
            continue
        try:
            out = base64.b64decode(text, validate=True).decode("utf-8", "replace")
        except ValueError as error:
            raise BadAnswer(f"the host's answer {name} is damaged: {error}") from error
        out, colon, code = out.rpartition(":")
        if not colon or not code.isdigit():
            raise BadAnswer(f"the host's answer {name} has no exit code")
        found[name] = Part(int(code), out, errors.get(name, ""))
    if not found:
        said = (stderr.strip() or stdout.strip() or "nothing")[-2000:]
        raise BadAnswer(f"the host did not run the script; it said: {said}")
    return found


def _errors(stderr):
    """Standard error by the part of the answer that it belongs to."""
    found = {}
    name = None
    for line in stderr.splitlines():
        if line.startswith("oomguard:") and line[9:].isalpha():
            name = line[9:]
            found[name] = []
        elif name:
            found[name].append(line)
    return {name: "\n".join(lines).strip() for name, lines in found.items()}
