//! `oomguard runbook`: the pages of docs/runbooks.

use oomguard_report::runbook::ALL;

use crate::run::run;

#[test]
fn each_is_what_its_page_says() {
    let list = run(["runbook"]).exits(0).quietly().out;
    assert_eq!(list.lines().count(), ALL.len());
    for runbook in ALL {
        assert!(list.contains(&format!("{} ", runbook.name)), "{list}");
        assert_eq!(run(["runbook", runbook.name]).exits(0).quietly().out, runbook.text);
        for alert in runbook.alerts() {
            assert_eq!(run(["runbook", alert]).exits(0).quietly().out, runbook.text, "{alert}");
        }
    }
    run(["runbook", "swap\u{1b}"])
        .exits(64)
        .complains("no such runbook: `swap\\x1b`")
        .complains("swap-usage, ");
}
