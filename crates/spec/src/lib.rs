//! cspec documents: read with locations, lint, write; policy and roles.
//!
//! This room knows no machine: bytes come in, values and located messages go out.

pub mod policy;
pub mod score;
pub mod size;
pub mod unit;
