//! One event as one line for journald.

use serde_json::Value;

use crate::event::Entry;

/// The line, with its end: `<2>event=oom_kill message="..." comm=rustc pid=812 ...`.
///
/// `<N>` is the priority (sd-daemon(3)); journald removes it. Unknown fields are left out.
#[must_use]
pub fn line(entry: &Entry) -> String {
    let mut line = format!("<{}>event={}", entry.level.priority(), entry.event.kind());
    push(&mut line, "message", &Value::from(entry.message.as_str()));
    if let Ok(Value::Object(fields)) = serde_json::to_value(&entry.event) {
        for (key, value) in fields.iter().filter(|(key, _)| *key != "kind") {
            push(&mut line, key, value);
        }
    }
    line.push('\n');
    line
}

fn push(line: &mut String, key: &str, value: &Value) {
    match value {
        Value::Null => return,
        // An enum variant with a value, such as `{"signal": 9}`.
        Value::Object(fields) => {
            for (name, value) in fields {
                push(line, &format!("{key}_{name}"), value);
            }
            return;
        }
        _ => {}
    }
    line.push(' ');
    line.push_str(key);
    line.push('=');
    match value {
        Value::String(text) if is_plain(text) => line.push_str(text),
        // JSON's escapes cover control characters and quotes.
        other => line.push_str(&other.to_string()),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@+%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::one_of_each;
    use crate::event::{Constraint, Event};

    #[test]
    fn docs_show_the_real_lines() {
        let docs = std::fs::read_to_string("../../docs/commands.md").unwrap();
        let unit = Some("session-5.scope".into());
        let (pid, comm) = (452, "tmux: server".into());
        let protected = Event::KeeperProtected { pid, comm, unit: unit.clone(), from: 0, to: -800 };
        let fixed = Event::LeakFixed { pid: 453, comm: "bash".into(), unit, from: -800, to: 0 };
        for event in [protected, fixed] {
            let line = line(&Entry::new(event, 0));
            let (_, shown) = line.trim_end().split_once('>').unwrap();
            assert!(docs.contains(&format!("\n    {shown}\n")), "{shown}");
        }
    }

    #[test]
    fn an_oom_kill_with_all_fields() {
        let entry = Entry::new(one_of_each().remove(0), 0);
        assert_eq!(
            line(&entry),
            "<2>event=oom_kill message=\"the kernel killed rustc (pid 812, oom_score_adj 0): /a reached its memory limit\" \
             cgroup=/a/b comm=rustc constraint=memcg limited_cgroup=/a pid=812 rss_bytes=3221225472 score=0 uid=1000\n"
        );
    }

    #[test]
    fn a_hostile_name_adds_no_line_and_no_key() {
        for raw in ["a\nevent=agent_stopped", "\" pid=1", "x=1 y", "", "\u{1b}[2J", "a\\"] {
            let kill = Event::OomKill {
                pid: 7,
                comm: raw.into(),
                uid: None,
                score: None,
                rss_bytes: None,
                constraint: Constraint::Unknown,
                limited_cgroup: None,
                cgroup: None,
            };
            let line = line(&Entry::new(kill, 0));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.trim_end().chars().any(char::is_control), "{line:?}");
            // Outside of quotes each key stands once.
            let mut outside = String::new();
            let mut quoted = false;
            let mut escaped = false;
            for c in line.chars() {
                match c {
                    '"' if !escaped => quoted = !quoted,
                    _ if !quoted => outside.push(c),
                    _ => {}
                }
                escaped = c == '\\' && !escaped;
            }
            assert!(!quoted, "{line}");
            assert_eq!(outside.matches("pid=").count(), 1, "{line}");
            assert_eq!(outside.matches("event=").count(), 1, "{line}");
        }
    }

    #[test]
    fn a_line_starts_with_its_priority() {
        for event in one_of_each() {
            let entry = Entry::new(event, 0);
            assert!(line(&entry).starts_with(&format!("<{}>event=", entry.level.priority())));
        }
    }
}
