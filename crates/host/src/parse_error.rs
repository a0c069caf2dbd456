//! Where and why bytes are not what a reader expects.

/// Bytes that a reader did not expect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}: {raw:?}")]
pub struct ParseError {
    /// 1-based; 0 is the whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// The bytes, cut and escaped.
    pub raw: String,
}
