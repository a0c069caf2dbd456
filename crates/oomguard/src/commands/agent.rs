//! `oomguard agent`: runs `oomguard-agent`, the daemon's own program, in place of this one.

use std::ffi::OsString;

use oomguard_host::Host;
use oomguard_host::program_file::AGENT;

use crate::args;
use crate::failure::Failure;

pub fn run(args: &args::Agent, host: &Host) -> Result<u8, Failure> {
    let Some(program) = host.agent_file() else {
        let candidates = host.agent_candidates();
        let searched: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::error(format!("{AGENT} was not found at {}", searched.join(" or at "))).hint(
            "put the one of this version there; in a checkout, `cargo build --release` makes both programs",
        ));
    };
    // It comes back only when it fails.
    let error = program.exec(&words(args));
    Err(Failure::error(format!("cannot run {}: {error}", program.path().display())))
}

/// The same arguments for the agent's own program.
fn words(args: &args::Agent) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--port".into(), args.port.to_string().into()];
    if let Some(role) = &args.policy.role {
        words.extend(["--role".into(), role.into()]);
    }
    for (option, path) in [("--spec", &args.policy.spec), ("--textfile", &args.textfile)] {
        if let Some(path) = path {
            words.extend([option.into(), path.into()]);
        }
    }
    words
}
