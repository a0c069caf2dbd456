//! The sentence of each event.

use std::fmt::{Display, Formatter, Result};

use oomguard_spec::size::Bytes;

use super::{Constraint, Ending, Event, Source, SwapStep};
use oomguard_text::{DisplayText, counted};

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::OomKill { pid, comm, score, constraint, limited_cgroup, .. } => {
                write!(f, "the kernel killed {comm} (pid {pid}")?;
                if let Some(score) = score {
                    write!(f, ", oom_score_adj {score}")?;
                }
                write!(f, "): {}", OutOfMemory(*constraint, limited_cgroup.as_ref()))
            }
            Self::UnloggedKills { count } => {
                write!(
                    f,
                    "{} missing from the kernel log, which overflowed",
                    counted(*count, "OOM kill", "OOM kills")
                )
            }
            Self::CgroupOom { cgroup, kills } => {
                write!(f, "{} in {cgroup}, not in the kernel log", counted(*kills, "OOM kill", "OOM kills"))
            }
            Self::PressureHigh { full_avg60_percent, above_percent } => write!(
                f,
                "all tasks were stalled on memory for {full_avg60_percent:.1} % of the last minute \
                 (threshold {above_percent} %)"
            ),
            Self::PressureLow { full_avg60_percent } => write!(
                f,
                "memory pressure is back to normal: all tasks were stalled for {full_avg60_percent:.1} % of the \
                 last minute"
            ),
            Self::SwapUsage { step, used_bytes, total_bytes, available_bytes, .. } => {
                let [used, total, available] = [used_bytes, total_bytes, available_bytes].map(|n| Bytes(*n));
                write!(f, "{step}: {used} of {total} used, {available} of memory available")
            }
            Self::ProtectedProcessDied { pid, comm, ending, .. } => {
                write!(f, "protected process {comm} (pid {pid}) {ending}")
            }
            Self::KeeperProtected { pid, comm, from, to, .. } => {
                write!(f, "protected keeper {comm} (pid {pid}): oom_score_adj {from} -> {to}")
            }
            Self::LeakFixed { pid, comm, from, to, .. } => {
                write!(f, "removed undeclared protection of {comm} (pid {pid}): oom_score_adj {from} -> {to}")
            }
            Self::ScoreWriteFailed { pid, comm, score, why } => {
                write!(f, "cannot change the oom_score_adj of {comm} (pid {pid}), still {score}: {why}")
            }
            Self::LostEvents { source, count } => match count {
                Some(count) => write!(f, "lost {} {source}", counted(*count, "record", "records")),
                None => write!(f, "lost records {source}"),
            },
            Self::SourceUnavailable { source, why, fallback } => {
                write!(f, "{source} is unavailable ({why}): {fallback}")
            }
            Self::PolicyReloaded { policy } => write!(f, "reloaded the policy: {policy}"),
            Self::PolicyRejected { policy, why } => {
                write!(f, "cannot use {policy}, keeping the previous policy: {why}")
            }
            Self::AgentStarted { version, policy } => {
                write!(f, "oomguard agent {version} started; policy: {policy}")
            }
            Self::AgentStopped => f.write_str("agent stopped"),
        }
    }
}

/// Why the OOM killer was called.
struct OutOfMemory<'a>(Constraint, Option<&'a DisplayText>);

impl Display for OutOfMemory<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self(Constraint::Global, _) => f.write_str("the host ran out of memory"),
            Self(Constraint::Memcg, Some(cgroup)) => write!(f, "{cgroup} reached its memory limit"),
            Self(Constraint::Memcg, None) => f.write_str("its cgroup reached its memory limit"),
            Self(Constraint::Unknown, _) => f.write_str("cause unknown"),
        }
    }
}

impl Display for SwapStep {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Critical => "swap is nearly full, and memory is low or swap I/O is high",
            Self::Warning => "swap usage is high",
            Self::Cleared => "swap usage is back to normal",
        })
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::OomKilled => f.write_str("was killed by the OOM killer"),
            Self::Signal(number) => write!(f, "was killed by signal {number}"),
            Self::Exited(code) => write!(f, "exited with status {code}"),
            Self::Unknown => f.write_str("ended, cause unknown"),
        }
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Kmsg => "of the kernel log: overwritten before they were read",
            Self::Connector => "of the process connector: rescanning all processes",
            Self::Queue => "for the event log, hook and webhook: the queue was full",
        })
    }
}
