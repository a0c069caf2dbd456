//! The difference between two versions of a file, as `diff -u` shows it.

use similar::TextDiff;

use crate::blob::Blob;

/// A unified diff of a file; `None` as before or after means that there is no file.
#[must_use]
pub fn unified(path: &str, before: Option<&Blob>, after: Option<&Blob>) -> String {
    let text = |blob: Option<&Blob>| blob.map_or_else(String::new, |blob| shown(&blob.0));
    let name = |blob: Option<&Blob>| if blob.is_some() { path } else { "/dev/null" };
    let (old, new) = (text(before), text(after));
    TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(2)
        .header(name(before), name(after))
        .to_string()
}

/// The text of a file, safe for a terminal. Tabs are written out: lines may differ in nothing else.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\t', "\\t");
    oomguard_text::terminal(&text).into_owned()
}
