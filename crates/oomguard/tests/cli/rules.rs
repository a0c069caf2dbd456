//! `oomguard generate rules`: alert rules whose links lead to the deployer's runbooks.

use crate::run::{repository, run};

const FILES: [(&str, &str); 2] = [("agent", "oomguard"), ("node-exporter", "node-exporter")];

#[test]
fn rules_are_those_of_the_repository() {
    for (hosts, name) in FILES {
        let file = format!("integrations/prometheus/{name}.rules.yml");
        let rules = std::fs::read_to_string(repository().join(file)).unwrap();
        assert_eq!(run(["generate", "rules", "--for", hosts]).exits(0).quietly().out, rules);
    }
}

#[test]
fn runbook_base_changes_every_link() {
    for (hosts, _) in FILES {
        let args = ["generate", "rules", "--for", hosts, "--runbook-base", "https://wiki.example.com/oom/"];
        let rules = run(args).exits(0).quietly().out;
        let links: Vec<&str> =
            rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
        assert!(links.len() > 5);
        for link in links {
            let page = link.strip_prefix("https://wiki.example.com/oom/").unwrap_or_else(|| panic!("{link}"));
            assert!(repository().join("docs/runbooks").join(page).is_file(), "{link}");
        }
    }
}

#[test]
fn a_relative_runbook_base_is_wrong_usage() {
    run(["generate", "rules", "--runbook-base", "docs/runbooks"])
        .exits(64)
        .complains("absolute http or https URL");
}
