//! The live processes that matter to a policy: keepers, named services, and whatever is protected.

use oomguard_host::Host;
use oomguard_spec::policy::Policy;
use serde::Serialize;

use super::process::Process;
use super::process_reader::{ProcessReader, Relevance};
use super::unread::Unread;

/// The processes that matter to a policy, and how many there are in all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Processes {
    /// Those that matter, by number.
    pub list: Vec<Process>,
    /// All that were looked at.
    pub seen: usize,
    /// How many were hidden from this user, or gone before they could be read.
    pub unreadable: usize,
}

pub(super) fn read(host: &Host, policy: &Policy, unread: &mut Vec<Unread>) -> Processes {
    let mut found = Processes::default();
    let (look, pids) =
        match ProcessReader::open(host, policy).and_then(|look| look.pids().map(|pids| (look, pids))) {
            Ok(listed) => listed,
            Err(e) => {
                unread.push(Unread::new("/proc", e, "which processes run and how they are protected"));
                return found;
            }
        };
    let mut buffer = Vec::with_capacity(4096);
    for pid in pids {
        found.seen += 1;
        match look.process(pid, &mut buffer, unread) {
            Relevance::Relevant(process) => found.list.push(*process),
            Relevance::Irrelevant => {}
            Relevance::Unreadable => found.unreadable += 1,
        }
    }
    if found.seen <= 1 {
        unread.push(Unread::new(
            "/proc",
            "it shows no other processes (hidepid?)",
            "which processes are protected",
        ));
    }
    found
}
