//! The roles of a document, and the policy of each.

mod config;
pub(crate) mod hosts;
mod lint;
mod monitoring;
mod partial;
mod processes;
mod requirements;
pub(crate) mod values;

use std::ops::Range;

use crate::builtin::Builtin;
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, PolicyError};
use crate::node::Node;
use crate::policy::Policy;
use crate::text::{LineIndex, nearest};
use hosts::HostEntry;
use partial::Partial;

/// The role name of a top-level policy without a `role`.
const UNNAMED: &str = "default";
/// The role that the others of `deployment_requirements` build on.
const BASE: &str = "all_servers";

/// Where a role's policy stands.
struct Role<'a> {
    name: String,
    range: Range<usize>,
    form: Form<'a>,
    base: bool,
}

enum Form<'a> {
    /// A `memory_config` mapping.
    Config(&'a Node),
    /// An entry of `deployment_requirements`.
    Requirements(&'a Node),
}

fn find(root: &Node) -> Vec<Role<'_>> {
    let mut found: Vec<Role<'_>> = Vec::new();
    for entry in root.entries().unwrap_or_default() {
        let nested = |entry: &crate::node::Entry| entry.value.get("memory_config").is_some();
        match entry.key.text.as_str() {
            "memory_config" => {
                let name =
                    root.get("role").and_then(Node::text).filter(|name| !name.is_empty()).unwrap_or(UNNAMED);
                found.push(Role {
                    name: name.to_owned(),
                    range: entry.key_range.clone(),
                    form: Form::Config(&entry.value),
                    base: true,
                });
            }
            "deployment_requirements" => {
                found.extend(entry.value.entries().unwrap_or_default().iter().map(|role| Role {
                    name: role.key.text.clone(),
                    range: role.key_range.clone(),
                    form: Form::Requirements(&role.value),
                    base: role.key.text == BASE,
                }))
            }
            key => {
                let holders = match key {
                    "roles" => entry.value.entries().unwrap_or_default(),
                    _ => std::slice::from_ref(entry),
                };
                found.extend(holders.iter().filter(|holder| nested(holder)).filter_map(|holder| {
                    let form = Form::Config(holder.value.get("memory_config")?);
                    Some(Role {
                        name: holder.key.text.clone(),
                        range: holder.key_range.clone(),
                        form,
                        base: false,
                    })
                }));
            }
        }
    }
    // The same name twice (`roles.ci` and `deployment_requirements.ci`): the first one counts, and lint says so.
    found
}

pub(crate) fn names(root: &Node) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for role in find(root) {
        if !names.contains(&role.name) {
            names.push(role.name);
        }
    }
    names
}

pub(crate) fn default_name(root: &Node) -> Option<String> {
    let roles = find(root);
    let base = roles.iter().find(|role| role.base);
    let only = roles.first().filter(|_| roles.len() == 1);
    base.or(only).map(|role| role.name.clone())
}

/// The role of that name, or the one that a built-in role's name stands for.
fn resolve_role(asked: &str, roles: &[String]) -> Option<String> {
    if let Some(role) = roles.iter().find(|role| *role == asked) {
        return Some(role.clone());
    }
    let meant = asked.parse::<Builtin>().ok()?;
    let mut same = roles.iter().filter(|role| role.parse() == Ok(meant));
    same.next().filter(|_| same.next().is_none()).cloned()
}

pub(crate) fn policy(
    document: &Document,
    asked: Option<&str>,
) -> Result<(Policy, Vec<Diagnostic>), PolicyError> {
    let root = &document.root;
    let name = document.name.clone();
    let roles = names(root);
    if roles.is_empty() {
        return Err(PolicyError::NoPolicy { document: name });
    }
    let chosen = match asked {
        Some(asked) => resolve_role(asked, &roles).ok_or_else(|| PolicyError::UnknownRole {
            document: name.clone(),
            role: asked.to_owned(),
            nearest: nearest(asked, roles.iter().map(String::as_str)).map(str::to_owned),
            roles: roles.clone(),
        })?,
        None => default_name(root)
            .ok_or_else(|| PolicyError::WhichRole { document: name.clone(), roles: roles.clone() })?,
    };
    let lines = LineIndex::new(&document.source);
    let mut sink = Sink::new(&lines);
    let policy = gather(root, &chosen, &mut sink).finish(&mut sink);
    let failed = sink.has_errors();
    let diagnostics = sink.finish();
    if failed { Err(PolicyError::Invalid { document: name, diagnostics }) } else { Ok((policy, diagnostics)) }
}

/// What a document states for a role: its own words over those of the base.
fn gather(root: &Node, name: &str, sink: &mut Sink<'_>) -> Partial {
    let roles = find(root);
    let Some(role) = roles.iter().find(|role| role.name == name) else { return Partial::default() };
    let same_form =
        |other: &&Role<'_>| matches!(other.form, Form::Config(_)) == matches!(role.form, Form::Config(_));
    let base = roles.iter().filter(same_form).find(|other| other.base && other.name != role.name);
    let own = match role.form {
        Form::Config(node) => config::read(node, sink),
        Form::Requirements(node) => requirements::role(root, node, sink),
    };
    let base = match base.map(|base| &base.form) {
        Some(Form::Config(node)) => config::read(node, sink),
        Some(Form::Requirements(node)) => requirements::role(root, node, sink),
        None => Partial::default(),
    };
    match role.form {
        Form::Config(_) => own.over(base),
        Form::Requirements(_) => {
            requirements::minimum_is_size(own.over(base).over(requirements::common(root, sink)))
        }
    }
}

pub(crate) fn hosts(document: &Document) -> Vec<HostEntry> {
    let lines = LineIndex::new(&document.source);
    hosts::read(&document.root, &lines, &names(&document.root), &mut Sink::new(&lines))
}

pub(crate) fn lint(document: &Document) -> Vec<Diagnostic> {
    let lines = LineIndex::new(&document.source);
    let mut sink = Sink::new(&lines);
    let root = &document.root;
    for (number, role) in find(root).iter().enumerate() {
        let first = find(root).into_iter().position(|other| other.name == role.name);
        if first != Some(number) {
            let message = format!("the role `{}` is defined twice; the first definition is used", role.name);
            sink.warning("repeated-role", &role.range, message, "merge the two definitions");
            continue;
        }
        let partial = gather(root, &role.name, &mut sink);
        partial.finish(&mut sink);
        lint::role(&role.name, &partial, &mut sink);
    }
    lint::document(root, &document.source, &mut sink);
    hosts::read(root, &lines, &names(root), &mut sink);
    sink.finish()
}
