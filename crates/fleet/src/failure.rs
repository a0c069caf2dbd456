//! What went wrong with a host, told apart: where, why, and what to do next.

use std::fmt;

use oomguard_converge::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::script::Answer;

/// What kind of failure it is; stable, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nobody answers at that address, or there is no such name.
    Unreachable,
    /// The host has another key than the one in known_hosts.
    HostKeyChanged,
    /// The host's key is not in known_hosts.
    HostKeyUnknown,
    /// sshd takes none of our keys.
    PermissionDenied,
    /// An ordinary user who may not become root without a password.
    NoSudo,
    /// Something on the host speaks against the change; nothing was changed.
    Refused,
    /// The connection ended before the answer did.
    ConnectionLost,
    /// There is no program for its architecture.
    WrongArchitecture,
    /// There is no room for the program, or for the swap.
    DiskFull,
    /// It took too long to answer.
    Timeout,
    /// The change failed on the host.
    Failed,
    /// It was changed, and is not as it should be afterwards, or does not answer any more.
    NotHealthy,
    /// It answers, but not as oomguard does.
    OddAnswer,
    /// ssh itself cannot be run here.
    NoSsh,
}

/// What went wrong with a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What kind it is.
    pub kind: Kind,
    /// What, where and why.
    pub message: String,
    /// What to do next.
    pub advice: String,
    /// What speaks against the change, where it was refused.
    pub refusals: Vec<Refusal>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// How far a conversation had come when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether oomguard had answered on the host.
    pub answered: bool,
    /// The step that was begun last, of how many.
    pub step: Option<(usize, usize)>,
    /// Whether the job changes the host.
    pub changes: bool,
}

impl Failure {
    /// A failure of a kind, with what is done about it everywhere.
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
            Answer::Need { arch } | Answer::Arch { arch } => Self::new(
                Kind::WrongArchitecture,
                format!("its processor is {arch}, and there is no oomguard for that beside this one"),
            ),
            Answer::NoSudo { user } => Self::new(
                Kind::NoSudo,
                format!(
                    "the user {user} is not root there, and `sudo -n true` asks for a password or is refused"
                ),
            ),
            Answer::NotWritten if is_full(said) => {
                Self::new(Kind::DiskFull, format!("there is no room for oomguard's program: {}", last(said)))
            }
            Answer::NotWritten => {
                Self::new(Kind::Failed, format!("oomguard's program cannot be written: {}", last(said)))
            }
            Answer::Damaged if is_full(said) => {
                Self::new(Kind::DiskFull, format!("there is no room for oomguard's program: {}", last(said)))
            }
            Answer::Damaged => Self::new(
                Kind::ConnectionLost,
                "oomguard's program did not arrive whole, and was removed again",
            ),
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
                "it has another host key than the one in known_hosts: it was installed anew, or somebody is in between",
            );
        }
        if has("Host key verification failed") {
            return Self::new(Kind::HostKeyUnknown, "its host key is not in known_hosts");
        }
        if has("Permission denied (") {
            return Self::new(
                Kind::PermissionDenied,
                format!("sshd lets nobody in: {}", line("Permission denied (")),
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
                return Self::new(Kind::Unreachable, format!("no connection: {}", line(words)));
            }
        }
        match code {
            Some(255) => Self::new(Kind::Unreachable, format!("no connection: {}", last(said))),
            _ if is_full(said) => Self::new(Kind::DiskFull, last(said)),
            code => {
                let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
                Self::new(Kind::OddAnswer, format!("it ended with {code} and no answer: {}", last(said)))
            }
        }
    }

    fn lost(said: &str, progress: Progress) -> Self {
        let why = last(said);
        let mut message = match progress.step {
            Some((number, total)) => {
                format!("the connection was lost while step {number} of {total} was done: {why}")
            }
            None => format!("the connection was lost before the answer was whole: {why}"),
        };
        if progress.changes {
            message.push_str("; the host goes on by itself, or its journal knows what was cut");
        }
        Self::new(Kind::ConnectionLost, message)
    }
}

fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Unreachable => "see whether it runs and is reached with `ssh`; then `oomguard fleet resume`",
        Kind::HostKeyChanged => {
            "if it was installed anew, check its new key by another way, then `ssh-keygen -R HOST` and connect once with `ssh`"
        }
        Kind::HostKeyUnknown => {
            "connect once with `ssh` and compare the key that is shown, or add it to known_hosts"
        }
        Kind::PermissionDenied => {
            "see whether `ssh` gets in without a question: the key, the agent, the user"
        }
        Kind::NoSudo => "connect as root, or allow that user `NOPASSWD: ALL` in sudoers",
        Kind::Refused => "settle what speaks against it, then `oomguard fleet resume`",
        Kind::ConnectionLost => "`oomguard fleet resume` finishes it by the host's own journal",
        Kind::WrongArchitecture => "put the program for it beside this one, as `oomguard-ARCHITECTURE`",
        Kind::DiskFull => "make room on the host, then `oomguard fleet resume`",
        Kind::Timeout => "see what it is busy with; then `oomguard fleet resume`",
        Kind::Failed => {
            "see the message; `oomguard fleet resume` goes on, `oomguard rollback --host` undoes it"
        }
        Kind::NotHealthy => "look at the host; `oomguard rollback --host` undoes the change",
        Kind::OddAnswer => {
            "see what `ssh HOST true` prints: nothing else than answers may come from its shell"
        }
        Kind::NoSsh => "install OpenSSH's client",
    }
}

fn is_full(said: &str) -> bool {
    ["No space left on device", "Disk quota exceeded"].iter().any(|words| said.contains(words))
}

/// The last thing that was said, for a message.
fn last(said: &str) -> String {
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| "ssh said nothing".to_owned(), safe)
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
        assert!(failure.message.contains("step 3 of 19") && failure.message.contains("journal"), "{failure}");
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
