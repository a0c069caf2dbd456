#!/bin/sh
# Sets up the memory of a testnet server: swap, protection of the validators, and the agent.
# docs/TESTNET-SETUP.md explains it.
#
# It is crash-safe. It installs two files, each atomically. Everything else is one `oomguard apply`, which keeps the server
# bootable at each of its steps and continues when this script runs again.
#
# shellcheck disable=SC2016 # Backticks in messages are commands to type; the server's shell expands the remote script.
set -eu

usage() {
    cat <<'EOF'
Usage: setup-testnet-server.sh [OPTIONS] HOST      from a laptop, over ssh
       setup-testnet-server.sh [OPTIONS] --local   on the server itself

Sets up a fresh Debian server so that it survives a shortage of memory. Safe to repeat.

Options:
  --role ROLE        The role of the server: validator, ci or workstation [default: validator]
  --spec FILE        Read the policy from a cspec document instead of the built-in role
  --binary PATH      The static oomguard for x86_64, with oomguard-agent beside it
                     [default: beside this script, on the PATH, or built in this checkout]
  --dry-run          Show what each step would do without changing anything
  --ssh-config FILE  Use this ssh configuration file
  --help             Print this text

Exit codes:
  0   the server matches the policy
  1   an error
  2   something differs from the policy; with --dry-run, something would change
  64  wrong usage
EOF
}

fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '  -> %s\n' "$2" >&2
    exit 1
}

wrong_usage() {
    printf 'error: %s\n' "$1" >&2
    printf '  -> setup-testnet-server.sh --help\n' >&2
    exit 64
}

host='' role='' spec='' binary='' ssh_config='' is_local=no dry_run=no

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) usage; exit 0 ;;
            --local) is_local=yes ;;
            --dry-run) dry_run=yes ;;
            --role | --spec | --binary | --ssh-config)
                if [ $# -lt 2 ] || [ -z "$2" ]; then wrong_usage "$1 needs a value"; fi
                case $1 in
                    --role) role=$2 ;;
                    --spec) spec=$2 ;;
                    --binary) binary=$2 ;;
                    --ssh-config) ssh_config=$2 ;;
                esac
                shift
                ;;
            -*) wrong_usage "unknown option $1 (host names cannot begin with -)" ;;
            *)
                [ -z "$host" ] || wrong_usage "only one host can be set up at a time: $host or $1"
                host=$1
                [ -n "$host" ] || wrong_usage 'the host name is empty'
                ;;
        esac
        shift
    done
    case $is_local$host in
        no) wrong_usage 'name a host, or use --local on the server itself' ;;
        yes?*) wrong_usage "--local sets up this server; do not name a host ($host) with it" ;;
    esac
    # Some ssh configurations pass the name to a shell (ProxyCommand, Match exec).
    case $host in
        *[!A-Za-z0-9._:@-]* | *@-* | *@) wrong_usage 'the host name contains invalid characters; use letters, digits and ._:@-' ;;
    esac
    case $role in
        -* | *[!A-Za-z0-9_.-]*) wrong_usage 'the role contains invalid characters; use letters, digits and _.-' ;;
    esac
    [ -n "$role" ] || [ -n "$spec" ] || role=validator
    [ -z "$spec" ] || [ -r "$spec" ] || fail "cannot read $spec" 'pass the path of a cspec document'
}

find_binary() {
    here=$(dirname "$0")
    if [ -z "$binary" ]; then
        for found in "$here/oomguard" "$(command -v oomguard || true)" \
            "$here/../target/x86_64-unknown-linux-musl/dist/oomguard"; do
            [ -z "$found" ] || [ ! -f "$found" ] || { binary=$found; break; }
        done
    fi
    [ -n "$binary" ] || fail 'cannot find oomguard' \
        'pass --binary PATH, or build it: cargo build --profile dist --target x86_64-unknown-linux-musl'
    [ -r "$binary" ] || fail "cannot read $binary" 'pass the path of the static oomguard with --binary'
    # A package has the agent's program in its library folder.
    agent=$(dirname "$binary")/oomguard-agent
    [ -f "$agent" ] || agent=$(dirname "$binary")/../lib/oomguard/oomguard-agent
    [ -r "$agent" ] || fail "cannot find oomguard-agent beside $binary" \
        'put the one of the same version there, or build both: cargo build --profile dist --target x86_64-unknown-linux-musl'
}

