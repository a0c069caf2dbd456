//! Why a drill came to nothing.

use oomguard_converge::Refusal;
use oomguard_host::HostError;

/// Why a drill came to nothing. Whatever it had started was ended.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The host is not one for a drill.
    #[error("no drill was begun")]
    Refused(Vec<Refusal>),
    /// The machine refused something.
    #[error("{0}")]
    Host(#[from] HostError),
    /// The system refused to wait.
    #[error("cannot wait for the kernel's log: {0}")]
    Wait(std::io::Error),
    /// The limit is not in force.
    #[error("the drill's limit is not in force: {0}; no load was started")]
    NoLimit(String),
    /// The keeper did not start.
    #[error(
        "the drill's keeper did not come up within {0} s; `journalctl -u 'oomguard-drill-*'` may say why"
    )]
    NoKeeper(u64),
    /// Somebody ended it.
    #[error("the drill was interrupted, and everything that it had started was ended")]
    Interrupted,
}
