//! Shows the steps of an apply or rollback as they are done, and waits between them when asked to.

use std::io::{self, BufRead};
use std::ops::ControlFlow;

use oomguard_converge::apply::Watcher;

use crate::output::Terminal;

/// Prints a line for each step; with `pause`, waits for Enter after each.
pub struct Steps<'t> {
    pub terminal: &'t mut Terminal,
    pub pause: bool,
}

impl Watcher for Steps<'_> {
    fn begins(&mut self, number: usize, total: usize, step: &str) {
        // The change goes on when nobody reads any more: stopping half-way would be worse.
        let _ = self.terminal.print(&format!("[{number:>2}/{total}] {step}\n"));
    }

    fn progress(&mut self, _: u64) {}

    fn done(&mut self, number: usize, total: usize, _: &str) -> ControlFlow<()> {
        if !self.pause {
            return ControlFlow::Continue(());
        }
        let _ = self.terminal.print(&format!("step {number} of {total} is done; Enter goes on\n"));
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => ControlFlow::Break(()),
            Ok(_) => ControlFlow::Continue(()),
        }
    }
}
