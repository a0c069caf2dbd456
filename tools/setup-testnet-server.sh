#!/bin/sh
# Sets up the memory of a testnet server: swap, protection of the validators, and the agent that keeps it.
# docs/TESTNET-SETUP.md explains it.
#
# It may be cut at any line. What it does itself is to put one file in place; everything else is one `oomguard apply`, which
# keeps a journal, leaves the server bootable at each of its steps, and goes on from there when this script runs again.
#
# shellcheck disable=SC2016 # Backticks in messages are commands to be typed, and the server's shell expands what is sent to it.
set -eu

usage() {
    cat <<'EOF'
Usage: setup-testnet-server.sh [OPTIONS] HOST      from a laptop, over ssh
       setup-testnet-server.sh [OPTIONS] --local   on the server itself

Sets up a fresh Debian server against a shortage of memory. Safe to repeat.

Options:
  --role ROLE        The role of the server: validator, ci or workstation [default: validator]
  --spec FILE        A cspec document with the policy, instead of the built-in one of the role
  --binary PATH      The static oomguard for x86_64 [default: beside this script, on the PATH, or built by this checkout]
  --dry-run          Change nothing, and say what each step would do
  --ssh-config FILE  Another configuration than ssh's own
  --help             This text

Exit codes:
  0   the server is as the policy says
  1   an error: what was asked could not be done
  2   something differs from the policy; with --dry-run, something would be changed
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
            -*) wrong_usage "there is no option $1 (a host name that begins with - is refused)" ;;
            *)
                [ -z "$host" ] || wrong_usage "one host at a time: $host, or $1"
                host=$1
                [ -n "$host" ] || wrong_usage 'the host has no name'
                ;;
        esac
        shift
    done
    case $is_local$host in
        no) wrong_usage 'name a host, or say --local on the server itself' ;;
        yes?*) wrong_usage "--local is this server, and $host is another" ;;
    esac
    # ssh gives the name to a shell in some configurations (ProxyCommand, Match exec).
    case $host in
        *[!A-Za-z0-9._:@-]* | *@-* | *@) wrong_usage 'the host name has characters that no host name has' ;;
    esac
    case $role in
        -* | *[!A-Za-z0-9_.-]*) wrong_usage 'the role has characters that no role has' ;;
    esac
    [ -n "$role" ] || [ -n "$spec" ] || role=validator
    [ -z "$spec" ] || [ -r "$spec" ] || fail "cannot read $spec" 'give the path of a cspec document'
}

find_binary() {
    here=$(dirname "$0")
    if [ -z "$binary" ]; then
        for found in "$here/oomguard" "$(command -v oomguard || true)" \
            "$here/../target/x86_64-unknown-linux-musl/dist/oomguard"; do
            [ -z "$found" ] || [ ! -f "$found" ] || { binary=$found; break; }
        done
    fi
    [ -n "$binary" ] || fail 'there is no oomguard here' \
        'give --binary PATH, or build it: cargo build --profile dist --target x86_64-unknown-linux-musl'
    [ -r "$binary" ] || fail "cannot read $binary" 'give in --binary the path of the static oomguard'
}

# --- From a laptop: one connection brings this script, the program and the document, and runs the script there. ---

over_ssh() {
    find_binary
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 130' INT HUP TERM
    cp "$0" "$folder/setup-testnet-server.sh"
    cp "$binary" "$folder/oomguard"
    files='setup-testnet-server.sh oomguard'
    arguments='--binary "$d/oomguard"'
    [ -z "$role" ] || arguments="$arguments --role $role"
    if [ -n "$spec" ]; then
        cp "$spec" "$folder/policy.cspec"
        files="$files policy.cspec"
        arguments="$arguments --spec \"\$d/policy.cspec\""
    fi
    [ "$dry_run" = no ] || arguments="$arguments --dry-run"
    # The folder is the user's own, and goes away again. /tmp may be mounted without the right to run programs. What is unpacked
    # is the user's, too (-o): root's tar would give it to whoever has this user's number there.
    remote='umask 077
        d=$(mktemp -d "$HOME/.oomguard-setup.XXXXXX" 2>/dev/null || mktemp -d) || exit 1
        trap "rm -rf \"\$d\"" EXIT
        tar -xzof - -C "$d" || { echo "error: cannot unpack on the server; its disk may be full" >&2; exit 1; }
        sh "$d/setup-testnet-server.sh" --local '"$arguments"
    printf 'Setting up %s\n' "$host"
    code=0
    # shellcheck disable=SC2086 # Several names.
    COPYFILE_DISABLE=1 tar -czf - -C "$folder" $files |
        ssh ${ssh_config:+-F "$ssh_config"} -T -- "$host" "exec sh -c '$remote'" || code=$?
    [ "$code" != 255 ] || fail "the connection to $host failed or was lost" \
        "see what \`ssh $host true\` says, and run this again: it goes on where it was"
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

# The policy comes on standard input, if it is a document.
run_oomguard() {
    if [ -n "$spec" ]; then
        as_root "$program" "$@" --spec - ${role:+--role "$role"} <"$spec"
    else
        as_root "$program" "$@" --role "$role" </dev/null
    fi
}

check_rights() {
    if [ "$(id -u)" = 0 ]; then
        say "this is root"
    elif sudo -n true 2>/dev/null; then
        sudo=yes
        say "$(id -un) may use sudo without a password"
    elif [ "$dry_run" = yes ]; then
        say "$(id -un) is not root, and sudo asks for a password: a real run would end here"
        say 'what this user cannot read is left out below'
    else
        fail "$(id -un) is not root, and sudo asks for a password" \
            'log in as root, or let this user run sudo without a password'
    fi
}

check_system() {
    machine=$(uname -sm)
    [ "$machine" = 'Linux x86_64' ] || fail "this server is $machine" 'oomguard is built for Linux x86_64 only'
    # shellcheck source=/dev/null
    system=$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-0}") || system='unknown 0'
    number=${system#* }
    case $system in
        debian\ *) [ "${number%%.*}" -ge 11 ] 2>/dev/null || fail "this is Debian $number" 'it must be 11 or later' ;;
        *) fail "this is no Debian (/etc/os-release says $system)" 'elsewhere, run `oomguard apply` by hand' ;;
    esac
    [ -d /run/systemd/system ] || fail 'systemd does not run here' 'the protection of services and the agent need it'
    say "Debian $number, $machine, systemd"
}

