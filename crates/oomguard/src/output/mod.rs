//! Everything that is printed.

pub mod check;
pub mod junit;
pub mod plan;
pub mod status;
mod terminal;

pub use terminal::{Paint, Terminal};
