//! What to do about text that YAML rejects.

use granit_parser::ErrorKind;

/// The next step for a syntax error.
pub(crate) fn help(kind: &ErrorKind, line: &str) -> &'static str {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => "indent with spaces: YAML does not allow tabs there",
        ErrorKind::UnclosedQuotedScalar => "add the closing quote",
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            "quote the whole value, or remove the quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } => "quote the value: this character is reserved in YAML",
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd => "check that every `[` and `{` is closed",
        ErrorKind::UnknownAnchor => {
            "define it first with `&name`, or quote the value if it is text that starts with `*`"
        }
        ErrorKind::RecursionLimitExceeded => "use fewer levels; the maximum is 64",
        ErrorKind::UnknownQuotedScalarEscape => "write `\\\\` for a backslash, or use single quotes",
        _ if line.matches(": ").count() > 1 => "quote the value: it contains a colon followed by a space",
        _ => "check the indentation of this line and the one before it",
    }
}

/// Whether what comes after this error can still be read on its own.
pub(crate) fn can_go_on(kind: &ErrorKind) -> bool {
    !matches!(
        kind,
        ErrorKind::UnclosedQuotedScalar
            | ErrorKind::UnclosedFlowCollection { .. }
            | ErrorKind::RecursionLimitExceeded
            | ErrorKind::UnknownAnchor
    )
}
