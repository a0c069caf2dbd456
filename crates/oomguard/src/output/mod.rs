//! Everything that is printed. Text of a host, a log or a document is escaped by crates/text.

pub mod advise;
pub mod check;
pub mod drill;
pub mod events;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod junit;
mod lines;
pub mod minutes;
pub mod plan;
pub mod rank;
pub mod recorder;
pub mod spec_check;
pub mod spec_diff;
pub mod status;
mod terminal;

pub use terminal::{Paint, Terminal};

/// JSON for programs; unsafe characters are written as `\uXXXX`.
pub fn pretty(value: &impl serde::Serialize) -> String {
    oomguard_text::json_pretty(value).unwrap_or_default() + "\n"
}

/// `1 change`, `2 changes`.
pub fn counted(number: usize, word: &str) -> String {
    oomguard_text::counted(number, word, &format!("{word}s"))
}
