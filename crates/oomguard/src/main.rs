//! The command: arguments, output, exit codes. What it does is done in the rooms below it.

mod args;
mod commands;
mod failure;
mod output;
mod policy_source;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::Cli;
use failure::code;
use output::Terminal;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe must not turn `oomguard --help | head` into an error.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { code::AS_IT_SHOULD_BE } else { code::USAGE });
        }
    };
    let mut terminal = Terminal::new(cli.color);
    match commands::run(cli, &mut terminal) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(terminal.fail(&failure)),
    }
}
