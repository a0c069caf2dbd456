# Apache-2.0 OR MIT
"""The shell script that runs on a host, and its answer."""

import base64
import shlex
from collections import namedtuple

# The first line of standard input is the document in base64; the command and the agent's program follow if they are sent.
# The document stays in a shell variable: never on a command line, in the environment or in a file.
# Each part of the answer is a line of base64, so that output of the login cannot be mistaken for it.
_SCRIPT = r"""
set -u
umask 077
LC_ALL=C NO_COLOR=1
export LC_ALL NO_COLOR
say() { printf 'oomguard:%s:' "$1"; base64 | tr -d '\n'; echo; }
stop() { printf 'oomguard:stop:%s\n' "$1"; exit 0; }
program=@PATH@ folder='' final='' final_agent=''
agent=$(dirname "$program")/oomguard-agent
trap '[ -z "$folder" ] || rm -rf "$folder"' EXIT
IFS= read -r document || stop 'the connection passed no standard input'
machine=$(uname -sm)
[ "$machine" = 'Linux x86_64' ] || stop "unsupported machine: $machine (oomguard is built for Linux x86_64)"
for tool in sha256sum base64 head tail; do
  command -v "$tool" >/dev/null || stop "$tool is not installed on this host"
done
is() { [ -f "$1" ] && sum=$(sha256sum <"$1") && [ "${sum%% *}" = "$2" ]; }
has() { is "$program" @SHA256@ && is "$agent" @AGENT_SHA256@; }
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
has || stop missing
"""

# Receives both programs in the folder that was made for them.
_RECEIVE = r"""
program=$folder/oomguard agent=$folder/oomguard-agent
cat >"$folder/both" || stop "cannot write in $folder; the disk may be full"
if ! head -c @LENGTH@ "$folder/both" >"$program" || ! tail -c "+$((@LENGTH@ + 1))" "$folder/both" >"$agent"; then
  stop "cannot write in $folder; the disk may be full"
fi
has || stop 'the program was not transferred completely'
rm -f "$folder/both"
"""

# Beside their final paths. The job renames them once the policy has proven valid, so a running program keeps its file.
INSTALL = (
    r"""
final=$program final_agent=$agent
folder=$(mktemp -d "$(dirname "$program")/.oomguard.XXXXXXXX") || stop "cannot write beside $program (does the folder exist, and is \`become: true\` set?)"
"""
    + _RECEIVE
    + r"""
chmod 0755 "$program" "$agent" && { sync "$program" "$agent" 2>/dev/null || sync; }
"""
)

# /tmp is often mounted noexec.
TEMPORARY = (
    r"""
for parent in "${TMPDIR:-/tmp}" /var/tmp /run "${HOME:-/}"; do
  folder=$(mktemp -d "$parent/oomguard.XXXXXXXX" 2>/dev/null) || continue
  printf '#!/bin/sh\n' >"$folder/try" && chmod 0700 "$folder/try" && "$folder/try" 2>/dev/null && break
  rm -rf "$folder"
  folder=''
done
[ -n "$folder" ] || stop 'cannot find a folder that allows running the program for the check'
"""
    + _RECEIVE
    + r"""
chmod 0700 "$program" "$agent"
"""
)

_PLAN = r"""
run plan plan @POLICY@ --format json
run check check @POLICY@ --format json
"""

# `apply` runs even with an empty plan, so that it can finish an interrupted apply.
_APPLY = r"""
run plan plan @POLICY@ --format json
[ "$code" = 2 ] || [ "$code" = 0 ] || exit 0
if [ -n "$final" ]; then
  if ! mv -f "$agent" "$final_agent" || ! mv -f "$program" "$final"; then
    stop "cannot install the programs as $final and $final_agent"
  fi
  program=$final
fi
run apply apply @POLICY@ --yes
run check check @POLICY@ --format json
"""

Part = namedtuple("Part", "code out err")


class BadAnswer(Exception):
    """The answer did not come from the script."""


def plan(policy):
    """The job that checks. `policy` has the arguments that select it, such as `--spec - --role ci`."""
    return _PLAN.replace("@POLICY@", shlex.join(policy))


def apply(policy):
    """The job that applies and checks."""
    return _APPLY.replace("@POLICY@", shlex.join(policy))


def history():
    """The job that lists the applies."""
    return "run history history list --format json\n"


def rollback(first):
    """The job that rolls back an apply and all later ones."""
    return f"run rollback rollback --to {shlex.quote(first)} --yes\n"


def script(program, path, find, job):
    """The script for one connection."""
    text = _SCRIPT.replace("@FIND@", find).replace("@RUN@", job).replace("@LENGTH@", str(len(program.content)))
    text = text.replace("@SHA256@", program.sha256).replace("@AGENT_SHA256@", program.agent_sha256)
    return text.replace("@PATH@", shlex.quote(path))


def standard_input(document, program, push):
    """The script's standard input."""
    line = base64.b64encode(document) + b"\n"
    return line + program.content + program.agent if push else line


def parts(stdout, stderr):
    """The parts of an answer by name. `stop` is the reason why there are no others."""
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
        raise BadAnswer(f"the host did not run the script; its output: {said}")
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
