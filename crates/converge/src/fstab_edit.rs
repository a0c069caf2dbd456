//! The one new /etc/fstab for a swap decision: our line, and nothing else touched.

use oomguard_host::ParseError;
use oomguard_host::fstab::{self, Fstab};
use oomguard_spec::policy::SwapPolicy;

use crate::facts::Facts;
use crate::facts::swap::FstabSwap;
use crate::swap_decision::SwapDecision;

/// A change of /etc/fstab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FstabEdit {
    /// The whole file afterwards.
    pub after: Vec<u8>,
    /// What each edit is for.
    pub reasons: Vec<Reason>,
}

/// What one edit is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What is.
    pub is: String,
    /// What should be.
    pub should: String,
    /// What the edit does.
    pub fix: String,
}

/// The new /etc/fstab, or `None` when it is right as it is.
///
/// # Errors
/// When a path cannot be written in fstab's syntax.
pub fn edit(
    facts: &Facts,
    decision: &SwapDecision,
    policy: &SwapPolicy,
) -> Result<Option<FstabEdit>, ParseError> {
    let before = facts.swap.fstab.as_ref().map_or(&[][..], |blob| &blob.0);
    let mut edit = Edit { facts, fstab: Fstab::parse(before), reasons: Vec::new() };
    if let Some(keep) = &decision.keep {
        edit.name_own(keep, policy.priority, &decision.retire)?;
    }
    edit.drop_retired(&decision.retire, decision.keep.as_deref());
    for area in &decision.adopt {
        let priority = i16::try_from(area.priority).ok().filter(|priority| *priority >= 0);
        edit.adopt(&area.path, priority)?;
    }
    let after = edit.fstab.to_bytes();
    Ok((after != before).then_some(FstabEdit { after, reasons: edit.reasons }))
}

struct Edit<'a> {
    facts: &'a Facts,
    fstab: Fstab,
    reasons: Vec<Reason>,
}

impl Edit<'_> {
    /// Our swap file has one line; after a resize it takes the line of the file before it.
    fn name_own(&mut self, keep: &str, priority: Option<i16>, retired: &[String]) -> Result<(), ParseError> {
        let line = fstab::swap_line(keep, priority)?;
        let should = format!("`{line}`");
        if let Some(entry) = self.entry(|entry| entry.path == keep).cloned() {
            let pri = priority.map(i32::from);
            let known = self.fstab.swap_entries().find(|known| known.line == entry.line);
            if !entry.noauto && known.is_some_and(|known| pri.is_none() || known.priority() == pri) {
                return Ok(());
            }
            let is = if entry.noauto {
                "our swap file's line says noauto"
            } else {
                "our swap file's line has another priority"
            };
            self.fstab = self.fstab.with_line_replaced(entry.line, line.as_bytes());
            self.because(is, should, format!("rewrite line {}", entry.line));
        } else if let Some(entry) = self.entry(|entry| retired.contains(&entry.path)).cloned() {
            self.fstab = self.fstab.with_line_replaced(entry.line, line.as_bytes());
            self.because(
                "our swap file's line names the file from before a resize",
                should,
                format!("rewrite line {}", entry.line),
            );
        } else {
            self.fstab = self.fstab.with_line(line.as_bytes());
            self.because(format!("{keep} has no line"), should, "add the line");
        }
        Ok(())
    }

    /// Lines of our own files that go. Nobody else's line is ever taken away.
    fn drop_retired(&mut self, retired: &[String], keep: Option<&str>) {
        let fstab = self.fstab.clone();
        let mut lines: Vec<usize> = fstab
            .swap_entries()
            .filter(|entry| retired.contains(&entry.spec) && Some(entry.spec.as_str()) != keep)
            .map(|entry| entry.line)
            .collect();
        lines.sort_unstable();
        for line in lines.into_iter().rev() {
            self.fstab = self.fstab.without_line(line);
            self.because(
                format!("line {line} names a swap file that is deleted"),
                "no line",
                "delete the line",
            );
        }
    }

    fn adopt(&mut self, path: &str, priority: Option<i16>) -> Result<(), ParseError> {
        if self.entry(|entry| entry.path == path).is_some() {
            // It has a line, which says noauto: somebody wants it so.
            return Ok(());
        }
        let line = fstab::swap_line(path, priority)?;
        self.fstab = self.fstab.with_line(line.as_bytes());
        self.because(
            format!("{path} is on, and is not switched on at boot"),
            format!("`{line}`"),
            "add the line",
        );
        Ok(())
    }

    fn entry(&self, wanted: impl Fn(&FstabSwap) -> bool) -> Option<&FstabSwap> {
        self.facts.swap.fstab_swaps.iter().find(|entry| wanted(entry))
    }

    fn because(&mut self, is: impl Into<String>, should: impl Into<String>, fix: impl Into<String>) {
        self.reasons.push(Reason { is: is.into(), should: should.into(), fix: fix.into() });
    }
}
