//! Prints the steps of an apply or rollback, and waits between them with --step.

use std::io::{self, BufRead};
use std::ops::ControlFlow;

use oomguard_converge::apply::Watcher;

use crate::output::Terminal;

/// Prints a line for each step.
pub struct Steps<'t> {
    pub terminal: &'t mut Terminal,
    /// Wait for Enter after each step.
    pub pause: bool,
    /// Standard output is for JSON; steps go to standard error.
    pub json: bool,
}

impl Watcher for Steps<'_> {
    fn begins(&mut self, number: usize, total: usize, step: &str) {
        // A reader that is gone does not stop a change half-way.
        let _ = self.terminal.say(self.json, &format!("[{number:>2}/{total}] {step}\n"));
    }

    fn progress(&mut self, _: u64) {}

    fn done(&mut self, number: usize, total: usize, _: &str) -> ControlFlow<()> {
        if !self.pause {
            return ControlFlow::Continue(());
        }
        let _ = self
            .terminal
            .say(self.json, &format!("step {number} of {total} done; press Enter to continue\n"));
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => ControlFlow::Break(()),
            Ok(_) => ControlFlow::Continue(()),
        }
    }
}
