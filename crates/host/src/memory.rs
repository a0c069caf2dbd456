//! Keeping this process's own memory in memory.

use rustix::mm::{MlockAllFlags, mlockall};

/// Keeps every page of this process that is in memory there, and those that come when they come (mlock(2)): pages that
/// are never touched are not fetched for it. Needs RLIMIT_MEMLOCK to have room, or CAP_IPC_LOCK.
///
/// # Errors
/// When the kernel refuses.
pub fn lock_on_fault() -> std::io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}
