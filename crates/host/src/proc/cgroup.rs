//! `/proc/PID/cgroup` (cgroups(7)), and the systemd units in its paths (systemd `src/basic/cgroup-util.c`).

use super::lines;
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// The cgroups of a process. Paths are as the kernel prints them: that of a removed cgroup ends in ` (deleted)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The path in the unified hierarchy (`0::PATH`).
    pub v2: Option<String>,
    /// The version 1 hierarchies: controllers (`memory`, `cpu,cpuacct`, `name=systemd`) and path.
    pub v1: Vec<(String, String)>,
}

impl Membership {
    /// The path in systemd's hierarchy: `name=systemd` on a version 1 or hybrid host, else the unified one.
    pub fn systemd_path(&self) -> Option<&str> {
        self.v1
            .iter()
            .find(|(controllers, _)| controllers == "name=systemd")
            .map(|(_, path)| path.as_str())
            .or(self.v2.as_deref())
    }
}

/// Parses `/proc/PID/cgroup`; the file of a zombie is empty on old kernels.
///
/// # Errors
/// A line is not `ID:CONTROLLERS:PATH` with an absolute path.
pub fn parse(bytes: &[u8]) -> Result<Membership, ParseError> {
    let mut out = Membership::default();
    for (number, line) in lines(bytes) {
        if line.is_empty() {
            continue;
        }
        let bad = |what| ParseError::new(number, what, line);
        let mut parts = line.splitn(3, |&b| b == b':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("not ID:CONTROLLERS:PATH"));
        };
        let id: u32 = super::number(id).ok_or_else(|| bad("the hierarchy id is not a number"))?;
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

/// The unit of the system manager that a cgroup path belongs to: the first component after the slices. Cgroups below a unit
/// (`Delegate=`) belong to that unit.
///
/// `/system.slice/ssh.service` gives `ssh.service`; everything under `user@1000.service` gives `user@1000.service`; a process
/// directly in a slice, or in a cgroup of a container manager, has no unit.
pub fn unit_of(path: &str) -> Option<&str> {
    first_unit(path).map(|(unit, _)| unit)
}

/// The unit of a user manager that a cgroup path belongs to: [`unit_of`] below `user@UID.service`.
pub fn user_unit_of(path: &str) -> Option<&str> {
    let (manager, below) = first_unit(path)?;
    let uid = manager.strip_prefix("user@")?.strip_suffix(".service")?;
    if uid.is_empty() || !uid.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    first_unit(below).map(|(unit, _)| unit)
}

/// The most specific unit: that of the user manager if any, else that of the system manager. The `init.scope` of a user
/// manager counts as its service.
pub fn nearest_unit(path: &str) -> Option<&str> {
    user_unit_of(path).filter(|unit| *unit != "init.scope").or_else(|| unit_of(path))
}

/// The first component that is not a slice, if it is a unit, and the rest of the path.
fn first_unit(path: &str) -> Option<(&str, &str)> {
    let mut rest = path.strip_suffix(" (deleted)").unwrap_or(path);
    loop {
        rest = rest.trim_start_matches('/');
        let (component, after) = rest.split_once('/').unwrap_or((rest, ""));
        // systemd prefixes `_` to names that collide with files of the kernel.
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