# --- From a laptop: one connection copies this script, the program and the document, and runs the script there. ---

over_ssh() {
    find_binary
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 130' INT HUP TERM
    cp "$0" "$folder/setup-testnet-server.sh"
    cp "$binary" "$folder/oomguard"
    cp "$agent" "$folder/oomguard-agent"
    files='setup-testnet-server.sh oomguard oomguard-agent'
    arguments='--binary "$d/oomguard"'
    [ -z "$role" ] || arguments="$arguments --role $role"
    if [ -n "$spec" ]; then
        cp "$spec" "$folder/policy.cspec"
        files="$files policy.cspec"
        arguments="$arguments --spec \"\$d/policy.cspec\""
    fi
    [ "$dry_run" = no ] || arguments="$arguments --dry-run"
    # The folder belongs to the user and is removed afterwards. /tmp may be mounted noexec. With -o the files belong to the
    # remote user; otherwise root's tar would give them to the owner of the local user id.
    remote='umask 077
        d=$(mktemp -d "$HOME/.oomguard-setup.XXXXXX" 2>/dev/null || mktemp -d) || exit 1
        trap "rm -rf \"\$d\"" EXIT
        tar -xzof - -C "$d" || { echo "error: cannot unpack files on the server; its disk may be full" >&2; exit 1; }
        sh "$d/setup-testnet-server.sh" --local '"$arguments"
    printf 'Setting up %s\n' "$host"
    code=0
    # shellcheck disable=SC2086 # Several names.
    COPYFILE_DISABLE=1 tar -czf - -C "$folder" $files |
        ssh ${ssh_config:+-F "$ssh_config"} -T -- "$host" "exec sh -c '$remote'" || code=$?
    [ "$code" != 255 ] || fail "the connection to $host failed or was lost" \
        "try \`ssh $host true\`, then run this again to continue"
    exit "$code"
}

# --- On the server. ---

step() {
    printf '\nStep %s - %s\n' "$1" "$2"
}

say() {
    printf '  %s\n' "$1"
}

sudo=''
as_root() {
    ${sudo:+sudo -n} "$@"
}

# A document is passed on standard input.
run_oomguard() {
    if [ -n "$spec" ]; then
        as_root "$program" "$@" --spec - ${role:+--role "$role"} <"$spec"
    else
        as_root "$program" "$@" --role "$role" </dev/null
    fi
}

check_rights() {
    if [ "$(id -u)" = 0 ]; then
        say "running as root"
    elif sudo -n true 2>/dev/null; then
        sudo=yes
        say "$(id -un) may use sudo without a password"
    elif [ "$dry_run" = yes ]; then
        say "$(id -un) is not root and sudo asks for a password; a real run would stop here"
        say 'the steps below leave out what this user cannot read'
    else
        fail "$(id -un) is not root and sudo asks for a password" \
            'log in as root, or allow this user to run sudo without a password'
    fi
}

check_system() {
    machine=$(uname -sm)
    [ "$machine" = 'Linux x86_64' ] || fail "unsupported machine: $machine" 'oomguard is built for Linux x86_64'
    # shellcheck source=/dev/null
    system=$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-0}") || system='unknown 0'
    number=${system#* }
    case $system in
        debian\ *) [ "${number%%.*}" -ge 11 ] 2>/dev/null || fail "unsupported distribution: Debian $number" 'Debian 11 or later is required' ;;
        *) fail "unsupported distribution: $system" 'Debian 11 or later is required; on other systems, run `oomguard apply` by hand' ;;
    esac
    [ -d /run/systemd/system ] || fail 'systemd is not running' 'protection of services and the agent need it'
    say "Debian $number, $machine, systemd"
}

