//! `/proc/PID/cgroup` (cgroups(7)), and the systemd units in its paths (systemd `src/basic/cgroup-util.c`).

use super::lines;
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// The cgroups that one process is in. Paths are as the kernel prints them: a removed cgroup's ends in ` (deleted)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The path in the unified hierarchy (`0::PATH`).
    pub v2: Option<String>,
    /// The version 1 hierarchies: controllers (`memory`, `cpu,cpuacct`, `name=systemd`) and path.
    pub v1: Vec<(String, String)>,
}

impl Membership {
    /// The path in the hierarchy that systemd sorts processes into:
    /// `name=systemd` on a version 1 or hybrid host, else the unified one.
    pub fn systemd_path(&self) -> Option<&str> {
        self.v1
            .iter()
            .find(|(controllers, _)| controllers == "name=systemd")
            .map(|(_, path)| path.as_str())
            .or(self.v2.as_deref())
    }
}

/// Reads `/proc/PID/cgroup`; an empty file (a zombie on an old kernel) is no membership.
///
/// # Errors
/// A line is not `ID:CONTROLLERS:PATH` with a path from `/`.
pub fn parse(bytes: &[u8]) -> Result<Membership, ParseError> {
    let mut out = Membership::default();
    for (number, line) in lines(bytes) {
        if line.is_empty() {
            continue;
        }
        let bad = |what| ParseError::new(number, what, line);
        let mut parts = line.splitn(3, |&b| b == b':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("is not ID:CONTROLLERS:PATH"));
        };
        let id: u32 = super::number(id).ok_or_else(|| bad("the hierarchy has no number"))?;
        if path.first() != Some(&b'/') {
            return Err(bad("the cgroup path does not begin with /"));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if id == 0 && controllers.is_empty() {
            out.v2 = Some(text(path));
        } else {
            out.v1.push((text(controllers), text(path)));
        }
    }
    Ok(out)
}

/// The system manager's unit that a cgroup path belongs to, as systemd reads it: the slices first, then the unit.
/// What a unit makes below itself (`Delegate=`) stays that unit's.
///
/// `/system.slice/ssh.service` is `ssh.service`; anything under `user@1000.service` is `user@1000.service`;
/// a process directly in a slice or in a container manager's own cgroup has none.
pub fn unit_of(path: &str) -> Option<&str> {
    first_unit(path).map(|(unit, _)| unit)
}

/// The unit of a *user's* manager that a cgroup path belongs to: what [`unit_of`] is below `user@UID.service`.
pub fn user_unit_of(path: &str) -> Option<&str> {
    let (manager, below) = first_unit(path)?;
    let uid = manager.strip_prefix("user@")?.strip_suffix(".service")?;
    if uid.is_empty() || !uid.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    first_unit(below).map(|(unit, _)| unit)
}

/// The unit that says most about what a process is: the user's own unit where there is one, else the system's. A user
/// manager itself (its `init.scope`) is its service.
pub fn nearest_unit(path: &str) -> Option<&str> {
    user_unit_of(path).filter(|unit| *unit != "init.scope").or_else(|| unit_of(path))
}

/// The first component that is no slice, where it is a unit, and what follows it.
fn first_unit(path: &str) -> Option<(&str, &str)> {
    let mut rest = path.strip_suffix(" (deleted)").unwrap_or(path);
    loop {
        rest = rest.trim_start_matches('/');
        let (component, after) = rest.split_once('/').unwrap_or((rest, ""));
        // systemd puts `_` before names that the kernel would take for its own files.
        let name = component.strip_prefix('_').unwrap_or(component);
        if is_unit(name, &["slice"]) {
            rest = after;
            continue;
        }
        return is_unit(name, &["service", "scope", "socket", "mount", "swap"]).then_some((name, after));
    }
}

/// Whether `name` is a valid unit name of one of the types (systemd.unit(5)).
fn is_unit(name: &str, types: &[&str]) -> bool {
    let Some((stem, suffix)) = name.rsplit_once('.') else {
        return false;
    };
    let valid = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
    types.contains(&suffix)
        && !stem.is_empty()
        && !stem.starts_with('@')
        && name.len() <= 255
        && stem.bytes().all(valid)
}
