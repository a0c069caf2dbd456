use oomguard_spec::{Diagnostic, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tool;
use crate::call::Call;
use crate::error::ToolError;
use crate::fit::List;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckSpec {
    /// The path of the document in an allowed folder. Pass either this or `text`.
    document: Option<String>,
    /// The document itself.
    text: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Whether the document has no errors.
    valid: bool,
    /// The roles that the document defines.
    roles: Vec<String>,
    diagnostics: Vec<Problem>,
}

/// A problem of a document.
#[derive(Debug, Serialize, JsonSchema)]
struct Problem {
    /// error, warning or note.
    severity: String,
    /// The stable code of this kind of problem.
    code: String,
    /// What is wrong.
    message: String,
    /// The line, from 1.
    line: u32,
    /// The column, from 1.
    column: u32,
    /// How to fix it.
    help: Option<String>,
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: format!("{:?}", diagnostic.severity).to_lowercase(),
            code: diagnostic.code.to_owned(),
            message: diagnostic.message.clone(),
            line: diagnostic.primary.line,
            column: diagnostic.primary.column,
            help: diagnostic.help.clone(),
        }
    }
}

impl Tool for CheckSpec {
    const NAME: &'static str = "check_spec";
    const TITLE: &'static str = "Check a cspec document";
    const DESCRIPTION: &'static str = "Checks a cspec document, given as text or as a path, and returns errors, warnings and notes with line and column. Use it \
         after writing or editing a document. Read-only.";
    const LIST: List = List::Paged("/diagnostics");
    type Output = Output;

    fn run(self, call: &Call) -> Result<Output, ToolError> {
        let read = match (&self.document, &self.text) {
            (Some(path), None) => call.config.folders.document(path)?,
            (None, Some(text)) => oomguard_spec::read("document", text.as_bytes()),
            _ => return Err(ToolError::new("pass either `document` or `text`")),
        };
        let (diagnostics, roles) = match read {
            Ok(document) => {
                let mut diagnostics = document.diagnostics().to_vec();
                diagnostics.extend(document.lint());
                (diagnostics, document.roles())
            }
            Err(rejected) => (rejected.diagnostics, Vec::new()),
        };
        let valid = !diagnostics.iter().any(|one| one.severity == Severity::Error);
        Ok(Output { valid, roles, diagnostics: diagnostics.iter().map(Problem::from).collect() })
    }
}
