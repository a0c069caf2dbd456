//! Resource limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard limit (getrlimit(2)), also for children: a connection needs four. Keeps
/// the old limit on failure.
pub fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Some programs close every possible descriptor at their start.
    let wanted = maximum.map_or(65_536, |most| most.min(65_536));
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
}