check_room() {
    memory=$(awk '$1 == "MemTotal:" { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)
    free=$(df -Pk / | awk 'NR == 2 { print $4 }')
    say "$memory of memory; $(awk "BEGIN { printf \"%.1f GiB\", $free / 1048576 }") free on /"
    [ "$free" -ge 65536 ] || fail 'the disk is full' 'free some space on /: the program alone needs 64 MiB'
    say 'Step 5 checks whether the swap file fits'
}

# Atomic: written under another name, then renamed.
install_file() {
    new=$(dirname "$2")/.$(basename "$2").new
    as_root cp "$1" "$new"
    as_root chmod 0755 "$new"
    as_root sync "$new"
    as_root mv -f "$new" "$2"
}

install_program() {
    installed=/usr/local/bin/oomguard
    program=$binary
    if cmp -s "$binary" "$installed" 2>/dev/null && cmp -s "$agent" "$installed-agent" 2>/dev/null; then
        program=$installed
        say "$installed is up to date"
    elif [ "$dry_run" = yes ]; then
        say "would install $("$binary" --version) as $installed"
    else
        # The agent's first: a command that is there has its agent.
        install_file "$agent" "$installed-agent"
        install_file "$binary" "$installed"
        program=$installed
        say "installed $("$program" --version) as $installed"
    fi
    say 'Step 8 installs the unit of the agent'
}

# Reads the plan. $changes gets one line for each change.
make_plan() {
    code=0
    plan=$(run_oomguard --color never plan) || code=$?
    case $code in
        0 | 2) ;;
        *) fail 'cannot make a plan; nothing was applied' 'see the message above' ;;
    esac
    changes=$(printf '%s\n' "$plan" | sed -n 's/^ \{0,2\}[0-9]\{1,\}\. //p')
    refused=$(printf '%s\n' "$plan" | sed -n '/^Refused:/,/^  ->/p')
    if [ -n "$refused" ]; then
        printf '%s\n' "$refused" >&2
        fail 'the plan was refused; nothing was applied' 'fix the reasons above, then run this again'
    fi
    printf '%s\n' "$plan" | sed -n 's/^Note: /  /p'
    if [ -z "$changes" ]; then
        say 'nothing to change: the server matches the policy'
    else
        say "$(printf '%s\n' "$changes" | wc -l | tr -d ' ') changes in steps 6 to 8, made by one \`oomguard apply\` in its own order"
    fi
}

# The step of this script to which a change, or a step of `apply`, belongs.
step_of() {
    case $1 in
        *oomguard-agent* | */usr/local/lib/oomguard/* | */etc/oomguard/* | 'start the agent' | 'stop the agent') echo 8 ;;
        *swap* | */etc/fstab* | */etc/sysctl.d/*) echo 6 ;;
        'create a temporary file for '* | 'allocate '* | 'switch o'*) echo 6 ;;
        *) echo 7 ;;
    esac
}

show_part() {
    part=$(printf '%s\n' "$changes" | while IFS= read -r change; do
        [ -z "$change" ] || [ "$(step_of "$change")" != "$1" ] || printf '  %s\n' "$change"
    done)
    [ -n "$part" ] || part='  nothing to do'
    printf '%s\n' "$part"
}

# Prefixes each line of the progress of `apply` with the step of this script that it belongs to.
apply() {
    say "running \`oomguard apply\`:"
    {
        code=0
        run_oomguard --color never apply --yes || code=$?
        echo "exit $code"
    } | {
        code=1
        while IFS= read -r line; do
            case $line in
                \[*/*\]\ *) printf '  Step %s %s\n' "$(step_of "${line#*\] }")" "$line" ;;
                'Apply '* | 'Done. '* | 'Nothing to change.') say "$line" ;;
                exit\ *) code=${line#exit } ;;
            esac
        done
        exit "$code"
    }
}

on_this_server() {
    # The PATH of ordinary users often lacks swapon.
    PATH=$PATH:/usr/sbin:/sbin
    find_binary
    [ "$dry_run" = no ] || printf 'Dry run: nothing is changed.\n'
    step 1 'Check the rights'
    check_rights
    step 2 'Check the system'
    check_system
    step 3 'Check memory and disk'
    check_room
    step 4 'Install oomguard'
    install_program
    step 5 'Make the plan'
    make_plan
    step 6 'Configure swap memory'
    show_part 6
    step 7 'Protect what sessions and services live in'
    show_part 7
    step 8 'Start the agent'
    show_part 8
    if [ "$dry_run" = no ]; then
        echo
        code=0
        apply || code=$?
        case $code in
            0 | 2) ;;
            *) fail 'steps 6 to 8 are not finished; what was done is recorded, and the server still boots' \
                'run this again to continue, or `sudo oomguard rollback` on the server to undo it' ;;
        esac
    fi
    step 9 'Verify'
    code=0
    [ "$dry_run" = no ] || say 'would check the host; `oomguard check` says now:'
    run_oomguard check || code=$?
    step 10 'Show the swap status'
    as_root swapon --show
    free -h
    exit "$code"
}

read_arguments "$@"
if [ "$is_local" = yes ]; then
    on_this_server
else
    over_ssh
fi
