//! Developer commands: test, lab, bench, fuzz.

fn main() {}
