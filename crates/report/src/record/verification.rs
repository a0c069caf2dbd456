//! How hosts were last seen, as a document's `verification` section has it: an entry for each host.

use std::collections::BTreeSet;

use oomguard_converge::facts::swap::AreaKind;
use oomguard_converge::target_score::target_score;
use oomguard_converge::{Facts, Finding};
use oomguard_spec::Yaml;
use oomguard_spec::policy::Policy;
use oomguard_spec::size::Bytes;

use super::{moment, safe};
use crate::{StatusReport, SwapOrigin};

/// A host as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSeen {
    /// Its name, without the user.
    pub hostname: String,
    /// `operational`, `differs`, `not_yet_applied`, `unreachable`, `failed`, `undone`.
    pub status: &'static str,
    /// When it last answered, in seconds since 1970.
    pub seen: Option<u64>,
    /// What was so on it, as far as it is known.
    pub facts: Option<FactsSeen>,
    /// The kinds of findings that make it differ.
    pub differs: BTreeSet<String>,
    /// What went wrong, and what to do about it.
    pub problem: Option<(String, String)>,
}

/// What a session document keeps of a host's facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactsSeen {
    /// Bytes of swap on disk.
    pub swap: u64,
    /// vm.swappiness.
    pub swappiness: Option<i64>,
    /// How many keepers and protected processes there are, and how many of them have the score that they should.
    pub processes: Option<(usize, usize)>,
}

impl FactsSeen {
    /// Out of what `oomguard status --format json` prints.
    #[must_use]
    pub fn of_status(status: &StatusReport) -> Self {
        let on_disk = status.swap.iter().filter(|swap| swap.made_by != SwapOrigin::Zram);
        let right = status.processes.iter().filter(|process| process.right).count();
        Self {
            swap: on_disk.fold(0, |sum, swap| sum.saturating_add(swap.size_bytes)),
            swappiness: status.swappiness.map(i64::from),
            processes: Some((right, status.processes.len())),
        }
    }

    /// Out of the facts of this machine.
    #[must_use]
    pub fn of_facts(policy: &Policy, facts: &Facts) -> Self {
        let sizes = facts.swap.areas.iter().filter(|area| area.kind != AreaKind::Zram).map(|area| area.size);
        let right = |process: &&oomguard_converge::facts::Process| {
            target_score(process, policy).bound.correction(process.score).is_none()
        };
        let all = &facts.processes.list;
        Self {
            swap: sizes.fold(0, u64::saturating_add),
            swappiness: facts.swappiness.live.map(i64::from),
            processes: Some((all.iter().filter(right).count(), all.len())),
        }
    }
}

impl HostSeen {
    fn entry(&self) -> Yaml {
        let mut pairs = vec![
            ("hostname", Yaml::text(safe(&self.hostname))),
            ("status", Yaml::word(self.status)),
            ("last_seen", Yaml::text(moment(self.seen))),
        ];
        if let Some(facts) = self.facts {
            let size = if facts.swap == 0 { "none".to_owned() } else { Bytes(facts.swap).to_string() };
            pairs.push(("size", Yaml::text(size)));
            pairs.extend(facts.swappiness.map(|value| ("swappiness", Yaml::Number(value))));
            let words = facts.processes.map(|(right, all)| format!("{right} of {all} processes"));
            pairs.extend(words.map(|words| ("oom_protection_applied", Yaml::text(words))));
        }
        if !self.differs.is_empty() {
            let kinds: Vec<&str> = self.differs.iter().map(String::as_str).collect();
            pairs.push(("differs", Yaml::text(safe(&kinds.join(", ")))));
        }
        if let Some((message, advice)) = &self.problem {
            pairs.push(("problem", Yaml::text(safe(message))));
            pairs.push(("action_required", Yaml::text(safe(advice))));
        }
        Yaml::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// The kinds of findings that make a host differ from its policy.
#[must_use]
pub fn kinds(findings: &[Finding]) -> BTreeSet<String> {
    findings
        .iter()
        .filter(|finding| finding.severity.differs())
        .map(|finding| finding.kind.to_string())
        .collect()
}

/// The section: an entry for each host, each with a key of its own.
#[must_use]
pub fn verification(hosts: &[HostSeen]) -> Yaml {
    let mut taken = BTreeSet::new();
    Yaml::Map(hosts.iter().map(|host| (key(&host.hostname, &mut taken), host.entry())).collect())
}

fn key(name: &str, taken: &mut BTreeSet<String>) -> String {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let label = if is_address { name } else { name.split('.').next().unwrap_or(name) };
    let plain: String =
        label.chars().take(80).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // A key that begins with a digit would be a number for some.
    let plain =
        if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { plain } else { format!("host_{plain}") };
    let mut key = plain.clone();
    for number in 2.. {
        if taken.insert(key.clone()) {
            break;
        }
        key = format!("{plain}_{number}");
    }
    key
}
