//! `oomguard agent`: the daemon. Its log goes to standard error, a line for each thing that happens.

use std::path::Path;
use std::sync::{Arc, Mutex};

use oomguard_agent::run::{AgentError, Loaded, NotLoaded, Surroundings};
use oomguard_converge::layout;
use oomguard_host::Host;
use oomguard_host::files::sha256;
use oomguard_spec::{Builtin, builtin};

use crate::args::{self, PolicyArgs};
use crate::failure::{Failure, code};
use crate::policy_source::{builtin_role, bytes};

pub fn run(args: &args::Agent, host: &Host) -> Result<u8, Failure> {
    // A wrong name on the command line is told at once; a broken document is the agent's to live with.
    if let (None, Some(role)) = (&args.policy.spec, &args.policy.role) {
        builtin_role(role)?;
    }
    let mut load = || load(&args.policy);
    let around = Surroundings {
        version: env!("CARGO_PKG_VERSION"),
        load: &mut load,
        lines: Arc::new(Mutex::new(std::io::stderr())),
        port: (args.port > 0).then_some(args.port),
        textfile: args.textfile.as_ref().map(|dir| dir.display().to_string()),
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
fn load(args: &PolicyArgs) -> Result<Loaded, NotLoaded> {
    let saved = Path::new(layout::AGENT_POLICY);
    match (&args.spec, &args.role) {
        (Some(path), role) => document(path, role.as_deref()),
        (None, Some(role)) => role
            .parse()
            .map(built_in)
            .map_err(|e| NotLoaded { name: format!("built-in role {role}"), why: format!("{e}") }),
        (None, None) if saved.symlink_metadata().is_ok() => document(saved, None),
        (None, None) => Ok(built_in(Builtin::Workstation)),
    }
}

fn built_in(role: Builtin) -> Loaded {
    let name = format!("built-in role {}", role.name());
    Loaded { policy: builtin::policy(role), name, digest: sha256(builtin::source(role).as_bytes()) }
}

fn document(path: &Path, role: Option<&str>) -> Result<Loaded, NotLoaded> {
    let name = path.display().to_string();
    let not = |why: String| NotLoaded { name: name.clone(), why };
    let bytes = bytes(path).map_err(|e| not(format!("it cannot be read: {e}")))?;
    let document = oomguard_spec::read(&name, &bytes).map_err(|rejected| {
        let first = rejected.diagnostics.iter().find(|said| said.severity == oomguard_spec::Severity::Error);
        not(first.map_or_else(
            || "it cannot be read".to_owned(),
            |first| format!("line {}: {}", first.primary.line, first.message),
        ))
    })?;
    let policy = document.policy(role).map_err(|e| not(e.to_string()))?;
    Ok(Loaded { policy, name: name.clone(), digest: sha256(&bytes) })
}
