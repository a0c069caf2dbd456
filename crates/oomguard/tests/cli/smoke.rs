//! The one test that reads the machine it runs on.

use std::time::Instant;

use crate::run::run;

/// No root, no configuration; whatever this machine is like, it gets an answer.
#[test]
fn this_machine() {
    let began = Instant::now();
    let ran = run(["check"]);
    let took = began.elapsed();
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:#?}");
    assert!(ran.out.contains("policy: built-in role workstation\n"), "{}", ran.out);
    // A second is what is promised; the rest is for a machine that is busy with all the other tests.
    assert!(took.as_secs() < 10, "{took:?}");
    assert!(run(["status"]).exits(0).out.contains("\nSwap\n"));
    assert!(matches!(run(["plan"]).code, Some(0 | 2)));
}
