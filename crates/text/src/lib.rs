//! Untrusted text (names of processes, units and hosts, log lines, documents) made safe to show, and the words for
//! counts and sizes.
//!
//! Everything here agrees on one list of unsafe characters, [`is_unsafe`]. None of them leaves a function of this
//! crate, except that [`lines`], [`terminal`] and [`html`] keep the newline, and [`output`] keeps what a finished
//! screen needs.

mod display_text;
mod form;
mod number;
mod shown;
mod unsafe_char;

pub use display_text::DisplayText;
pub use form::{html, json, json_pretty, logfmt, markdown};
pub use number::{counted, size};
pub use shown::{lines, output, quoted, shown, terminal};
pub use unsafe_char::{is_unsafe, push_shown};
