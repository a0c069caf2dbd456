//! The runbooks for alerts: the pages of docs/runbooks, embedded once for the command and the MCP server.

/// A runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runbook {
    /// The name of its page, without the end: `swap-usage`.
    pub name: &'static str,
    /// The page, in Markdown.
    pub text: &'static str,
}

/// All runbooks, in the order in which they refer to each other.
pub const ALL: [Runbook; 7] = [
    Runbook { name: "swap-usage", text: include_str!("../../../docs/runbooks/swap-usage.md") },
    Runbook { name: "swap-nearly-full", text: include_str!("../../../docs/runbooks/swap-nearly-full.md") },
    Runbook { name: "oom-events", text: include_str!("../../../docs/runbooks/oom-events.md") },
    Runbook { name: "validator-killed", text: include_str!("../../../docs/runbooks/validator-killed.md") },
    Runbook { name: "oom-score-adj", text: include_str!("../../../docs/runbooks/oom-score-adj.md") },
    Runbook { name: "undo-apply", text: include_str!("../../../docs/runbooks/undo-apply.md") },
    Runbook { name: "agent-down", text: include_str!("../../../docs/runbooks/agent-down.md") },
];

impl Runbook {
    /// Its heading.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// The alerts that lead to it, as integrations/prometheus names them.
    pub fn alerts(&self) -> impl Iterator<Item = &'static str> {
        let line = self.text.lines().find_map(|line| line.strip_prefix("Alerts: ")).unwrap_or_default();
        line.split(", ").map(|alert| alert.trim_matches('`'))
    }
}

/// The runbook with this name, or the runbook of this alert.
#[must_use]
pub fn find(name: &str) -> Option<&'static Runbook> {
    let named = ALL.iter().find(|runbook| runbook.name == name);
    named.or_else(|| ALL.iter().find(|runbook| runbook.alerts().any(|alert| alert == name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_page_is_embedded_and_starts_with_its_alerts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|page| page.unwrap().file_name().into_string().unwrap())
            .collect();
        let embedded: BTreeSet<String> = ALL.iter().map(|runbook| format!("{}.md", runbook.name)).collect();
        assert_eq!(pages, embedded);
        for runbook in ALL {
            let mut lines = runbook.text.lines();
            assert!(lines.next().unwrap().starts_with("# "), "{}", runbook.name);
            assert_eq!(lines.next(), Some(""), "{}", runbook.name);
            assert!(lines.next().unwrap().starts_with("Alerts: `"), "{}", runbook.name);
            let parts = ["```sh\n", "## It is over when\n"];
            assert!(parts.iter().all(|part| runbook.text.contains(part)), "{}", runbook.name);
        }
    }

    #[test]
    fn name_or_alert_finds_one_runbook() {
        assert_eq!(find("oom-events").map(Runbook::title), Some("Investigating OOM events"));
        assert_eq!(find("OomKill"), find("oom-events"));
        assert_eq!(find("nothing"), None);
        let mut seen = BTreeSet::new();
        assert!(ALL.iter().flat_map(Runbook::alerts).all(|alert| seen.insert(alert)), "{seen:?}");
    }

    /// `oomguard runbook NAME` in a page names one that there is.
    #[test]
    fn links_between_runbooks_resolve() {
        let mut links = 0;
        for runbook in ALL {
            for (_, rest) in runbook
                .text
                .match_indices("oomguard runbook ")
                .map(|(at, found)| runbook.text.split_at(at + found.len()))
            {
                let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                assert!(find(&name).is_some(), "{}: {name}", runbook.name);
                links += 1;
            }
        }
        assert!(links > 5, "{links}");
    }
}
