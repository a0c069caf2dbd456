//! Programs that were pushed to this host, or installed for its agent, and that nothing needs any more: commands and agents.

use std::time::Duration;

use oomguard_host::files::Kind;
use oomguard_host::{Host, HostError};
use sha2::{Digest, Sha256};

use oomguard_converge::layout;

/// Removes them: all in the agent's directory but the command that runs and its agent, the one of the agent's unit, and
/// those that a record of the journal names, which a rollback may start again. Returns the names of those that are gone.
///
/// Only while the host is not changed by others: who has just pushed a program would have to do so again.
///
/// # Errors
/// When the folder or the journal cannot be read, or a program cannot be removed.
pub fn remove_unused(host: &Host) -> Result<Vec<String>, HostError> {
    let dir = layout::AGENT_PROGRAM_DIR;
    let mut kept_by = vec![host.read_optional(layout::AGENT_UNIT)?.unwrap_or_default()];
    for id in host.list_dir(layout::HISTORY_DIR)? {
        let record = format!("{}/{id}/record.json", layout::HISTORY_DIR);
        kept_by.push(host.read_optional(&record)?.unwrap_or_default());
    }
    let mut removed = Vec::new();
    for name in host.list_dir(dir)?.into_iter().filter(|name| is_program(name)) {
        let path = format!("{dir}/{name}");
        let named = kept_by.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(&name));
        if !named && !is_in_use(host, &path)? {
            host.remove_file(&path)?;
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Whether it is the command that runs, or its agent.
fn is_in_use(host: &Host, path: &str) -> Result<bool, HostError> {
    for file in [host.command_file(), host.agent_file()].into_iter().flatten() {
        if file.is_at(host, path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes old programs from an ordinary user's own directory, ~/.cache/oomguard: all but `own`, the names of the command
/// that runs and of its agent, and of the other commands and agents the one each that was pushed last. Returns the names
/// of those that are gone.
///
/// What is not a file of this user whose name is that of a program, and says the SHA-256 of its bytes, is somebody else's
/// and stays.
///
/// # Errors
/// When the folder or a program cannot be read, or a program cannot be removed.
pub fn remove_old_copies(host: &Host, dir: &str, own: &[&str]) -> Result<Vec<String>, HostError> {
    let mut removed = remove_old(host, dir, own, layout::is_command_name, layout::command_name)?;
    removed.extend(remove_old(host, dir, own, layout::is_agent_name, layout::agent_name)?);
    Ok(removed)
}

fn remove_old(
    host: &Host,
    dir: &str,
    own: &[&str],
    is_program: fn(&str) -> bool,
    name_of: fn(&str) -> String,
) -> Result<Vec<String>, HostError> {
    const OTHERS: usize = 1;
    let Some(folder) = host.lstat(dir)? else { return Ok(Vec::new()) };
    let mut others: Vec<(Duration, String)> = Vec::new();
    for name in
        host.list_dir(dir)?.into_iter().filter(|name| is_program(name) && !own.contains(&name.as_str()))
    {
        let path = format!("{dir}/{name}");
        let ours = host.lstat(&path)?.is_some_and(|meta| meta.kind == Kind::File && meta.uid == folder.uid);
        if ours && let Some(time) = host.modified(&path)? {
            others.push((time, name));
        }
    }
    others.sort_unstable();
    let old = others.len().saturating_sub(OTHERS);
    let mut removed = Vec::new();
    for (_, name) in others.into_iter().take(old) {
        let path = format!("{dir}/{name}");
        let hash: String =
            Sha256::digest(host.read(&path)?).iter().map(|byte| format!("{byte:02x}")).collect();
        if name_of(&hash) == name {
            host.remove_file(&path)?;
            removed.push(name);
        }
    }
    Ok(removed)
}

fn is_program(name: &str) -> bool {
    layout::is_command_name(name) || layout::is_agent_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_ordinary_users_copies_the_newest_two_stay_and_nothing_of_somebody_else_goes() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("home/dev/.cache/oomguard");
        std::fs::create_dir_all(&dir).unwrap();
        let put = |name: &str, text: &str, age: u64| {
            std::fs::write(dir.join(name), text).unwrap();
            let file = std::fs::File::options().write(true).open(dir.join(name)).unwrap();
            let time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
            file.set_modified(time).unwrap();
            name.to_owned()
        };
        let program = |text: &str, age: u64| {
            let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            put(&layout::command_name(&hash), text, age)
        };
        let agent = |text: &str, age: u64| {
            let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            put(&layout::agent_name(&hash), text, age)
        };
        let [own_agent, new_agent, old_agent] =
            [("own agent", 900), ("new agent", 50), ("old agent", 60)].map(|(text, age)| agent(text, age));
        let [own, newest, older, oldest] = [("own", 400), ("newest", 100), ("older", 200), ("oldest", 500)]
            .map(|(text, age)| program(text, age));
        // Names like ours, and no names like ours.
        let changed = put(&format!("oomguard-{}", "0".repeat(12)), "not what its name says", 900);
        let notes = put("oomguard-notes", "somebody's own", 900);
        let half = put(".oomguard-77.new", "a push in hand", 900);
        let link = format!("oomguard-{}", "a".repeat(12));
        std::os::unix::fs::symlink("/etc/passwd", dir.join(&link)).unwrap();
        let host = Host::folder(root.path());
        let clean = || remove_old_copies(&host, "/home/dev/.cache/oomguard", &[&own, &own_agent]).unwrap();
        let mut gone = clean();
        gone.sort();
        let mut expected = vec![older, oldest, old_agent];
        expected.sort();
        assert_eq!(gone, expected);
        assert_eq!(clean(), Vec::<String>::new());
        for name in [own.clone(), own_agent, newest, new_agent, changed, notes, half, link] {
            assert!(dir.join(&name).symlink_metadata().is_ok(), "{name} is gone");
        }
        assert_eq!(remove_old_copies(&host, "/nowhere", &[&own]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn only_what_nothing_names_goes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let names = ["0", "1", "2", "3"].map(|digit| format!("oomguard-{}", digit.repeat(12)));
        let agents = ["4", "5", "6", "7"].map(|digit| layout::agent_name(&digit.repeat(64)));
        for name in names.iter().chain(&agents) {
            write(&format!("{}/{name}", layout::AGENT_PROGRAM_DIR), name);
        }
        write(&format!("{}/oomguard-notes", layout::AGENT_PROGRAM_DIR), "somebody's own");
        write("/own", &names[0]);
        write("/own-agent", &agents[0]);
        write(layout::AGENT_UNIT, &format!("ExecStart={}/{}\n", layout::AGENT_PROGRAM_DIR, agents[1]));
        let record = |name: &str| format!("{{\"path\": \"{name}\"}}");
        write("/var/lib/oomguard/journal/1/record.json", &record(&agents[2]));
        write("/var/lib/oomguard/journal/2/record.json", &record(&names[1]));
        let host = Host::folder(dir.path())
            .with_current_exe(&dir.path().join("own"))
            .with_agent_program(&dir.path().join("own-agent"));
        let mut gone = remove_unused(&host).unwrap();
        gone.sort();
        assert_eq!(gone, [names[2].clone(), names[3].clone(), agents[3].clone()]);
        assert_eq!(remove_unused(&host).unwrap(), Vec::<String>::new());
        assert_eq!(host.list_dir(layout::AGENT_PROGRAM_DIR).unwrap().len(), 6);
    }
}
