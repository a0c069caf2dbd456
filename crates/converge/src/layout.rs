//! The names of the files that oomguard owns on a host, and what is in them.

use oomguard_spec::policy::{Policy, ServiceRule};
use oomguard_spec::policy_to_document;
use oomguard_spec::score::Score;
use oomguard_spec::unit::UnitPattern;

/// Everything that oomguard remembers.
pub const STATE_DIR: &str = "/var/lib/oomguard";
/// One folder for each apply.
pub const HISTORY_DIR: &str = "/var/lib/oomguard/journal";
/// Held while the host is changed.
pub const LOCK: &str = "/var/lib/oomguard/lock";
/// Sorts after `99-sysctl.conf`, which stands for /etc/sysctl.conf up to Debian 12.
pub const SYSCTL: &str = "/etc/sysctl.d/99-zz-oomguard.conf";
/// The user manager's own score.
pub const USER_MANAGER: &str = "/etc/systemd/system/user@.service.d/50-oomguard.conf";
/// What the user manager starts, on systemd 250 and later.
pub const USER_LOAD: &str = "/etc/systemd/user.conf.d/50-oomguard.conf";
/// What the user manager starts, before systemd 250.
pub const USER_LOAD_OLD: &str = "/etc/systemd/user/service.d/50-oomguard.conf";
/// The agent's unit.
pub const AGENT_UNIT: &str = "/etc/systemd/system/oomguard-agent.service";
/// The name of that unit.
pub const AGENT_UNIT_NAME: &str = "oomguard-agent.service";
/// What `systemctl enable` would make: the agent starts at boot.
pub const AGENT_WANTS: &str = "/etc/systemd/system/multi-user.target.wants/oomguard-agent.service";
/// The policy that the agent keeps, as a document.
pub const AGENT_POLICY: &str = "/etc/oomguard/policy.cspec";
/// The directory of programs that are named by their content: `oomguard-agent-` and the beginning of its SHA-256, and
/// `oomguard-` likewise for a command that was pushed.
pub const AGENT_PROGRAM_DIR: &str = "/usr/local/lib/oomguard";
/// The SHA-256 of the policy that the running agent has read, in hexadecimal.
pub const AGENT_POLICY_DIGEST: &str = "/run/oomguard/policy.sha256";
/// The command for whoever logs in; a setup puts it there, and nothing takes it away.
pub const COMMAND: &str = "/usr/local/bin/oomguard";
/// The agent's program that belongs to that command.
pub const COMMAND_AGENT: &str = "/usr/local/bin/oomguard-agent";
/// The table of file systems and swaps.
pub const FSTAB: &str = "/etc/fstab";

const HEADER: &str = "# Written by oomguard; `oomguard rollback` takes it away again.\n";

/// Since when systemd knows what oomguard would like to say.
pub mod since {
    /// `DefaultOOMScoreAdjust=` in user.conf, systemd-system.conf(5).
    pub const DEFAULT_OOM_SCORE_ADJUST: u32 = 250;
    /// `ManagedOOMPreference=`, systemd.resource-control(5).
    pub const MANAGED_OOM_PREFERENCE: u32 = 248;
}

/// The agent's unit, with a place for its program.
const AGENT_UNIT_TEXT: &str = include_str!("../../../integrations/systemd/oomguard-agent.service");
const AGENT_PROGRAM: &str = "/usr/local/lib/oomguard/oomguard-agent";
const COMMAND_PREFIX: &str = "oomguard-";
const AGENT_PREFIX: &str = "oomguard-agent-";
/// How much of a SHA-256 is in a name.
const HASH_IN_NAME: usize = 12;

/// The path of an agent's program with this SHA-256. Its name is its content, so that a unit never runs another than it
/// was written for, and an update is undone by the old unit.
#[must_use]
pub fn agent_program(sha256: &str) -> String {
    format!("{AGENT_PROGRAM_DIR}/{}", agent_name(sha256))
}

/// The name of an agent's program with this SHA-256, in any directory.
#[must_use]
pub fn agent_name(sha256: &str) -> String {
    format!("{AGENT_PREFIX}{}", sha256.get(..HASH_IN_NAME).unwrap_or(sha256))
}

/// The name of a command with this SHA-256, in any directory.
#[must_use]
pub fn command_name(sha256: &str) -> String {
    format!("{COMMAND_PREFIX}{}", sha256.get(..HASH_IN_NAME).unwrap_or(sha256))
}

