//! What the guard sees and does, as events and as the list of who is protected.

use oomguard_converge::facts::Process;
use oomguard_host::HostError;
use oomguard_spec::policy::Policy;

use crate::event::Event;
use crate::guard::{Act, ActKind, Witness};
use crate::protected::ProtectedProcess;
use oomguard_text::DisplayText;

/// Refused writes are told of once in so many: whoever refuses one mostly refuses all.
const REFUSALS_BETWEEN: u64 = 100;

/// Notes what the guard sees and does under a policy.
pub(super) struct Noting<'a> {
    pub(super) policy: &'a Policy,
    pub(super) events: &'a mut Vec<Event>,
    /// The protected processes that were seen.
    pub(super) protected: &'a mut Vec<ProtectedProcess>,
    /// Writes that were refused so far.
    pub(super) refusals: &'a mut u64,
}

impl Witness for Noting<'_> {
    fn seen(&mut self, process: &Process) {
        self.protected.extend(ProtectedProcess::of(process, self.policy));
    }

    fn acted(&mut self, act: &Act) {
        let process = &act.process;
        let (pid, comm) = (process.pid, DisplayText::new(&process.comm));
        let (unit, from, to) = (process.unit.as_deref().map(DisplayText::new), process.score, act.to);
        self.events.push(match act.kind {
            ActKind::Protected => Event::KeeperProtected { pid, comm, unit, from, to },
            ActKind::Unleaked => Event::LeakFixed { pid, comm, unit, from, to },
        });
    }

    fn failed(&mut self, process: &Process, error: &HostError) {
        if self.refusals.is_multiple_of(REFUSALS_BETWEEN) {
            self.events.push(Event::ScoreWriteFailed {
                pid: process.pid,
                comm: DisplayText::new(&process.comm),
                score: process.score,
                why: DisplayText::new(error.to_string()),
            });
        }
        *self.refusals += 1;
    }
}
