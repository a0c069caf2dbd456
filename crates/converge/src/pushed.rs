//! Programs that were pushed to this host, or installed for its agent, and that nothing needs any more.

use oomguard_host::{Host, HostError};

use crate::layout;

/// Removes them: all in the agent's folder but the one that runs, the one of the agent's unit, and those that a record of
/// the journal names, which an undoing may start again. It gives the names of those that are gone.
///
/// Only while the host is not changed by others: who has just pushed a program would have to do so again.
///
/// # Errors
/// When the folder or the journal cannot be read, or a program cannot be removed.
pub fn remove_unused(host: &Host) -> Result<Vec<String>, HostError> {
    let dir = layout::AGENT_PROGRAM_DIR;
    let mut kept_by = vec![host.read_if_there(layout::AGENT_UNIT)?.unwrap_or_default()];
    for id in host.names_in(layout::JOURNAL_DIR)? {
        let record = format!("{}/{id}/record.json", layout::JOURNAL_DIR);
        kept_by.push(host.read_if_there(&record)?.unwrap_or_default());
    }
    let mut removed = Vec::new();
    for name in host.names_in(dir)?.into_iter().filter(|name| is_program(name)) {
        let path = format!("{dir}/{name}");
        let named = kept_by.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(&name));
        if !named && !host.is_own_program(&path)? {
            host.remove_file(&path)?;
            removed.push(name);
        }
    }
    Ok(removed)
}

fn is_program(name: &str) -> bool {
    let hash = name.strip_prefix("oomguard-").unwrap_or_default();
    hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_names_goes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let names = ["0", "1", "2", "3"].map(|digit| format!("oomguard-{}", digit.repeat(12)));
        for name in &names {
            write(&layout::agent_program(&name["oomguard-".len()..]), name);
        }
        write(&format!("{}/oomguard-notes", layout::AGENT_PROGRAM_DIR), "somebody's own");
        write("/own", &names[0]);
        write(layout::AGENT_UNIT, &format!("ExecStart={}/{} agent\n", layout::AGENT_PROGRAM_DIR, names[1]));
        write("/var/lib/oomguard/journal/1/record.json", &format!("{{\"path\": \"{}\"}}", names[2]));
        let host = Host::folder(dir.path()).with_own_program(&dir.path().join("own"));
        assert_eq!(remove_unused(&host).unwrap(), [names[3].clone()]);
        assert_eq!(remove_unused(&host).unwrap(), Vec::<String>::new());
        assert_eq!(host.names_in(layout::AGENT_PROGRAM_DIR).unwrap().len(), 4);
    }
}
