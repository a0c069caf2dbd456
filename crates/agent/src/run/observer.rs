//! Turns what the guard sees and does into events and the list of protected processes.

use oomguard_converge::facts::Process;
use oomguard_host::HostError;
use oomguard_spec::policy::Policy;
use oomguard_text::DisplayText;

use crate::event::Event;
use crate::guard::{ChangeKind, Observer, ScoreChange};
use crate::protected::ProtectedProcess;

/// One failed write of so many is reported: what refuses one mostly refuses all.
const FAILURES_PER_EVENT: u64 = 100;

/// Collects events and protected processes under a policy.
pub(super) struct EventCollector<'a> {
    pub(super) policy: &'a Policy,
    pub(super) events: &'a mut Vec<Event>,
    /// The protected processes that were seen.
    pub(super) protected: &'a mut Vec<ProtectedProcess>,
    /// Writes that failed so far.
    pub(super) failed_writes: &'a mut u64,
}

impl Observer for EventCollector<'_> {
    fn seen(&mut self, process: &Process) {
        self.protected.extend(ProtectedProcess::of(process, self.policy));
    }

    fn changed(&mut self, change: &ScoreChange) {
        let process = &change.process;
        let (pid, comm) = (process.pid, DisplayText::new(&process.comm));
        let (unit, from, to) = (process.unit.as_deref().map(DisplayText::new), process.score, change.to);
        self.events.push(match change.kind {
            ChangeKind::Protected => Event::KeeperProtected { pid, comm, unit, from, to },
            ChangeKind::Unleaked => Event::LeakFixed { pid, comm, unit, from, to },
        });
    }

    fn failed(&mut self, process: &Process, error: &HostError) {
        if self.failed_writes.is_multiple_of(FAILURES_PER_EVENT) {
            self.events.push(Event::ScoreWriteFailed {
                pid: process.pid,
                comm: DisplayText::new(&process.comm),
                score: process.score,
                why: DisplayText::new(error.to_string()),
            });
        }
        *self.failed_writes += 1;
    }
}
