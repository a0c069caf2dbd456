//! The one test that reads the machine it runs on.

use crate::run::run;

/// No root, no configuration; whatever this machine is like, it gets an answer.
#[test]
fn this_machine() {
    let ran = run(["check"]);
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:#?}");
    assert!(ran.out.contains("policy: built-in role workstation\n"), "{}", ran.out);
    assert!(run(["status"]).exits(0).out.contains("\nSwap\n"));
    assert!(matches!(run(["plan"]).code, Some(0 | 2)));
}
