//! The command in /usr/local/bin, for whoever logs in, and the agent's program beside it, which `apply` there would install.
//! The agent that runs has a copy of its own, which is part of the plan.

use oomguard_host::files::{Access, Kind, parent, temp_sibling};
use oomguard_host::program_file::ProgramFile;
use oomguard_host::{Host, HostError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use oomguard_converge::apply::Session;
use oomguard_converge::layout;

const MODE: u32 = 0o755;

/// What is in the command's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InPlace {
    /// This program and the agent's of the same version, root's, for everybody to run.
    This,
    /// Something else.
    Other,
    /// Nothing.
    Nothing,
}

/// Looks what is in the command's place.
///
/// # Errors
/// When it cannot be read.
pub fn in_place(host: &Host) -> Result<InPlace, HostError> {
    if host.lstat(layout::COMMAND)?.is_none() {
        return Ok(InPlace::Nothing);
    }
    let [agent, command] = programs(host).map(|(file, path)| is_in_place(host, file.as_ref(), path));
    Ok(if agent? && command? { InPlace::This } else { InPlace::Other })
}

/// Both programs with their places. The agent's comes first: a command that is in place has its agent.
fn programs(host: &Host) -> [(Option<ProgramFile>, &'static str); 2] {
    [(host.agent_file(), layout::COMMAND_AGENT), (host.command_file(), layout::COMMAND)]
}

/// An agent's program that is not known here has no place: one of another version must not stand for it.
fn is_in_place(host: &Host, file: Option<&ProgramFile>, path: &str) -> Result<bool, HostError> {
    let Some(there) = host.lstat(path)? else { return Ok(file.is_none()) };
    let is_ours = there.kind == Kind::File && there.mode == MODE && there.uid == host.trusted_uid();
    file.map_or(Ok(false), |file| Ok(is_ours && file.is_at(host, path)?))
}

/// Puts this program and the agent's in their places, where they are not yet; whether it did.
///
/// The session holds the host's lock. Each is written and durable under a hidden name before it takes its own: whenever
/// power is cut, the old program is there or the new one, and the next call removes what was left under the hidden name.
///
/// # Errors
/// When one cannot be written; what was in its place is there then.
pub fn install(session: &Session<'_>) -> Result<bool, HostError> {
    put(session.host())
}

fn put(host: &Host) -> Result<bool, HostError> {
    let mut changed = false;
    for (file, path) in programs(host) {
        let hidden = temp_sibling(path);
        host.remove_file(&hidden)?;
        if is_in_place(host, file.as_ref(), path)? {
            continue;
        }
        changed = true;
        let Some(file) = file else {
            host.remove_file(path)?;
            continue;
        };
        host.create_dirs(parent(path))?;
        let access = Access { mode: MODE, owner: None };
        let done = file.copy_to(host, &hidden, access).and_then(|_| host.rename_over(&hidden, path));
        if let Err(error) = done {
            // What failed is said; half a program on a full disk would only take room.
            let _ = host.remove_file(&hidden);
            return Err(error);
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn whatever_was_there_it_is_this_program_afterwards_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::write(&program, "this program").unwrap();
        let host = Host::folder(dir.path()).with_current_exe(&program);
        let place = dir.path().join("usr/local/bin/oomguard");
        let hidden = dir.path().join("usr/local/bin/.oomguard.oomguard-new");
        assert_eq!(in_place(&host).unwrap(), InPlace::Nothing);
        assert!(put(&host).unwrap());
        let made = fs::metadata(&place).unwrap();
        assert_eq!(made.mode() & 0o7777, 0o755);
        assert!(!put(&host).unwrap(), "it was there");
        assert_eq!(fs::metadata(&place).unwrap().ino(), made.ino());

        // Another version; half of one that a power cut left; a mode with which nobody runs it; a link.
        fs::write(&place, "another").unwrap();
        fs::write(&hidden, "this pro").unwrap();
        assert_eq!(in_place(&host).unwrap(), InPlace::Other);
        assert!(put(&host).unwrap() && !hidden.exists());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(put(&host).unwrap());
        fs::remove_file(&place).unwrap();
        symlink(&program, &place).unwrap();
        assert!(put(&host).unwrap() && fs::symlink_metadata(&place).unwrap().is_file());
        assert_eq!(fs::read_to_string(&program).unwrap(), "this program");

        // Cut between the copy and its name: the next one goes on.
        fs::remove_file(&place).unwrap();
        fs::write(&hidden, "this program").unwrap();
        assert!(put(&host).unwrap() && !hidden.exists());

        // With an agent's program that is known, both are put; one of another version does not stand for it.
        let agent = dir.path().join("agent");
        let agents_place = dir.path().join("usr/local/bin/oomguard-agent");
        fs::write(&agent, "its agent").unwrap();
        let both = host.clone().with_agent_program(&agent);
        assert_eq!(in_place(&both).unwrap(), InPlace::Other);
        assert!(put(&both).unwrap() && !put(&both).unwrap());
        assert_eq!(in_place(&both).unwrap(), InPlace::This);
        assert_eq!(fs::read_to_string(&agents_place).unwrap(), "its agent");
        fs::write(&agents_place, "another agent").unwrap();
        assert!(put(&both).unwrap());
        assert_eq!(fs::read_to_string(&agents_place).unwrap(), "its agent");
        fs::remove_file(&agent).unwrap();
        assert!(put(&both).unwrap() && !agents_place.exists(), "an agent of another version is taken away");

        // What cannot be written leaves nothing.
        fs::remove_file(&place).unwrap();
        fs::create_dir_all(place.join("in the way")).unwrap();
        assert!(put(&host).is_err() && !hidden.exists());
    }
}
