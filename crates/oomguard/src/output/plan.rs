//! A plan for a person: every change in order, files as diffs.

use oomguard_converge::Plan;
use oomguard_converge::change::Change;
use oomguard_converge::diff;
use oomguard_spec::size::Bytes;

use super::lines::wrap;
use super::{Paint, Terminal, counted};

/// A plan with everything that a person needs before saying yes. `next` is the command that applies it.
pub fn text(plan: &Plan, next: &str, terminal: &Terminal) -> String {
    if plan.is_empty() {
        return format!(
            "{}\n",
            terminal.paint(Paint::Green, "Nothing to change: this host matches the policy.")
        );
    }
    let mut text = changes(plan);
    for note in &plan.notes {
        text.push_str(&format!("{}\n", wrap(&format!("Note: {note}"), 0, Some(terminal.width()))));
    }
    for refusal in &plan.refusals {
        let head = terminal.paint(Paint::Red, "Refused:");
        text.push_str(&format!("{head} {}\n  -> {}\n", refusal.reason, refusal.advice));
    }
    text.push_str(&format!(
        "{} in {}. Digest {}\n",
        counted(plan.changes.len(), "change"),
        counted(plan.steps.len(), "step"),
        plan.digest
    ));
    if !plan.refusals.is_empty() {
        text.push_str("`apply` would change nothing until this is settled.\n");
    } else if !next.is_empty() {
        text.push_str(&format!("`sudo {next}` does it.\n"));
    }
    text
}

/// The changes of a plan, numbered.
pub fn changes(plan: &Plan) -> String {
    plan.changes.iter().enumerate().map(|(at, change)| format!("{:>2}. {}", at + 1, one(change))).collect()
}

/// A change in one line.
#[cfg(feature = "fleet")]
pub fn line(change: &Change) -> String {
    one(change).lines().next().unwrap_or_default().to_owned()
}

fn one(change: &Change) -> String {
    match change {
        Change::SwapCreate { path, size, priority, zeros, nocow } => {
            let how = if *zeros { "written zeros" } else { "fallocate" };
            let nocow = if *nocow { ", no copy-on-write" } else { "" };
            let priority =
                priority.map_or_else(|| "the kernel's priority".to_owned(), |p| format!("priority {p}"));
            format!(
                "create the swap file {path} of {}\n    by {how}{nocow}, mode 0600; then mkswap, swapon with {priority}\n",
                Bytes(*size)
            )
        }
        Change::SwapOn { path, .. } => format!("swapon {path}\n"),
        Change::SwapOff { path } => format!("swapoff {path}\n"),
        Change::SwapRetire { path } => {
            format!("swapoff {path}, when memory has room for it; delete the file\n")
        }
        Change::FileWrite { path, before, after, why } => {
            let verb = if before.is_some() { "change" } else { "create" };
            format!(
                "{verb} {path}\n    {why}\n{}",
                indented(&diff::unified(path, before.as_ref(), Some(after)))
            )
        }
        Change::FileRemove { path, before, why } => {
            format!("delete {path}\n    {why}\n{}", indented(&diff::unified(path, Some(before), None)))
        }
        Change::ProgramInstall { path, sha256, length } => {
            format!("copy the agent's program to {path}\n    {length} bytes, SHA-256 {sha256}; mode 0755\n")
        }
        Change::ProgramRemove { path } => format!("delete the agent's program {path}\n"),
        Change::LinkPut { path, target, why } => format!("link {path} -> {target}\n    {why}\n"),
        Change::LinkRemove { path, target } => format!("delete the link {path} -> {target}\n"),
        Change::AgentStart => "systemctl restart oomguard-agent.service\n".to_owned(),
        Change::AgentStop => "systemctl stop oomguard-agent.service\n".to_owned(),
        Change::DirRemove { path } => format!("delete the folder {path}, if it is empty\n"),
        Change::Sysctl { key, from, to } => format!("write {key}: {from} -> {to}\n"),
        Change::ReloadSystem => "systemctl daemon-reload\n".to_owned(),
        Change::ReloadUserManager { pid, .. } => format!("reload the user manager with pid {pid} (SIGHUP)\n"),
        Change::Score { pid, comm, from, to, why, .. } => {
            format!("write /proc/{pid}/oom_score_adj of {comm}: {from} -> {to}\n    by {why}\n")
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("      {line}\n")).collect()
}
