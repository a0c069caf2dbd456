//! `oomguard completions` and `oomguard man`: made from the definition of the command line.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Failure, code};
use crate::output::Terminal;

pub fn completions(shell: Shell, terminal: &mut Terminal) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "oomguard", &mut script);
    terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(code::AS_IT_SHOULD_BE)
}

pub fn man(out: Option<&Path>, terminal: &mut Terminal) -> Result<u8, Failure> {
    match out {
        Some(dir) => {
            let failed =
                |error| Failure::error(format!("cannot write man pages to {}: {error}", dir.display()));
            fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|error| Failure::error(format!("cannot make the man page: {error}")))?;
            terminal.print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(code::AS_IT_SHOULD_BE)
}
