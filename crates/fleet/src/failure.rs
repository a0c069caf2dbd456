//! Ways in which a host fails, each with its cause and what to do next.

use std::fmt;

use oomguard_converge::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::script::Answer;

/// The kind of a failure; stable, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The name does not resolve, or nothing answers at the address.
    Unreachable,
    /// The host key differs from the one in known_hosts.
    HostKeyChanged,
    /// The host key is not in known_hosts.
    HostKeyUnknown,
    /// sshd accepts none of our keys.
    PermissionDenied,
    /// The user cannot become root without a password.
    NoSudo,
    /// The host refused the change; nothing was changed.
    Refused,
    /// The connection ended before the answer was complete.
    ConnectionLost,
    /// There is no program for its architecture.
    WrongArchitecture,
    /// There is no space for the program, or for the swap.
    DiskFull,
    /// It took too long to answer.
    Timeout,
    /// The change failed on the host.
    Failed,
    /// It was changed, and differs from its policy or does not answer afterwards.
    NotHealthy,
    /// The answer is not oomguard's.
    OddAnswer,
    /// ssh cannot be started on this machine.
    NoSsh,
}

/// Why a host failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The kind.
    pub kind: Kind,
    /// What, where and why.
    pub message: String,
    /// What to do next.
    pub advice: String,
    /// Why the change was refused, if it was.
    pub refusals: Vec<Refusal>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// How far a session had come when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether oomguard on the host had answered.
    pub answered: bool,
    /// The step that started last, and the number of steps.
    pub step: Option<(usize, usize)>,
    /// Whether the job changes the host.
    pub changes: bool,
}

impl Failure {
    /// A failure of a kind, with the advice for that kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), advice: advice(kind).to_owned(), refusals: Vec::new() }
    }

    /// A change that was refused.
    #[must_use]
    pub fn refused(refusals: Vec<Refusal>) -> Self {
        let full = refusals.iter().any(|refusal| matches!(refusal.id.as_str(), "disk-full" | "no-room"));
        let reasons: Vec<&str> = refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
        let message = format!("nothing was changed: {}", safe(&reasons.join("; ")));
        let advice = refusals.first().map(|refusal| safe(&refusal.advice)).unwrap_or_default();
        let kind = if full { Kind::DiskFull } else { Kind::Refused };
        Self { kind, message, advice, refusals }
    }

    /// From what the shell line answered instead of running the program.
    #[must_use]
    pub fn from_answer(answer: &Answer, said: &str) -> Self {
        match answer {
            Answer::Need { arch } | Answer::Arch { arch } => {
                Self::new(Kind::WrongArchitecture, format!("no oomguard program for {arch} beside this one"))
            }
            Answer::NoSudo { user } => {
                Self::new(Kind::NoSudo, format!("user {user} is not root, and `sudo -n true` failed"))
            }
            Answer::NotWritten if is_full(said) => {
                Self::new(Kind::DiskFull, format!("no space left for the oomguard program: {}", last(said)))
            }
            Answer::NotWritten => {
                Self::new(Kind::Failed, format!("cannot write the oomguard program: {}", last(said)))
            }
            Answer::Damaged if is_full(said) => {
                Self::new(Kind::DiskFull, format!("no space left for the oomguard program: {}", last(said)))
            }
            Answer::Damaged => {
                Self::new(Kind::ConnectionLost, "the oomguard program arrived incomplete and was removed")
            }
        }
    }

    /// From what ssh said and how it ended, when no whole answer came.
    ///
    /// ssh ends with 255 for its own errors (ssh(1), EXIT STATUS); its words are those of OpenSSH, untranslated.
    #[must_use]
    pub fn from_ssh(said: &str, code: Option<i32>, progress: Progress) -> Self {
        if progress.answered {
            return Self::lost(said, progress);
        }
        let has = |words: &str| said.contains(words);
        let line = |words: &str| {
            said.lines().rev().find(|line| line.contains(words)).map_or_else(|| last(said), safe)
        };
        if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            return Self::new(
                Kind::HostKeyChanged,
                "host key differs from known_hosts: the host was reinstalled, or the connection is intercepted",
            );
        }
        if has("Host key verification failed") {
            return Self::new(Kind::HostKeyUnknown, "host key is not in known_hosts");
        }
        if has("Permission denied (") {
            return Self::new(
                Kind::PermissionDenied,
                format!("sshd refused the login: {}", line("Permission denied (")),
            );
        }
        if has("Too many authentication failures") {
            return Self::new(Kind::PermissionDenied, line("Too many authentication failures"));
        }
        for words in [
            "Could not resolve hostname",
            "Connection refused",
            "No route to host",
            "Network is unreachable",
            "Connection timed out",
            "Operation timed out",
            "Connection closed by",
            "Connection reset by",
            "kex_exchange_identification",
            "banner exchange",
        ] {
            if has(words) {
                return Self::new(Kind::Unreachable, format!("cannot connect: {}", line(words)));
            }
        }
        match code {
            Some(255) => Self::new(Kind::Unreachable, format!("cannot connect: {}", last(said))),
            _ if is_full(said) => Self::new(Kind::DiskFull, last(said)),
            code => {
                let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
                Self::new(Kind::OddAnswer, format!("exited with {code} before it answered: {}", last(said)))
            }
        }
    }

    fn lost(said: &str, progress: Progress) -> Self {
        let why = last(said);
        let mut message = match progress.step {
            Some((number, total)) => {
                format!("connection lost during step {number} of {total}: {why}")
            }
            None => format!("connection lost before the answer was complete: {why}"),
        };
        if progress.changes {
            message.push_str("; the host continues on its own, or its history has the interrupted apply");
        }
        Self::new(Kind::ConnectionLost, message)
    }
}

fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Unreachable => {
            "check that the host is up and `ssh` reaches it, then run `oomguard fleet resume`"
        }
        Kind::HostKeyChanged => {
            "if the host was reinstalled, verify its new key out of band, run `ssh-keygen -R HOST` and connect once with `ssh`"
        }
        Kind::HostKeyUnknown => "connect once with `ssh` and verify the key, or add it to known_hosts",
        Kind::PermissionDenied => "check the user and the key: `ssh` must log in without a prompt",
        Kind::NoSudo => "connect as root, or give that user `NOPASSWD: ALL` in sudoers",
        Kind::Refused => "remove the reasons, then run `oomguard fleet resume`",
        Kind::ConnectionLost => "run `oomguard fleet resume`: it continues from the host's own history",
        Kind::WrongArchitecture => "put a program for it beside this one, named `oomguard-ARCHITECTURE`",
        Kind::DiskFull => "free disk space on the host, then run `oomguard fleet resume`",
        Kind::Timeout => "check what the host is doing, then run `oomguard fleet resume`",
        Kind::Failed => {
            "fix the cause and run `oomguard fleet resume`, or undo with `oomguard rollback --host`"
        }
        Kind::NotHealthy => "check the host; `oomguard rollback --host` undoes the change",
        Kind::OddAnswer => "check `ssh HOST true`: the login shell must print nothing",
        Kind::NoSsh => "install the OpenSSH client",
    }
}

fn is_full(said: &str) -> bool {
    ["No space left on device", "Disk quota exceeded"].iter().any(|words| said.contains(words))
}

/// The last line that ssh printed.
fn last(said: &str) -> String {
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| "ssh printed nothing".to_owned(), safe)
}

/// Text of a host: cut, on one line, with nothing in it that steers a terminal.
#[must_use]
pub fn safe(text: &str) -> String {
    safe_line(text.trim())
}

/// The same, with the blanks at its beginning: a line of a table.
#[must_use]
pub fn safe_line(text: &str) -> String {
    oomguard_text::shown(text.trim_end(), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(said: &str, code: i32) -> Kind {
        Failure::from_ssh(said, Some(code), Progress::default()).kind
    }

    #[test]
    fn what_openssh_says() {
        let cases = [
            ("ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n", Kind::Unreachable),
            ("ssh: Could not resolve hostname nope: Name or service not known", Kind::Unreachable),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Kind::HostKeyChanged,
            ),
            (
                "No ED25519 host key is known for x and you have requested strict checking.\nHost key verification failed.",
                Kind::HostKeyUnknown,
            ),
            ("dev@ci: Permission denied (publickey).", Kind::PermissionDenied),
            ("Connection timed out during banner exchange", Kind::Unreachable),
            ("something new", Kind::Unreachable),
        ];
        for (said, expected) in cases {
            assert_eq!(kind(said, 255), expected, "{said}");
        }
        assert_eq!(kind("sh: cannot create x: No space left on device", 1), Kind::DiskFull);
        assert_eq!(kind("This account is not available.", 1), Kind::OddAnswer);
    }

    #[test]
    fn a_connection_that_is_lost_says_where_it_was() {
        let progress = Progress { answered: true, step: Some((3, 19)), changes: true };
        let failure = Failure::from_ssh("client_loop: send disconnect: Broken pipe", Some(255), progress);
        assert_eq!(failure.kind, Kind::ConnectionLost);
        assert!(failure.message.contains("step 3 of 19") && failure.message.contains("history"), "{failure}");
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_reaches_the_terminal_raw(said in "(\\PC|[\\x00-\\x1f]){0,400}", code in any::<Option<i32>>(), answered: bool) {
            let progress = Progress { answered, ..Progress::default() };
            let failure = Failure::from_ssh(&said, code, progress);
            prop_assert!(!failure.message.contains(oomguard_text::is_unsafe));
            prop_assert!(failure.message.chars().count() < 500);
        }
    }
}
