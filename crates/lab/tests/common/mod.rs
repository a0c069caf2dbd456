//! Helpers of the lab's tests.
#![allow(dead_code, clippy::panic, reason = "each test file uses a part; a test may panic")]

use std::path::PathBuf;

use oomguard_lab::Lab;

/// The lab's directory: `$OOMGUARD_LAB_CACHE`, or the cache in the home directory.
pub fn cache() -> PathBuf {
    std::env::var_os("OOMGUARD_LAB_CACHE").map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_else(|| "/root".into());
            PathBuf::from(home).join(".cache/oomguard-lab")
        },
        PathBuf::from,
    )
}

/// The lab of this machine.
pub fn lab() -> Lab {
    Lab::new(cache()).unwrap_or_else(|e| panic!("{e}"))
}
