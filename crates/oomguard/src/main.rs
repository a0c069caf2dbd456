//! The command: arguments, output, exit codes. What it does is done in the rooms below it.

mod args;
mod commands;
mod failure;
mod output;
mod policy_source;
mod replace;
mod since;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::Cli;
use failure::{Failure, code};
use output::Terminal;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let failed = match error.print() {
                // `oomguard --help | head` is no error.
                Err(unwritten) if asked && unwritten.kind() != std::io::ErrorKind::BrokenPipe => {
                    Some(unwritten)
                }
                _ => None,
            };
            return ExitCode::from(match failed {
                Some(unwritten) => Terminal::new(args::Color::Auto)
                    .fail(&Failure::error(format!("cannot write the output: {unwritten}"))),
                None if asked => code::AS_IT_SHOULD_BE,
                None => code::USAGE,
            });
        }
    };
    let mut terminal = Terminal::new(cli.color);
    match commands::run(cli, &mut terminal) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(terminal.fail(&failure)),
    }
}
