//! The command in /usr/local/bin: this program, for whoever logs in. The agent has a copy of its own, which is part of the plan.

use oomguard_host::files::{Access, Kind, parent, temp_sibling};
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
    /// This program, root's, for everybody to run.
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
    let Some(there) = host.lstat(layout::COMMAND)? else { return Ok(InPlace::Nothing) };
    let is_ours = there.kind == Kind::File && there.mode == MODE && there.uid == host.trusted_uid();
    if is_ours && host.has_current_exe() && host.is_current_exe(layout::COMMAND)? {
        return Ok(InPlace::This);
    }
    Ok(InPlace::Other)
}

/// Puts this program in the command's place, where it is not yet; whether it did.
///
/// The session holds the host's lock. It is written and durable under a hidden name before it takes its own: whenever power
/// is cut, the old command is there or the new one, and the next call removes what was left under the hidden name.
///
/// # Errors
/// When it cannot be written; the command is the old one then.
pub fn install(session: &Session<'_>) -> Result<bool, HostError> {
    put(session.host())
}

fn put(host: &Host) -> Result<bool, HostError> {
    let hidden = temp_sibling(layout::COMMAND);
    host.remove_file(&hidden)?;
    if in_place(host)? == InPlace::This {
        return Ok(false);
    }
    host.create_dirs(parent(layout::COMMAND))?;
    let access = Access { mode: MODE, owner: None };
    let done =
        host.copy_current_exe(&hidden, access).and_then(|_| host.rename_over(&hidden, layout::COMMAND));
    if let Err(error) = done {
        // What failed is said; half a program on a full disk would only take room.
        let _ = host.remove_file(&hidden);
        return Err(error);
    }
    Ok(true)
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

        // What cannot be written leaves nothing.
        fs::remove_file(&place).unwrap();
        fs::create_dir_all(place.join("in the way")).unwrap();
        assert!(put(&host).is_err() && !hidden.exists());
    }
}
