//! What the guard does, as lines of the log.

use oomguard_converge::facts::Process;
use oomguard_host::HostError;

use super::line::{Level, Line};
use crate::guard::{Act, ActKind, Witness};

/// Writes are told of one by one; failures of one kind are told of once in so many.
const FAILURES_BETWEEN: u64 = 100;

/// Remembers what was said.
#[derive(Debug, Default)]
pub(super) struct Reports {
    failures: u64,
}

/// Reports that go to one log.
pub(super) struct To<'a, 'l> {
    reports: &'a mut Reports,
    log: &'a mut (dyn FnMut(&Line<'_>) + 'l),
}

impl Reports {
    pub(super) fn to<'a, 'l>(&'a mut self, log: &'a mut (dyn FnMut(&Line<'_>) + 'l)) -> To<'a, 'l> {
        To { reports: self, log }
    }
}

impl Witness for To<'_, '_> {
    fn acted(&mut self, act: &Act) {
        let event = match act.kind {
            ActKind::Protected => "protected",
            ActKind::Unleaked => "unleaked",
        };
        let process = &act.process;
        let mut line = Line::new(Level::Info, event);
        line.number("pid", process.pid).text("comm", &process.comm);
        if let Some(uid) = process.uid {
            line.number("uid", uid);
        }
        line.text("unit", process.unit.as_deref().unwrap_or("none"));
        line.number("from", process.score).number("to", act.to).text("by", &act.says);
        (self.log)(&line);
    }

    fn failed(&mut self, process: &Process, error: &HostError) {
        if self.reports.failures.is_multiple_of(FAILURES_BETWEEN) {
            let why = error.to_string();
            let mut line = Line::new(Level::Warning, "score-not-written");
            line.number("pid", process.pid).text("comm", &process.comm).text("why", &why);
            (self.log)(&line);
        }
        self.reports.failures += 1;
    }
}