/// Whether a file name is that of an agent's program.
#[must_use]
pub fn is_agent_name(name: &str) -> bool {
    name.strip_prefix(AGENT_PREFIX).is_some_and(is_hash)
}

/// Whether a file name is that of a command that was pushed.
#[must_use]
pub fn is_command_name(name: &str) -> bool {
    name.strip_prefix(COMMAND_PREFIX).is_some_and(is_hash)
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_IN_NAME
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The agent's unit for a program.
#[must_use]
pub fn agent_unit(program: &str) -> ManagedFile {
    let unit = AGENT_UNIT_TEXT.replace(&format!("={AGENT_PROGRAM}\n"), &format!("={program}\n"));
    let from = unit.find("[Unit]").unwrap_or(0);
    ManagedFile {
        path: AGENT_UNIT.to_owned(),
        text: format!("{HEADER}{}", &unit[from..]),
        why: "the agent sets the scores of keepers and load as they start".to_owned(),
    }
}

/// The policy that the agent keeps.
#[must_use]
pub fn agent_policy(policy: &Policy) -> ManagedFile {
    ManagedFile {
        path: AGENT_POLICY.to_owned(),
        text: format!(
            "{HEADER}# The agent enforces it; `systemctl reload oomguard-agent` after a change.\n{}",
            policy_to_document(policy, "host")
        ),
        why: "the policy that the agent enforces".to_owned(),
    }
}

/// A file that oomguard owns as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedFile {
    /// Its absolute path.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Why it is there.
    pub why: String,
}

/// The drop-in of one service.
#[must_use]
pub fn service_path(unit: &UnitPattern) -> String {
    format!("/etc/systemd/system/{}/50-oomguard.conf", unit.drop_in_dir())
}

/// The sysctl file.
#[must_use]
pub fn sysctl(swappiness: u8) -> ManagedFile {
    ManagedFile {
        path: SYSCTL.to_owned(),
        text: format!("{HEADER}vm.swappiness = {swappiness}\n"),
        why: format!("swappiness is {swappiness} from the next boot on"),
    }
}

/// The drop-in that protects every user manager.
#[must_use]
pub fn user_manager(score: Score, systemd: u32) -> ManagedFile {
    let mut text = format!(
        "{HEADER}# A user manager that dies takes every session of its user along.\n\
         [Service]\nOOMScoreAdjust={score}\nOOMPolicy=continue\n"
    );
    if systemd >= since::MANAGED_OOM_PREFERENCE && score < Score::NORMAL {
        text.push_str("ManagedOOMPreference=avoid\n");
    }
    ManagedFile { path: USER_MANAGER.to_owned(), text, why: format!("new user managers run at {score}") }
}

/// The file that takes the protection off what a user manager starts.
#[must_use]
pub fn user_load(load: Score, systemd: u32) -> ManagedFile {
    let why = format!("what a user manager starts runs at {load} and does not inherit its protection");
    // tmux from 3.4 on puts each pane into a scope of its own; by systemd's default (`stop`) the shell of the pane, and with
    // the last pane the server, would end with the first compiler that is killed.
    let reason = "# What a user starts is load: it must not inherit the protection of its manager. When one process of it is\n\
                  # killed, the others of its unit (the shell of a tmux pane) go on.\n";
    if systemd >= since::DEFAULT_OOM_SCORE_ADJUST {
        let text =
            format!("{HEADER}{reason}[Manager]\nDefaultOOMPolicy=continue\nDefaultOOMScoreAdjust={load}\n");
        ManagedFile { path: USER_LOAD.to_owned(), text, why }
    } else {
        let text = format!("{HEADER}{reason}[Service]\nOOMPolicy=continue\nOOMScoreAdjust={load}\n");
        ManagedFile { path: USER_LOAD_OLD.to_owned(), text, why }
    }
}

/// The drop-in of a service that must survive, or goes first.
#[must_use]
pub fn service(unit: &UnitPattern, rule: ServiceRule, systemd: u32) -> ManagedFile {
    let mut text = format!("{HEADER}[Service]\nOOMScoreAdjust={}\n", rule.score);
    if systemd >= since::MANAGED_OOM_PREFERENCE && rule.score < Score::NORMAL {
        text.push_str("ManagedOOMPreference=avoid\n");
    }
    if let Some(low) = rule.memory_low {
        text.push_str(&format!("MemoryLow={}\n", low.0));
    }
    ManagedFile {
        path: service_path(unit),
        text,
        why: format!("{unit} runs at {} from its next start on", rule.score),
    }
}
