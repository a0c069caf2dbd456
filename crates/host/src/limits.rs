//! Limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and what it starts, have as many open files as it may (the hard limit of getrlimit(2)): a
/// connection needs four. Where the system refuses, the old limit holds.
pub fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Programs that close every possible descriptor take long with a very large limit.
    let wanted = maximum.map_or(65_536, |most| most.min(65_536));
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
}
