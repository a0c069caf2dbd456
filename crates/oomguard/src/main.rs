//! The command: arguments, output, exit status. The work is done by the crates below it.

mod args;
mod cli;
mod commands;
mod failure;
mod output;
mod policy_source;
mod replace;
mod since;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use cli::Cli;
use failure::{Failure, code};
use output::Terminal;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if !asked {
                Terminal::new(args::Color::Auto).usage(&error);
                return ExitCode::from(code::USAGE);
            }
            let failed = match error.print() {
                // `oomguard --help | head` is no error.
                Err(unwritten) if unwritten.kind() != std::io::ErrorKind::BrokenPipe => Some(unwritten),
                _ => None,
            };
            return ExitCode::from(match failed {
                Some(unwritten) => Terminal::new(args::Color::Auto)
                    .fail(&Failure::error(format!("cannot write the output: {unwritten}"))),
                None => code::SUCCESS,
            });
        }
    };
    let mut terminal = Terminal::new(cli.global.color);
    match commands::run(cli.command, &mut terminal) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(terminal.fail(&failure)),
    }
}
