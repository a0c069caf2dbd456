//! One way in which a host differs from its policy.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::ChangeKey;

/// How bad a finding is. The order is the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// When memory runs out now, sessions or services die that must not.
    Critical,
    /// The host differs from its policy.
    Warning,
    /// The host is as the policy says; this is worth knowing all the same.
    Advice,
}

impl Severity {
    /// Whether it means that the host differs from its policy.
    #[must_use]
    pub fn differs(self) -> bool {
        self != Self::Advice
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $id:literal,)*) => {
        /// What a finding is about. Its id is stable, for scripts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum FindingKind {
            $($(#[doc = $doc])* #[serde(rename = $id)] $name,)*
        }

        impl FindingKind {
            /// `protection-leak`
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }
    };
}

kinds! {
    /// There is no swap on disk.
    NoSwap = "no-swap",
    /// There is less swap than the policy requires.
    SwapTooSmall = "swap-too-small",
    /// The swap file of oomguard has another size than the policy asks for.
    SwapSize = "swap-size",
    /// The disk has no room for the swap that the policy asks for.
    SwapDiskBound = "swap-disk-bound",
    /// Swap meets the minimum and not the recommendation.
    SwapBelowRecommended = "swap-below-recommended",
    /// A swap file of oomguard that another one has replaced.
    SwapLeftOver = "swap-left-over",
    /// A swap that exists and is off.
    SwapOff = "swap-off",
    /// /etc/fstab and the swap that is on do not match.
    SwapNotPersistent = "swap-not-persistent",
    /// A swap partition that nothing switches on at boot.
    SwapPartitionByHand = "swap-partition-by-hand",
    /// The swap file has another priority than the policy asks for.
    SwapPriority = "swap-priority",
    /// A container whose host has too little swap.
    SwapOfTheHost = "swap-of-the-host",
    /// Two lines of /etc/fstab name the same swap.
    FstabDuplicate = "fstab-duplicate",
    /// A line of /etc/fstab names a swap that does not exist.
    FstabMissingSwap = "fstab-missing-swap",
    /// vm.swappiness differs now.
    Swappiness = "swappiness",
    /// vm.swappiness will differ after the next boot.
    SwappinessNotPersistent = "swappiness-not-persistent",
    /// /etc/sysctl.conf sets another vm.swappiness.
    SwappinessSysctlConf = "swappiness-sysctl-conf",
    /// A process has protection that nobody declared, and it is removed.
    ProtectionLeak = "protection-leak",
    /// A process outside of sessions inherited protection.
    UndeclaredProtection = "undeclared-protection",
    /// A keeper runs without its protection.
    KeeperUnprotected = "keeper-unprotected",
    /// systemd does not protect user managers.
    UserManagerUnprotected = "user-manager-unprotected",
    /// What a user manager starts inherits its protection.
    LoadInherits = "load-inherits",
    /// A service that must survive has another score.
    ServiceUnprotected = "service-unprotected",
    /// A service that is expendable has another score.
    ServiceNotExpendable = "service-not-expendable",
    /// The host has no systemd.
    NoSystemd = "no-systemd",
    /// A file that oomguard manages has other contents.
    OwnFileDiffers = "own-file-differs",
    /// A file that oomguard manages and the policy no longer asks for.
    OwnFileStale = "own-file-stale",
    /// The agent is not installed.
    AgentMissing = "agent-missing",
    /// The agent is another build.
    AgentProgramDiffers = "agent-program-differs",
    /// The agent does not start at boot.
    AgentNotEnabled = "agent-not-enabled",
    /// The agent does not run.
    AgentNotRunning = "agent-not-running",
    /// The agent runs with another policy.
    AgentOtherPolicy = "agent-other-policy",
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FindingKind {
    /// Whether it is the score of a live process, which the agent's guard fixes.
    #[must_use]
    pub fn is_live_score(self) -> bool {
        matches!(self, Self::ProtectionLeak | Self::KeeperUnprotected)
    }
}

/// One way in which a host differs from its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is about; stable, for scripts.
    #[serde(rename = "id")]
    pub kind: FindingKind,
    /// How bad it is.
    pub severity: Severity,
    /// The path, unit or process.
    pub subject: String,
    /// The state now.
    pub is: String,
    /// The state that the policy asks for.
    pub should: String,
    /// Why it matters.
    pub why: String,
    /// What `apply` does about it, in words. `None`: a person must decide.
    pub fix: Option<String>,
    /// The changes of the plan that fix it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeKey>,
    /// What a person can do, where `apply` does nothing.
    pub advice: Option<String>,
}

impl Finding {
    /// A finding without a fix.
    pub(crate) fn new(
        kind: FindingKind,
        severity: Severity,
        subject: impl Into<String>,
        is: impl Into<String>,
        should: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            severity,
            subject: subject.into(),
            is: is.into(),
            should: should.into(),
            why: String::new(),
            fix: None,
            changes: Vec::new(),
            advice: None,
        }
    }

    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// The changes that fix it, and what they do in words.
    pub(crate) fn fixed_by(
        mut self,
        fix: impl Into<String>,
        changes: impl IntoIterator<Item = ChangeKey>,
    ) -> Self {
        self.fix = Some(fix.into());
        self.changes.extend(changes);
        self
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// A reason why nothing is changed on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What kind it is; stable, for scripts.
    pub id: String,
    /// What is in the way.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

impl Refusal {
    /// One with its reason and what to do about it.
    #[must_use]
    pub fn new(id: &str, reason: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { id: id.to_owned(), reason: reason.into(), advice: advice.into() }
    }
}
