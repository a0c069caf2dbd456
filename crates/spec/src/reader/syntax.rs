//! What to do about text that YAML rejects.

use granit_parser::ErrorKind;

/// The next step for a syntax error.
pub(crate) fn help(kind: &ErrorKind, line: &str) -> &'static str {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => "indent with spaces: YAML does not allow tabs there",
        ErrorKind::UnclosedQuotedScalar => "end the text with the quote that it begins with",
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            "put the whole value into quotes, or take the quotes away"
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            "put the value into quotes: YAML keeps this character for itself"
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd => "check that every `[` and `{` has its own `]` and `}`",
        ErrorKind::UnknownAnchor => {
            "define it before with `&name`, or put the value into quotes if it begins with a star"
        }
        ErrorKind::RecursionLimitExceeded => "use fewer levels: 64 are read",
        ErrorKind::UnknownQuotedScalarEscape => "write `\\\\` for a backslash, or use single quotes",
        _ if line.matches(": ").count() > 1 => {
            "put the value into quotes: it has a colon followed by a space"
        }
        _ => "check the indentation of this line and of the one before it",
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
