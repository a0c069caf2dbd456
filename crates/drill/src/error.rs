//! Why a drill came to nothing.

use oomguard_converge::Refusal;
use oomguard_host::HostError;

/// Why a drill came to nothing. Whatever it had started was ended.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The host is not one for a drill.
    #[error("no drill was started")]
    Refused(Vec<Refusal>),
    /// The machine refused something.
    #[error("{0}")]
    Host(#[from] HostError),
    /// The system refused to wait.
    #[error("cannot wait for the kernel's log: {0}")]
    Wait(std::io::Error),
    /// The limit is not in force.
    #[error("the drill's memory limit is not in force: {0}; no load was started")]
    NoLimit(String),
    /// The keeper did not start.
    #[error("the drill's keeper did not start within {0} s; see `journalctl -u 'oomguard-drill-*'`")]
    NoKeeper(u64),
    /// Somebody ended it.
    #[error("the drill was interrupted; all its processes were ended")]
    Interrupted,
}
