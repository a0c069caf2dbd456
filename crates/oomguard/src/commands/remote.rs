//! `oomguard remote`: runs a job from standard input. Another oomguard starts it here over ssh.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use oomguard_converge::change::Change;
use oomguard_converge::{Facts, layout};
use oomguard_fleet::pushed_programs;
use oomguard_fleet::remote::{self, JobError, Program};
use oomguard_host::{Host, signals};
use oomguard_report::{CheckReport, IncidentReport};

use super::{apply, incident};
use crate::args::RootArgs;
use crate::failure::{Failure, code};
use crate::output::{Terminal, check, plan};

/// Do the job on standard input; oomguard runs this on other hosts
#[derive(Debug, Args)]
pub struct Remote {
    /// The agent's program that was sent with this one
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
}

impl Remote {
    pub fn run(&self) -> Result<u8, Failure> {
        run(self.agent.as_deref(), &self.root.host()?)
    }
}

fn run(agent: Option<&Path>, host: &Host) -> Result<u8, Failure> {
    // Whoever sent this program sent the agent's with it. A folder has no agent.
    let host = &match agent {
        Some(agent) if host.is_live() => host.clone().with_agent_program(agent),
        _ => host.clone(),
    };
    // A change that has begun goes to its end when the connection does not.
    signals::ignore_sighup().map_err(|e| Failure::error(format!("cannot ignore SIGHUP: {e}")))?;
    let program = ThisProgram { host, plain: Terminal::plain() };
    remote::run(host, &program, io::stdin().lock(), &mut io::stdout().lock()).map_err(Failure::usage)?;
    remove_old_copies(agent);
    Ok(code::SUCCESS)
}

/// Removes older programs beside this one, where it is an ordinary user's own. An apply cleans up root's directory.
fn remove_old_copies(agent: Option<&Path>) {
    let Ok(own) = std::env::current_exe() else { return };
    let parts = (own.parent().and_then(Path::to_str), own.file_name().and_then(OsStr::to_str));
    let (Some(dir), Some(name)) = parts else { return };
    if dir.ends_with("/oomguard") && dir != layout::AGENT_PROGRAM_DIR {
        // A program that stays does no harm, and the next session tries again.
        let agent = agent.and_then(Path::file_name).and_then(OsStr::to_str);
        let own: Vec<&str> = [name].into_iter().chain(agent).collect();
        let _ = pushed_programs::remove_old_copies(&Host::live(), dir, &own);
    }
}

/// What this program does for a job.
struct ThisProgram<'a> {
    host: &'a Host,
    plain: Terminal,
}

impl Program for ThisProgram<'_> {
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn incidents(&self, since: Option<&str>, boot: Option<i32>) -> Result<IncidentReport, JobError> {
        incident::report(since, boot, self.host).map_err(|failure| JobError::Program(failure.what()))
    }

    fn change_line(&self, change: &Change) -> String {
        plan::line(change)
    }

    fn check_lines(&self, report: &CheckReport, facts: &Facts) -> Vec<String> {
        let text = if report.fine {
            check::text(report, facts, check::Shown::default(), &self.plain)
        } else {
            let differs = report.findings.iter().filter(|finding| finding.severity.differs());
            let (fixed, left): (Vec<_>, Vec<_>) = differs.partition(|finding| finding.fix.is_some());
            let counts = format!("{} would be fixed, {} need a person.\n", fixed.len(), left.len());
            check::found(report, facts, check::Shown::default(), &self.plain) + &counts
        };
        text.lines().map(str::to_owned).collect()
    }

    fn swap_lines(&self) -> Vec<String> {
        let text = apply::swap_status(self.host, &self.plain);
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}
