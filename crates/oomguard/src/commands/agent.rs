//! `oomguard agent`: runs `oomguard-agent`, the daemon's own program, in place of this one.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use oomguard_host::Host;
use oomguard_host::program_file::AGENT;

use crate::args::PolicyArgs;
use crate::failure::Failure;

/// Run the daemon that keeps protection in force
///
/// Runs the program oomguard-agent, which `apply` installs as a service. It protects keepers as they start, removes
/// inherited protection from their children, records memory use, and serves events and metrics. Needs root.
#[derive(Debug, Args)]
pub struct Agent {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Serve metrics and /healthz on this port of 127.0.0.1 (0: off)
    #[arg(long, value_name = "PORT", default_value_t = oomguard_agent::http::PORT)]
    port: u16,
    /// Also write metrics for the textfile collector of node_exporter
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    textfile: Option<PathBuf>,
}

impl Agent {
    pub fn run(&self) -> Result<u8, Failure> {
        run(self, &Host::live())
    }
}

fn run(args: &Agent, host: &Host) -> Result<u8, Failure> {
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
fn words(args: &Agent) -> Vec<OsString> {
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
