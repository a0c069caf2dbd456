//! The Prometheus alert rules of integrations/prometheus, with links to the deployer's copy of the runbooks.

/// Where the `runbook_url` of the rules in the repository points; [`RuleSet::with_runbook_base`] replaces it.
pub const RUNBOOK_BASE: &str = "https://example.net/oomguard/docs/runbooks";

/// A set of alert rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSet {
    /// For hosts that run the agent.
    Agent,
    /// For hosts that run only node_exporter.
    NodeExporter,
}

/// A base that cannot stand in a `runbook_url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the runbook base is not an absolute http or https URL without spaces, quotes and braces")]
pub struct InvalidBase;

impl RuleSet {
    /// The rules as they are in the repository.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Agent => include_str!("../../../integrations/prometheus/oomguard.rules.yml"),
            Self::NodeExporter => include_str!("../../../integrations/prometheus/node-exporter.rules.yml"),
        }
    }

    /// The rules with every `runbook_url` at `base`: `BASE/swap-usage.md`.
    ///
    /// # Errors
    /// When `base` is not an absolute URL, or has a character that YAML or Prometheus' templates would interpret.
    pub fn with_runbook_base(self, base: &str) -> Result<String, InvalidBase> {
        let base = base.trim_end_matches('/');
        let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")).unwrap_or_default();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?@!$&()*+,;=%[]".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(InvalidBase);
        }
        Ok(self.text().replace(RUNBOOK_BASE, base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runbook_url_moves_to_the_new_base() {
        for rules in [RuleSet::Agent, RuleSet::NodeExporter] {
            let urls = rules.text().matches("runbook_url:").count();
            let moved = rules.with_runbook_base("https://wiki.example.com/oom?path=/").unwrap();
            assert!(urls > 5 && !moved.contains(RUNBOOK_BASE));
            assert_eq!(moved.matches("runbook_url: https://wiki.example.com/oom?path=/").count(), urls);
            assert_eq!(rules.with_runbook_base(RUNBOOK_BASE).unwrap(), rules.text());
        }
    }

    #[test]
    fn a_base_that_is_not_a_plain_url_is_refused() {
        for base in [
            "",
            "docs/runbooks",
            "https://",
            "ftp://a/b",
            "https://a b",
            "https://a/#b",
            "https://a/\"",
            "https://a/{{ $value }}",
            "https://a\nx: y",
            "https://a/\u{202e}",
        ] {
            assert_eq!(RuleSet::Agent.with_runbook_base(base), Err(InvalidBase), "{base}");
        }
    }
}
