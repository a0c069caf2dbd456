//! The line of shell that a host runs first: it needs only POSIX sh, uname, id, sha256sum, cat, chmod, head -c, mkdir, mv,
//! rm and tail.
//!
//! The job is the first line of standard input. When both programs are there, the command is run at once and reads the job
//! itself: one round trip. Otherwise the line says `need`, and the command and the agent's program follow on standard input
//! up to its end: the second round trip. `read` takes a line byte by byte, as POSIX demands, so that nothing is lost.
//! Both have their names, and the right bytes, before the command is run.

use std::collections::BTreeMap;

use oomguard_converge::layout::{agent_name, command_name};

use crate::program::Program;

/// The folder of programs of root: the agent's program is there too, named in the same way.
pub const DIR: &str = oomguard_converge::layout::AGENT_PROGRAM_DIR;

/// What the line says before the program takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The program is to be sent, for this architecture.
    Need {
        /// As `uname -m` says.
        arch: String,
    },
    /// There is no program for this architecture.
    Arch {
        /// As `uname -m` says.
        arch: String,
    },
    /// An ordinary user who may not become root without a password.
    NoSudo {
        /// The user.
        user: String,
    },
    /// The folder for the program cannot be made, or the program cannot be written.
    NotWritten,
    /// What was written is not what was sent.
    Damaged,
}

const MARK: &str = "oomguard-answer";

impl Answer {
    /// Reads a line. `None` when it is none of these: a program's own, or something of the login shell's.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        if words.next() != Some(MARK) {
            return None;
        }
        let kind = words.next()?;
        let detail = || words.clone().next().map(plain).unwrap_or_default();
        match kind {
            "need" => Some(Self::Need { arch: detail() }),
            "arch" => Some(Self::Arch { arch: detail() }),
            "no-sudo" => Some(Self::NoSudo { user: detail() }),
            "not-written" => Some(Self::NotWritten),
            "damaged" => Some(Self::Damaged),
            _ => None,
        }
    }
}

fn plain(word: &str) -> String {
    word.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// The line for programs by architecture. `root`: an ordinary user must become root.
///
/// It stands in single quotes and on one line, so that any login shell takes it.
#[must_use]
pub fn line(programs: &BTreeMap<String, Program>, root: bool) -> String {
    let arm = |(arch, program): (&String, &Program)| {
        let Program { sha256, length, agent, .. } = program;
        let agent_hash = agent.as_deref().unwrap_or_default();
        let (command, agent) = (command_name(sha256), agent_name(agent_hash));
        format!("{arch}) h={sha256} p={command} n={length} g={agent_hash} a={agent};; ")
    };
    let arms: String = programs.iter().map(arm).collect();
    let need_root = if root { "1" } else { "0" };
    let script = [
        "m=$(uname -m); u=$(id -u); s=; IFS= read -r j".to_owned(),
        format!("case $m in {arms}*) echo {MARK} arch $m; exit 0;; esac"),
        format!(
            r#"if [ $u != 0 ]; then if sudo -n true 2>/dev/null; then s="sudo -n"; elif [ {need_root} = 1 ]; then echo {MARK} no-sudo $(id -un); exit 0; fi; fi"#
        ),
        format!(
            r#"if [ $u = 0 ] || [ -n "$s" ]; then d={DIR}; w=755; else d=${{XDG_CACHE_HOME:-$HOME/.cache}}/oomguard; w=700; fi"#
        ),
        "p=$d/$p; a=$d/$a; t=$d/.oomguard-$$.new".to_owned(),
        r#"has() { c=$(sha256sum <"$1"); [ "${c%% *}" = "$2" ]; }"#.to_owned(),
        r#"came() { c=$($s cat "$1" | sha256sum); [ "${c%% *}" = "$2" ]; }"#.to_owned(),
        format!(r#"stop() {{ $s rm -f "$t" "$t.c" "$t.a"; echo {MARK} $1; exit 0; }}"#),
        r#"set --; if [ -n "$g" ]; then set -- --agent "$a"; fi"#.to_owned(),
        r#"k=0; if [ -x "$p" ] && has "$p" $h; then k=1; fi"#.to_owned(),
        r#"if [ -n "$g" ]; then if [ -x "$a" ] && has "$a" $g; then :; else k=0; fi; fi"#.to_owned(),
        // The programs are sent only when one of them is not there: `need` asks for both.
        format!(
            r#"if [ $k = 0 ]; then echo {MARK} need $m; if $s mkdir -p "$d" && $s chmod $w "$d" && $s sh -c "umask 077; set -C; cat >\"\$1\"" sh "$t"; then :; else cat >/dev/null; stop not-written; fi"#
        ),
        r#"$s sh -c "umask 077; head -c $n \"\$1\" >\"\$1.c\" && tail -c +$((n + 1)) \"\$1\" >\"\$1.a\"" sh "$t" || stop not-written"#.to_owned(),
        r#"came "$t.c" $h || stop damaged; if [ -n "$g" ]; then came "$t.a" $g || stop damaged"#.to_owned(),
        r#"$s chmod $w "$t.a" && $s mv -f "$t.a" "$a" || stop not-written; fi"#.to_owned(),
        r#"$s chmod $w "$t.c" && $s mv -f "$t.c" "$p" || stop not-written; $s rm -f "$t" "$t.a"; fi"#.to_owned(),
        r#"printf "%s\n" "$j" | $s "$p" remote "$@""#.to_owned(),
    ];
    format!("exec sh -c '{}'", script.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_word_of_shell() {
        let mut programs = crate::program::Programs::default();
        programs.add("x86_64", b"command".to_vec(), Some(b"agent".to_vec()));
        programs.add("aarch64", b"command".to_vec(), None);
        let line = programs.line(true);
        assert_eq!(line.matches('\'').count(), 2, "{line}");
        assert!(!line.contains(['\n', '!']) || !line.replace("!=", "").contains('!'), "{line}");
        assert!(
            line.contains("x86_64) h=") && line.contains(" n=7 g=") && line.contains(" n=7 g= a="),
            "{line}"
        );
    }

    #[test]
    fn answers() {
        assert_eq!(
            Answer::parse("oomguard-answer need x86_64"),
            Some(Answer::Need { arch: "x86_64".to_owned() })
        );
        assert_eq!(
            Answer::parse("oomguard-answer no-sudo dev"),
            Some(Answer::NoSudo { user: "dev".to_owned() })
        );
        for other in ["", "{}", "oomguard-answer", "oomguard-answer x", "Welcome", "need x86_64"] {
            assert_eq!(Answer::parse(other), None, "{other}");
        }
    }
}
