//! A document that could be read, and one that could not.

use std::fmt;

use crate::diagnostic::{Diagnostic, Severity};
use crate::node::Node;
use crate::policy::Policy;
use crate::reader::parse::Layout;
use crate::reader::repair::Repair;
use crate::render::{Style, render};
use crate::roles::hosts::HostEntry;
use crate::{format, roles};

/// A cspec document.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) root: Node,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) repairs: Vec<Repair>,
    pub(crate) layout: Layout,
}

/// A document that could not be read, with everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// What the document is called.
    pub name: String,
    /// Its text, for excerpts. Empty when it was too long to look at.
    pub source: String,
    /// What is wrong, in the order of the document; warnings included.
    pub diagnostics: Vec<Diagnostic>,
}

impl Rejected {
    pub(crate) fn new(name: &str, source: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self { name: name.to_owned(), source: source.to_owned(), diagnostics }
    }

    /// Everything that is wrong, with excerpts.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        render(&self.name, &self.source, &self.diagnostics, style)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Rejected {}

/// Why a document gives no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The document has no policy.
    #[error(
        "`{document}` has no policy: neither `memory_config` nor `deployment_requirements`; \
         `oomguard spec show` prints one to start from"
    )]
    NoPolicy {
        /// What the document is called.
        document: String,
    },
    /// The document has policies only for other roles.
    #[error("`{document}` has no role `{role}`{}; its roles are: {}", did_you_mean(.nearest.as_deref()), .roles.join(", "))]
    UnknownRole {
        /// What the document is called.
        document: String,
        /// The role that was asked for.
        role: String,
        /// The roles it has.
        roles: Vec<String>,
        /// The role that was probably meant.
        nearest: Option<String>,
    },
    /// The document has several roles, and no role was given.
    #[error("`{document}` has several roles; choose one of: {}", .roles.join(", "))]
    WhichRole {
        /// What the document is called.
        document: String,
        /// The roles it has.
        roles: Vec<String>,
    },
    /// The policy itself is wrong. [`Document::render`] shows where.
    #[error("invalid policy in `{document}`: {}", summary(.diagnostics))]
    Invalid {
        /// What the document is called.
        document: String,
        /// Everything that was said about it, warnings included.
        diagnostics: Vec<Diagnostic>,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|role| format!(" (did you mean `{role}`?)")).unwrap_or_default()
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
    match errors.first() {
        Some(first) => format!("line {}: {}{more}", first.primary.line, crate::text::visible(&first.message)),
        None => "unknown reason".to_owned(),
    }
}

impl Document {
    pub(crate) fn new(
        name: &str,
        source: &str,
        root: Node,
        diagnostics: Vec<Diagnostic>,
        repairs: Vec<Repair>,
        layout: Layout,
    ) -> Self {
        Self { name: name.to_owned(), source: source.to_owned(), root, diagnostics, repairs, layout }
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its data, with places.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Warnings and notes from reading, never errors. See [`Self::lint`] for its policies.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Its data without places. What YAML 1.1 and 1.2 read differently, such as `yes`, is text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.root.to_json()
    }

    /// Messages about this document, with excerpts.
    #[must_use]
    pub fn render(&self, diagnostics: &[Diagnostic], style: Style) -> String {
        render(&self.name, &self.source, diagnostics, style)
    }

    /// The names of the roles it has policies for, in the order of the document.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        roles::names(&self.root)
    }

    /// The default role: the base of the others, or the only one.
    #[must_use]
    pub fn default_role(&self) -> Option<String> {
        roles::default_name(&self.root)
    }

    /// The policy of a role; `None` means [`Self::default_role`].
    ///
    /// The names of the built-in roles are understood: `ci` finds `ci_servers`.
    ///
    /// # Errors
    /// When there is no such role, or its policy is wrong.
    pub fn policy(&self, role: Option<&str>) -> Result<Policy, PolicyError> {
        self.policy_with_notes(role).map(|(policy, _)| policy)
    }

    /// The policy of a role, with what was noticed while reading it: text that was not understood, above all.
    ///
    /// # Errors
    /// As [`Self::policy`].
    pub fn policy_with_notes(&self, role: Option<&str>) -> Result<(Policy, Vec<Diagnostic>), PolicyError> {
        roles::policy(self, role)
    }

    /// The listed hosts, with their last known facts.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostEntry> {
        roles::hosts(self)
    }

    /// All errors, warnings and notes about the policies of all roles.
    #[must_use]
    pub fn lint(&self) -> Vec<Diagnostic> {
        roles::lint(self)
    }

    /// The document as strict YAML that any parser takes: the same data, with the comments kept.
    #[must_use]
    pub fn to_strict_yaml(&self) -> String {
        format::strict(self)
    }
}
