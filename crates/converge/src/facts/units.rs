//! What systemd is told about scores: unit files, drop-ins, and the files that are ours.

use std::collections::BTreeMap;

use oomguard_host::Host;
use oomguard_host::unit_file::{self, UnitFile};
use oomguard_spec::policy::Policy;
use serde::Serialize;

use super::unread::Unread;
use crate::blob::Blob;
use crate::layout;

/// Highest first, see systemd.unit(5).
const SYSTEM_DIRS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const USER_DIRS: [&str; 4] =
    ["/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];
const CONF_DIRS: [&str; 4] = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];
const OWN_NAME: &str = "50-oomguard.conf";

/// What systemd is told about scores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitFacts {
    /// By unit name, without the star of a pattern: what the unit says.
    pub scores: BTreeMap<String, UnitScore>,
    /// What the user manager gives to what it starts, when somebody says so.
    pub user_default: Option<Setting>,
    /// Every file on the host that is ours, by path.
    pub managed_files: BTreeMap<String, Blob>,
}

/// What one unit says about its score.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitScore {
    /// Whether there is a unit file, not only drop-ins.
    pub installed: bool,
    /// The `OOMScoreAdjust=` that wins.
    pub score: Option<Setting>,
}

/// A setting, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The file.
    pub path: String,
    /// 1-based.
    pub line: usize,
    /// As it is written.
    pub value: String,
}

impl Setting {
    /// The setting as a score.
    #[must_use]
    pub fn score(&self) -> Option<i32> {
        self.value.trim().parse().ok()
    }
}

pub(super) fn read(
    host: &Host,
    policy: &Policy,
    systemd: Option<u32>,
    unread: &mut Vec<Unread>,
) -> UnitFacts {
    let mut facts = UnitFacts::default();
    if let Some(protection) = &policy.oom_protection {
        let named = protection.services.keys().chain(protection.expendable.keys());
        let mut names: Vec<String> = named.map(|pattern| pattern.as_str().replace('*', "")).collect();
        names.push("user@.service".to_owned());
        for name in names {
            let score = unit_score(host, &name, unread);
            facts.scores.insert(name, score);
        }
    }
    let new = systemd.is_none_or(|version| version >= layout::since::DEFAULT_OOM_SCORE_ADJUST);
    facts.user_default = if new { manager_default(host, unread) } else { type_default(host, unread) };
    for path in own_paths(host) {
        match host.read_optional(&path) {
            Ok(Some(bytes)) => drop(facts.managed_files.insert(path, Blob(bytes))),
            Ok(None) => {}
            Err(e) => unread.push(Unread::new(path, e, "whether it matches the policy")),
        }
    }
    facts
}

/// What the unit of a live process says about its score.
pub(super) fn unit_score(host: &Host, unit: &str, unread: &mut Vec<Unread>) -> UnitScore {
    // An instance has its template's file and drop-ins too.
    let template =
        unit.split_once('@').and_then(|(name, rest)| Some(format!("{name}@.{}", rest.rsplit_once('.')?.1)));
    let main = [Some(unit.to_owned()), template]
        .into_iter()
        .flatten()
        .find_map(|name| main_file(host, &name, unread));
    let installed = main.is_some();
    let mut files: Vec<(String, UnitFile)> = main.into_iter().collect();
    files.extend(drop_ins(host, &SYSTEM_DIRS, &unit_file::drop_in_dirs(unit), unread));
    UnitScore { installed, score: effective(&files, "Service", "OOMScoreAdjust") }
}

fn main_file(host: &Host, name: &str, unread: &mut Vec<Unread>) -> Option<(String, UnitFile)> {
    SYSTEM_DIRS.iter().find_map(|dir| read_unit(host, format!("{dir}/{name}"), unread))
}

/// The drop-ins for a unit: a name in a higher folder hides the same name in a lower one, then by name.
/// `folders` are the drop-in folder names, the most general first.
fn drop_ins(
    host: &Host,
    dirs: &[&str],
    folders: &[String],
    unread: &mut Vec<Unread>,
) -> Vec<(String, UnitFile)> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for folder in folders {
        for dir in dirs.iter().rev() {
            let path = format!("{dir}/{folder}");
            for name in host.list_dir(&path).unwrap_or_default() {
                if name.ends_with(".conf") {
                    by_name.insert(name.clone(), format!("{path}/{name}"));
                }
            }
        }
    }
    by_name.into_values().filter_map(|path| read_unit(host, path, unread)).collect()
}

fn manager_default(host: &Host, unread: &mut Vec<Unread>) -> Option<Setting> {
    let main = CONF_DIRS.iter().find_map(|dir| read_unit(host, format!("{dir}/user.conf"), unread));
    let mut files: Vec<(String, UnitFile)> = main.into_iter().collect();
    files.extend(drop_ins(host, &CONF_DIRS, &["user.conf.d".to_owned()], unread));
    effective(&files, "Manager", "DefaultOOMScoreAdjust")
}

fn type_default(host: &Host, unread: &mut Vec<Unread>) -> Option<Setting> {
    let files = drop_ins(host, &USER_DIRS, &["service.d".to_owned()], unread);
    effective(&files, "Service", "OOMScoreAdjust")
}

fn effective(files: &[(String, UnitFile)], section: &str, key: &str) -> Option<Setting> {
    let found = unit_file::effective(files, section, key)?;
    Some(Setting { path: found.path, line: found.line, value: found.value })
}

fn read_unit(host: &Host, path: String, unread: &mut Vec<Unread>) -> Option<(String, UnitFile)> {
    match host.read_optional(&path) {
        Ok(bytes) => bytes.map(|bytes| (path, unit_file::parse(&bytes))),
        Err(e) => {
            unread.push(Unread::new(path, e, "whether it sets a score"));
            None
        }
    }
}

/// Where files of ours may be: the fixed ones, and the drop-in of any service.
fn own_paths(host: &Host) -> Vec<String> {
    let fixed =
        [layout::SYSCTL, layout::USER_LOAD, layout::USER_LOAD_OLD, layout::AGENT_UNIT, layout::AGENT_POLICY];
    let mut paths: Vec<String> = fixed.map(str::to_owned).into();
    let system = SYSTEM_DIRS[0];
    let folders = host.list_dir(system).unwrap_or_default();
    let drop_ins = folders.iter().filter(|name| name.ends_with(".d"));
    paths.extend(drop_ins.map(|name| format!("{system}/{name}/{OWN_NAME}")));
    paths
}
