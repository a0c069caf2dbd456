//! The agent on a host, from files and /proc: which program it is, whether it starts at boot, whether it runs.

use oomguard_host::Host;
use oomguard_host::files::Kind;
use oomguard_host::program_file::ProgramFile;
use oomguard_spec::policy::Policy;
use serde::Serialize;

use super::processes::Processes;
use super::unread::Unread;
use crate::layout;

/// The agent on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgentFacts {
    /// The agent's program of this version; `None` when it was not found, or the policy wants no agent.
    pub program: Option<Program>,
    /// Where that program was looked for in vain; empty when it was found, or is not known here (a folder).
    pub searched: Vec<String>,
    /// What the link that starts it at boot points to.
    pub link: Option<String>,
    /// The agent that runs.
    pub running: Option<Running>,
    /// Whether systemd runs the host, so that a service can be started.
    pub booted: bool,
}

/// The program that the agent is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Where it is, or will be.
    pub path: String,
    /// What must be put there; `None`: it is there.
    pub missing: Option<Content>,
}

/// What a program is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub length: u64,
}

/// The agent that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Its process.
    pub pid: i32,
    /// Its program; only root sees it.
    pub exe: Option<String>,
    /// The SHA-256 of the policy document that it has read.
    pub policy: Option<String>,
}

pub(super) fn read(
    host: &Host,
    policy: &Policy,
    processes: &Processes,
    unread: &mut Vec<Unread>,
) -> AgentFacts {
    let file = policy.wants_agent().then(|| host.agent_file()).flatten();
    let mut searched = Vec::new();
    if policy.wants_agent() && file.is_none() {
        searched.extend(host.agent_candidates().iter().map(|path| path.display().to_string()));
    }
    if !searched.is_empty() {
        let why = format!("not found at {}", searched.join(" and at "));
        unread.push(Unread::new(
            "the agent's program, oomguard-agent",
            why,
            "whether the agent is this version",
        ));
    }
    let program = file.and_then(|file| match program(host, &file) {
        Ok(program) => Some(program),
        Err(e) => {
            unread.push(Unread::new("the agent's program", e, "whether the agent is this version"));
            None
        }
    });
    AgentFacts {
        program,
        searched,
        link: host.link_target(layout::AGENT_WANTS),
        running: running(host, processes),
        booted: matches!(host.lstat("/run/systemd/system"), Ok(Some(_))),
    }
}

/// Compared byte by byte with what is there, which is quicker than a hash; a name proves nothing.
fn program(host: &Host, file: &ProgramFile) -> oomguard_host::Result<Program> {
    for name in host.list_dir(layout::AGENT_PROGRAM_DIR)?.iter().filter(|name| layout::is_agent_name(name)) {
        let path = format!("{}/{name}", layout::AGENT_PROGRAM_DIR);
        let sound = host.lstat(&path)?.is_some_and(|meta| {
            meta.kind == Kind::File && meta.uid == host.trusted_uid() && meta.mode & 0o022 == 0
        });
        if sound && file.is_at(host, &path)? {
            return Ok(Program { path, missing: None });
        }
    }
    let (sha256, length) = file.sha256()?;
    Ok(Program { path: layout::agent_program(&sha256), missing: Some(Content { sha256, length }) })
}

fn running(host: &Host, processes: &Processes) -> Option<Running> {
    let is_agent = |unit: &Option<String>| unit.as_deref() == Some(layout::AGENT_UNIT_NAME);
    let pid = processes.list.iter().find(|process| is_agent(&process.unit))?.pid;
    let digest = host.read(layout::AGENT_POLICY_DIGEST).ok();
    Some(Running {
        pid,
        exe: host.proc_dir().ok().and_then(|dir| dir.exe(pid)),
        policy: digest.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()),
    })
}
