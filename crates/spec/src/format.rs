//! Strict YAML.
use crate::document::Document;
pub(crate) fn strict(document: &Document) -> String {
    document.source.clone()
}
