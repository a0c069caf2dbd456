//! Keeping this process in memory.

use rustix::mm::{MlockAllFlags, mlockall};

/// Locks all of this process in memory (mlockall(2)), and whatever it maps from now on: no page of it is read from a disk
/// again, so that a shortage of memory cannot delay it. Needs CAP_IPC_LOCK, or RLIMIT_MEMLOCK with room for all of it.
///
/// Without `MCL_ONFAULT`, which costs less memory, a page would still be fetched when it is first used, perhaps when
/// there is no memory left to fetch it.
///
/// # Errors
/// When the kernel refuses.
pub fn lock_all() -> std::io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_before_and_after_is_locked_or_the_refusal_is_an_error() {
        let locked = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        assert_eq!(locked(), 0);
        let result = lock_all();
        let before = locked();
        assert_eq!(result.is_ok(), before > 0, "{result:?}, {before} KiB are locked");
        if result.is_ok() {
            let more = vec![1_u8; 4 << 20];
            assert!(locked() >= before + 4096, "{} KiB", locked());
            drop(more);
        }
        rustix::mm::munlockall().unwrap();
    }
}