check_room() {
    memory=$(awk '$1 == "MemTotal:" { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)
    free=$(df -Pk / | awk 'NR == 2 { print $4 }')
    say "$memory of memory; $(awk "BEGIN { printf \"%.1f GiB\", $free / 1048576 }") free on /"
    [ "$free" -ge 65536 ] || fail 'the disk is full' 'make room on /: the program alone needs 64 MiB'
    say 'Step 5 says whether the swap file fits'
}

install_program() {
    installed=/usr/local/bin/oomguard
    program=$binary
    if cmp -s "$binary" "$installed" 2>/dev/null; then
        program=$installed
        say "$installed is this version already"
    elif [ "$dry_run" = yes ]; then
        say "would put $("$binary" --version) at $installed"
    else
        # Whole under another name, then renamed: nothing ever runs half of it.
        new=/usr/local/bin/.oomguard.new
        as_root cp "$binary" "$new"
        as_root chmod 0755 "$new"
        as_root sync "$new"
        as_root mv -f "$new" "$installed"
        program=$installed
        say "put $("$program" --version) at $installed"
    fi
    say 'its unit comes with the agent, in Step 8'
}

# Reads the plan; its changes are one line each in $changes.
make_plan() {
    code=0
    plan=$(run_oomguard --color never plan) || code=$?
    case $code in
        0 | 2) ;;
        *) fail 'there is no plan, and nothing of the policy was applied' 'see the message above' ;;
    esac
    changes=$(printf '%s\n' "$plan" | sed -n 's/^ \{0,2\}[0-9]\{1,\}\. //p')
    refused=$(printf '%s\n' "$plan" | sed -n '/^Refused:/,/^  ->/p')
    if [ -n "$refused" ]; then
        printf '%s\n' "$refused" >&2
        fail 'nothing of the policy was applied' 'settle what is refused above, and run this again'
    fi
    printf '%s\n' "$plan" | sed -n 's/^Note: /  /p'
    if [ -z "$changes" ]; then
        say 'nothing to change: the server is as the policy says'
    else
        say "$(printf '%s\n' "$changes" | wc -l | tr -d ' ') changes; one \`oomguard apply\` makes those of the steps 6 to 8, in its own order"
    fi
}

# The step of this script to which a change belongs, or what `apply` does for it.
step_of() {
    case $1 in
        *oomguard-agent* | */usr/local/lib/oomguard/* | */etc/oomguard/* | 'start the agent' | 'stop the agent') echo 8 ;;
        *swap* | */etc/fstab* | */etc/sysctl.d/*) echo 6 ;;
        'create a temporary file for '* | 'allocate '* | 'rename the temporary swap file to '* | 'switch o'*) echo 6 ;;
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

# `apply` says what it does, a line a step; each line gets the number of the step above that it belongs to.
apply() {
    say "\`oomguard apply\` now:"
    {
        code=0
        run_oomguard --color never apply --yes || code=$?
        echo "exit $code"
    } | {
        code=1
        while IFS= read -r line; do
            case $line in
                \[*/*\]\ *) printf '  Step %s %s\n' "$(step_of "${line#*\] }")" "$line" ;;
                'The apply '* | 'Done. '* | 'Nothing to change.') say "$line" ;;
                exit\ *) code=${line#exit } ;;
            esac
        done
        exit "$code"
    }
}

on_this_server() {
    # Ordinary users often do not have swapon on theirs.
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
            *) fail 'the steps 6 to 8 are not finished; what was done is in the journal, and the server boots' \
                'run this again to go on, or `sudo oomguard rollback` on the server to undo it' ;;
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
