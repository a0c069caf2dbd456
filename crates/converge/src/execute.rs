//! One step on a machine. Each looks again at what it is about to change, and is durable when it returns.

#![deny(clippy::wildcard_enum_match_arm, reason = "a step without an arm would be recorded as done")]

use oomguard_host::files::{Access, temp_sibling};
use oomguard_host::proc::{meminfo, oom_score_adj, stat, swaps};
use oomguard_host::swapfile::{Allocation, LABEL};
use oomguard_host::{Host, HostError, swap_header};

use crate::blob::Blob;
use crate::facts::swap::has_room_for;
use crate::facts::sysctl;
use crate::layout;
use crate::step::Step;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The machine said no.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The host is not as it was when the plan was made.
    #[error("{0} has changed since the plan was made; it was left as it is")]
    Changed(String),
    /// A swap did not come on.
    #[error("swapon succeeded, but /proc/swaps does not list {0}")]
    NotOn(String),
    /// A swap did not go off.
    #[error("swapoff succeeded, but /proc/swaps still lists {0}")]
    StillOn(String),
    /// Memory has no room for what is in a swap.
    #[error(
        "{used} bytes of {path} are in use, and memory and the other swap no longer have room for them with a fifth to spare"
    )]
    NoRoom {
        /// The swap.
        path: String,
        /// What it holds.
        used: u64,
    },
    /// A file that is about to be deleted is not ours.
    #[error("{0} does not have oomguard's label; it was left as it is")]
    NotOurs(String),
    /// The new fstab has errors that the old one does not have.
    #[error("findmnt does not accept the new /etc/fstab: {0}; the old one is unchanged")]
    Fstab(String),
    /// The kernel took another value than it was given.
    #[error("{what} is {is} after {wanted} was written")]
    NotTaken {
        /// What was written.
        what: String,
        /// What was written to it.
        wanted: String,
        /// What it is now.
        is: String,
    },
}

/// Does one step. `progress` receives the bytes done of a long one.
///
/// # Errors
/// When it was not done; what the step would change is then as it was.
pub fn execute(host: &Host, step: &Step<'_>, progress: &mut dyn FnMut(u64)) -> Result<(), StepError> {
    match *step {
        Step::SwapCreateTemporary { path, nocow } => Ok(host.swapfile_create(&temp_sibling(path), nocow)?),
        Step::SwapAllocate { path, size, zeros } => {
            let how = if zeros { Allocation::Zeros } else { Allocation::Fallocate };
            Ok(host.swapfile_allocate(&temp_sibling(path), size, how, progress)?)
        }
        Step::SwapFormat { path } => Ok(host.swapfile_format(&temp_sibling(path))?),
        Step::SwapPublish { path } => Ok(host.rename_noreplace(&temp_sibling(path), path)?),
        Step::SwapOn { path, priority } => swap_on(host, path, priority),
        Step::SwapOff { path } => swap_off(host, path),
        Step::SwapDelete { path } => swap_delete(host, path),
        Step::FilePrepare { path, before, after } => file_prepare(host, path, before, after),
        Step::FilePlace { path, before } => {
            unchanged(host, path, before)?;
            Ok(host.rename_over(&temp_sibling(path), path)?)
        }
        Step::FileRemove { path, before } => {
            unchanged(host, path, Some(before))?;
            Ok(host.remove_file(path)?)
        }
        Step::DirRemove { path } => Ok(host.remove_dir_if_empty(path).map(drop)?),
        Step::ProgramPrepare { path, sha256 } => program_prepare(host, path, sha256),
        Step::ProgramPlace { path } => Ok(host.rename_over(&temp_sibling(path), path)?),
        Step::ProgramRemove { path } => Ok(host.remove_file(path)?),
        Step::LinkPut { path, target } => {
            host.create_dirs(oomguard_host::files::parent(path))?;
            Ok(host.replace_symlink(path, target)?)
        }
        Step::LinkRemove { path, target } => link_remove(host, path, target),
        Step::AgentStart => agent(host, "restart"),
        Step::AgentStop => agent(host, "stop"),
        Step::Sysctl { key, to } => set_sysctl(host, key, to),
        Step::ReloadSystem => reload_system(host),
        Step::ReloadUserManager { pid, start_time } => {
            if is_same_process(host, pid, start_time) {
                Ok(host.hang_up(pid)?)
            } else {
                Ok(())
            }
        }
        Step::Score { pid, start_time, comm: _, to } => set_score(host, pid, start_time, to),
    }
}

fn areas(host: &Host) -> Result<Vec<swaps::SwapArea>, HostError> {
    let path = "/proc/swaps";
    swaps::parse(&host.read(path)?).map_err(|source| HostError::Content { path: path.to_owned(), source })
}

fn is_on(host: &Host, path: &str) -> Result<bool, HostError> {
    Ok(areas(host)?.iter().any(|area| area.path == path))
}

fn swap_on(host: &Host, path: &str, priority: Option<i16>) -> Result<(), StepError> {
    if is_on(host, path)? {
        return Ok(());
    }
    host.swap_on(path, priority)?;
    if is_on(host, path)? { Ok(()) } else { Err(StepError::NotOn(path.to_owned())) }
}

