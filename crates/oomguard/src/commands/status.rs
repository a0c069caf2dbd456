//! `oomguard status`: one screen.

use oomguard_converge::Facts;
use oomguard_host::Host;

use crate::args::{Status, TextFormat};
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::output::status::Screen;
use crate::policy_source;

pub fn run(args: &Status, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    let source = policy_source::policy(&args.policy, terminal)?;
    let facts = Facts::read(host, &source.policy)?;
    let screen = Screen::new(super::host_name(host), &source.policy, &facts);
    let text = match args.format {
        TextFormat::Json => screen.to_json(),
        TextFormat::Text => screen.text(&source.name, terminal),
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}
