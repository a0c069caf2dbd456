//! `oomguard agent`: the daemon. Its log goes to standard error, a line for each thing that happens.

use std::path::Path;

use oomguard_agent::run::{AgentError, Line, Loaded, Surroundings};
use oomguard_converge::layout;
use oomguard_host::Host;
use oomguard_host::files::sha256;
use oomguard_spec::{Builtin, builtin};

use crate::args::{self, PolicyArgs};
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::policy_source::{builtin_role, bytes};

pub fn run(args: &args::Agent, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    // A wrong name on the command line is told at once; a broken document is the agent's to live with.
    if let (None, Some(role)) = (&args.policy.spec, &args.policy.role) {
        builtin_role(role)?;
    }
    let mut load = || load(&args.policy);
    let mut log = |line: &Line<'_>| terminal.note(&format!("{line}\n"));
    let around = Surroundings {
        load: &mut load,
        log: &mut log,
        notify_socket: std::env::var_os("NOTIFY_SOCKET"),
        watchdog_usec: std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok()),
    };
    match oomguard_agent::run::run(host, around) {
        Ok(()) => Ok(code::AS_IT_SHOULD_BE),
        Err(error @ AgentError::NotRoot) => {
            Err(Failure::error(error).hint("`apply` installs it as a service"))
        }
        Err(error) => Err(Failure::error(error)),
    }
}

/// The policy that was asked for; else the one that `apply` saved; else the built-in one.
fn load(args: &PolicyArgs) -> Result<Loaded, String> {
    let saved = Path::new(layout::AGENT_POLICY);
    match (&args.spec, &args.role) {
        (Some(path), role) => document(path, role.as_deref()),
        (None, Some(role)) => built_in(role.parse().map_err(|e| format!("{e}"))?),
        (None, None) if saved.symlink_metadata().is_ok() => document(saved, None),
        (None, None) => built_in(Builtin::Workstation),
    }
}

fn built_in(role: Builtin) -> Result<Loaded, String> {
    let name = format!("built-in role {}", role.name());
    Ok(Loaded { policy: builtin::policy(role), name, digest: sha256(builtin::source(role).as_bytes()) })
}

fn document(path: &Path, role: Option<&str>) -> Result<Loaded, String> {
    let name = path.display().to_string();
    let bytes = bytes(path).map_err(|e| format!("cannot read {name}: {e}"))?;
    let document = oomguard_spec::read(&name, &bytes).map_err(|rejected| {
        let first = rejected.diagnostics.iter().find(|said| said.severity == oomguard_spec::Severity::Error);
        first.map_or_else(
            || format!("{name} cannot be read"),
            |first| format!("{name}:{}: {}", first.primary.line, first.message),
        )
    })?;
    let policy = document.policy(role).map_err(|e| e.to_string())?;
    Ok(Loaded { policy, name, digest: sha256(&bytes) })
}
