//! What two documents ask differently, for a person.

use oomguard_spec::difference::{Comparison, OfRole};

/// A setting a line, by role.
pub fn text(comparison: &Comparison) -> String {
    let (before, after) = (visible(&comparison.before), visible(&comparison.after));
    if comparison.same {
        return format!("{before} and {after} ask the same.\n");
    }
    comparison.roles.iter().map(|role| of_role(role, &before, &after)).collect()
}

fn of_role(role: &OfRole, before: &str, after: &str) -> String {
    let mut text = match (&role.before, &role.after) {
        (Some(one), Some(other)) if one == other => format!("{}\n", visible(one)),
        (Some(one), Some(other)) => {
            format!("{} of {before} and {} of {after}\n", visible(one), visible(other))
        }
        (Some(one), None) => format!("{}: only in {before}\n", visible(one)),
        (None, other) => format!("{}: only in {after}\n", visible(other.as_deref().unwrap_or_default())),
    };
    if role.differences.is_empty() {
        text.push_str("  the same\n");
    }
    let widest = role.differences.iter().map(|one| one.setting.chars().count()).max().unwrap_or(0);
    for one in &role.differences {
        let value =
            |value: &Option<String>| value.as_deref().map_or_else(|| "not asked for".to_owned(), visible);
        let (is, was) = (value(&one.after), value(&one.before));
        text.push_str(&format!("  {:<widest$}  {was} -> {is}\n", visible(&one.setting)));
    }
    text
}

/// What a document says, without what would steer the terminal.
fn visible(text: &str) -> String {
    oomguard_text::shown(text, 200)
}
