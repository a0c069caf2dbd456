//! `oom_protection.processes`: rules that name keepers among the processes.

use super::config::each;
use super::partial::At;
use super::values;
use crate::diagnostic::Sink;
use crate::node::Node;
use crate::policy::ProcessRule;
use crate::text::quoted;

/// The kernel's TASK_COMM_LEN without the zero at its end.
const MAX_COMMAND_BYTES: usize = 15;
const EXAMPLE: &str = "write for example `- {exe: /usr/bin/screen, score: -800}`";

/// Reads the list; what is wrong with a rule is reported, and the rule left out.
pub(super) fn read(node: &Node, sink: &mut Sink<'_>) -> Vec<At<ProcessRule>> {
    let Some(items) = node.items() else {
        if !node.is_null() {
            let message = format!("`processes` must be a list of rules, not {}", node.kind());
            sink.error("wrong-kind", &node.range, message, EXAMPLE);
        }
        return Vec::new();
    };
    items.iter().filter_map(|item| rule(item, sink)).collect()
}

fn rule(node: &Node, sink: &mut Sink<'_>) -> Option<At<ProcessRule>> {
    let (mut exe, mut command, mut user, mut cgroup, mut score) = (None, None, None, None, None);
    let (mut named, mut scored, mut sound) = (false, false, node.entries().is_some());
    let keys = ["exe", "command", "user", "cgroup", "score"];
    each(node, "a process rule", &keys, sink, |entry, sink| {
        let key = entry.key.text.as_str();
        if key == "score" {
            scored = true;
            score = values::score(&entry.value, sink);
            return;
        }
        named |= key != "user";
        let read = word(key, &entry.value, sink);
        sound &= read.is_some();
        match key {
            "exe" => exe = read,
            "command" => command = read,
            "user" => user = read,
            _ => cgroup = read,
        }
    });
    if sound && !named {
        let message = "the rule matches no process: add `exe`, `command` or `cgroup`".to_owned();
        sink.error("no-process", &node.range, message, EXAMPLE);
        return None;
    }
    if sound && !scored {
        let message = "the rule has no score".to_owned();
        sink.error("no-score", &node.range, message, "add for example `score: -800`");
    }
    let value = ProcessRule { exe, command, user, cgroup, score: score? };
    sound.then(|| At { value, range: node.range.clone() })
}

fn word(key: &str, node: &Node, sink: &mut Sink<'_>) -> Option<String> {
    let text = node.text().filter(|_| !node.is_null()).unwrap_or_default();
    match problem(key, text) {
        None => Some(text.to_owned()),
        Some((problem, help)) => {
            sink.error("process-rule", &node.range, format!("the {key} {} {problem}", quoted(text)), help);
            None
        }
    }
}

fn problem(key: &str, text: &str) -> Option<(&'static str, &'static str)> {
    let plain_path = |text: &str| {
        text.starts_with('/') && text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."))
    };
    let long = text.len() > 1024;
    match key {
        _ if text.chars().any(oomguard_text::is_unsafe) || long => {
            Some(("is too long or contains an unprintable character", "write it as `ps` shows it"))
        }
        "exe" => (!plain_path(text)).then_some((
            "is not an absolute path without `..` and `//`",
            "write it as `readlink /proc/PID/exe` shows it, such as `/usr/bin/screen`",
        )),
        "cgroup" => (!plain_path(text)).then_some((
            "is not a cgroup path",
            "write it as /proc/PID/cgroup shows it, such as `/user.slice/user-1000.slice`",
        )),
        "command" => (text.is_empty() || text.len() > MAX_COMMAND_BYTES).then_some((
            "is not a process name (1 to 15 bytes)",
            "write it as /proc/PID/comm shows it, such as `tmux: server`",
        )),
        _ => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
            let sound =
                !text.is_empty() && text.len() <= 32 && !text.starts_with('-') && text.chars().all(allowed);
            (!sound).then_some(("is not a user name or UID", "write it as `id` shows it, such as `build`"))
        }
    }
}

/// What is readable and still probably not meant.
pub(super) fn lint(rule: &At<ProcessRule>, sink: &mut Sink<'_>) {
    let At { value, range } = rule;
    if value.score.get() >= 0 {
        return;
    }
    if value.exe.is_none() && value.command.is_none() {
        let message =
            "this rule protects everything in the cgroup, including processes started later".to_owned();
        sink.warning(
            "protected-cgroup",
            range,
            message,
            "add `exe` or `command`: protect the keeper, not the load",
        );
    } else if value.exe.is_none() && value.user.is_none() && value.cgroup.is_none() {
        let message = "any user can give a process this name and gain protection".to_owned();
        sink.warning("name-only", range, message, "add `exe`, `user` or `cgroup`");
    }
}