/// Looks at the memory again: the plan may be minutes old.
fn swap_off(host: &Host, path: &str) -> Result<(), StepError> {
    let areas = areas(host)?;
    let Some(area) = areas.iter().find(|area| area.path == path) else { return Ok(()) };
    let meminfo = "/proc/meminfo";
    let memory = meminfo::parse(&host.read(meminfo)?)
        .map_err(|source| HostError::Content { path: meminfo.to_owned(), source })?;
    let others = areas.iter().filter(|other| other.path != path);
    let free = others.map(|other| other.size.saturating_sub(other.used)).sum();
    if !has_room_for(area.used, &memory, free) {
        return Err(StepError::NoRoom { path: path.to_owned(), used: area.used });
    }
    host.swap_off(path)?;
    if is_on(host, path)? { Err(StepError::StillOn(path.to_owned())) } else { Ok(()) }
}

fn swap_delete(host: &Host, path: &str) -> Result<(), StepError> {
    let head = match host.read_head(path, 64 << 10) {
        Ok(head) => head,
        Err(e) if e.is_not_found() => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    if swap_header::parse(&head).is_ok_and(|header| header.label == LABEL) {
        Ok(host.remove_file(path)?)
    } else {
        Err(StepError::NotOurs(path.to_owned()))
    }
}

fn file_prepare(host: &Host, path: &str, before: Option<&Blob>, after: &Blob) -> Result<(), StepError> {
    unchanged(host, path, before)?;
    let access = match host.lstat(path)? {
        Some(meta) => Access { mode: meta.mode, owner: Some((meta.uid, meta.gid)) },
        None => Access { mode: 0o644, owner: None },
    };
    host.create_dirs(oomguard_host::files::parent(path))?;
    let new = temp_sibling(path);
    host.write_new(&new, &after.0, access)?;
    if path == layout::FSTAB
        && let Err(e) = verify_fstab(host, &new)
    {
        host.remove_file(&new)?;
        return Err(e);
    }
    Ok(())
}

fn unchanged(host: &Host, path: &str, before: Option<&Blob>) -> Result<(), StepError> {
    let now = host.read_optional(path)?;
    if now.as_deref() == before.map(|blob| blob.0.as_slice()) {
        Ok(())
    } else {
        Err(StepError::Changed(path.to_owned()))
    }
}

/// findmnt(8) must not find an error in the new file that it does not find in the old one.
fn verify_fstab(host: &Host, new: &str) -> Result<(), StepError> {
    let verify = |path: &str| {
        let real = host.real(path);
        host.run("findmnt", &["--verify", "--tab-file", &real.to_string_lossy()])
    };
    let after = verify(new)?;
    if after.success || verify(layout::FSTAB).is_ok_and(|before| !before.success) {
        return Ok(());
    }
    let said = [after.stdout, after.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let errors: Vec<&str> = said.lines().map(str::trim).filter(|line| line.contains("[E]")).collect();
    Err(StepError::Fstab(if errors.is_empty() { said.trim().to_owned() } else { errors.join("; ") }))
}

fn set_sysctl(host: &Host, key: &str, to: &str) -> Result<(), StepError> {
    host.write_live(sysctl::LIVE, to.as_bytes())?;
    let is = String::from_utf8_lossy(&host.read(sysctl::LIVE)?).trim().to_owned();
    if is == to {
        return Ok(());
    }
    Err(StepError::NotTaken { what: key.to_owned(), wanted: to.to_owned(), is })
}

/// The agent's program must still be the one that the plan saw, or the unit would name one that does not exist.
fn program_prepare(host: &Host, path: &str, sha256: &str) -> Result<(), StepError> {
    host.create_dirs(oomguard_host::files::parent(path))?;
    let new = temp_sibling(path);
    let changed = || StepError::Changed("the agent's program".to_owned());
    let file = host.agent_file().ok_or_else(changed)?;
    if file.copy_to(host, &new, Access { mode: 0o755, owner: None })? == sha256 {
        return Ok(());
    }
    host.remove_file(&new)?;
    Err(changed())
}

fn link_remove(host: &Host, path: &str, target: &str) -> Result<(), StepError> {
    match host.link_target(path) {
        Some(now) if now == target => Ok(host.remove_file(path)?),
        Some(_) => Err(StepError::Changed(path.to_owned())),
        None => Ok(()),
    }
}

fn agent(host: &Host, verb: &str) -> Result<(), StepError> {
    if host.lstat("/run/systemd/system")?.is_some() {
        host.run_ok("systemctl", &[verb, layout::AGENT_UNIT_NAME])?;
    }
    Ok(())
}

/// A host that is not booted with systemd has nobody to reload.
fn reload_system(host: &Host) -> Result<(), StepError> {
    if host.lstat("/run/systemd/system")?.is_some() {
        host.run_ok("systemctl", &["daemon-reload"])?;
    }
    Ok(())
}

/// A process that has gone needs no score; one that took its number must not get it.
fn set_score(host: &Host, pid: i32, start_time: u64, to: i32) -> Result<(), StepError> {
    if !is_same_process(host, pid, start_time) {
        return Ok(());
    }
    let path = format!("/proc/{pid}/oom_score_adj");
    match host.write_live(&path, to.to_string().as_bytes()) {
        Ok(()) => {}
        Err(_) if !is_same_process(host, pid, start_time) => return Ok(()),
        Err(e) => return Err(e.into()),
    }
    match host.read(&path).ok().and_then(|bytes| oom_score_adj::parse(&bytes).ok()) {
        Some(is) if is != to => {
            Err(StepError::NotTaken { what: path, wanted: to.to_string(), is: is.to_string() })
        }
        _ => Ok(()),
    }
}

/// Whether the process of this number is still the one that was looked at.
pub(crate) fn is_same_process(host: &Host, pid: i32, start_time: u64) -> bool {
    let stat = host.read(&format!("/proc/{pid}/stat")).ok();
    stat.and_then(|bytes| stat::parse(&bytes).ok()).is_some_and(|stat| stat.start_time == start_time)
}
