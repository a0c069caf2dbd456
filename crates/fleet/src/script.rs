//! The line of shell that a host runs first: it needs only POSIX sh, uname, id, sha256sum, cat, chmod, mkdir, mv and rm.
//!
//! The job is the first line of standard input. When the right program is there, it is run at once and reads the job
//! itself: one round trip. Otherwise the line says `need`, and the program follows on standard input up to its end: the
//! second round trip. `read` takes a line byte by byte, as POSIX demands, so that nothing of the program is lost.

use std::collections::BTreeMap;

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

/// The line for programs of these SHA-256, by architecture. `root`: an ordinary user must become root.
///
/// It stands in single quotes and on one line, so that any login shell takes it.
#[must_use]
pub fn line(programs: &BTreeMap<String, String>, root: bool) -> String {
    let arm = |(arch, sha256): (&String, &String)| {
        format!("{arch}) h={sha256} p={};; ", oomguard_converge::layout::program_name(sha256))
    };
    let arms: String = programs.iter().map(arm).collect();
    let need_root = if root { "1" } else { "0" };
    let script = [
        "m=$(uname -m); u=$(id -u); s=; IFS= read -r j".to_owned(),
        format!("case $m in {arms}*) echo {MARK} arch $m; exit 0;; esac"),
        format!(
            "if [ $u != 0 ]; then if sudo -n true 2>/dev/null; then s=\"sudo -n\"; elif [ {need_root} = 1 ]; \
             then echo {MARK} no-sudo $(id -un); exit 0; fi; fi"
        ),
        format!(
            "if [ $u = 0 ] || [ -n \"$s\" ]; then d={DIR}; w=755; else d=${{XDG_CACHE_HOME:-$HOME/.cache}}/oomguard; w=700; fi"
        ),
        "p=$d/$p; t=$d/.oomguard-$$.new".to_owned(),
        "if [ -x \"$p\" ]; then c=$(sha256sum <\"$p\"); else c=; fi".to_owned(),
        // The program is sent only when it is not there: `need` asks for it.
        format!(
            "if [ \"${{c%% *}}\" != $h ]; then echo {MARK} need $m; \
             if $s mkdir -p \"$d\" && $s chmod $w \"$d\" && $s sh -c \"umask 077; set -C; cat >\\\"\\$1\\\"\" sh \"$t\"; then :; \
             else $s rm -f \"$t\"; cat >/dev/null; echo {MARK} not-written; exit 0; fi; \
             c=$($s cat \"$t\" | sha256sum); \
             if [ \"${{c%% *}}\" != $h ]; then $s rm -f \"$t\"; echo {MARK} damaged; exit 0; fi; \
             $s chmod $w \"$t\" && $s mv -f \"$t\" \"$p\" || {{ echo {MARK} not-written; exit 0; }}; fi"
        ),
        "printf \"%s\\n\" \"$j\" | $s \"$p\" remote".to_owned(),
    ];
    format!("exec sh -c '{}'", script.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_word_of_shell() {
        let programs = BTreeMap::from([("x86_64".to_owned(), "0".repeat(64))]);
        let line = line(&programs, true);
        assert_eq!(line.matches('\'').count(), 2, "{line}");
        assert!(!line.contains(['\n', '!']) || !line.replace("!=", "").contains('!'), "{line}");
        assert!(line.contains("x86_64) h=000"));
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
