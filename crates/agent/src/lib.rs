//! What runs all the time: the guard, the recorder, events and metrics.

pub mod recorder;
