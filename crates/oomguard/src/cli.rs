//! The command line as a whole, and its help: commands under headings, made from the one definition in `commands`.

use std::fmt::Write;

use clap::builder::StyledStr;
use clap::builder::styling::Styles;
use clap::{Args, CommandFactory, Parser};

use crate::args::GlobalArgs;
use crate::commands::{self, Command};

const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}{after-help}";

const EXIT_STATUS: &str = "\
Exit status:
  0   success; the host matches the policy
  1   error: the command could not be carried out
  2   the host differs from the policy (check, plan, apply), or the drill failed
  3   some hosts failed or could not be reached
  64  usage error";

/// Keep sessions and services alive when a Linux server runs out of memory
///
/// oomguard checks a host against a memory policy (swap, swappiness, OOM scores), and applies, enforces and rolls back
/// that policy. Applying is crash-safe and idempotent. Keepers (user managers, tmux servers, services) are protected,
/// the load that runs inside them is not.
#[derive(Debug, Parser)]
#[command(
    name = "oomguard",
    version,
    max_term_width = 100,
    help_template = TEMPLATE,
    after_help = short_help(),
    after_long_help = long_help()
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// The definition for man pages, which list commands and options themselves.
pub fn for_man() -> clap::Command {
    Cli::command().after_long_help(EXIT_STATUS)
}

/// The visible commands under each heading, with what each does.
fn headings() -> Vec<(&'static str, Vec<(String, String)>)> {
    let mut headings: Vec<_> = commands::headings()
        .into_iter()
        .map(|(heading, of)| {
            let visible = of.get_subcommands().filter(|command| !command.is_hide_set());
            let line = |command: &clap::Command| {
                let about = command.get_about().map(ToString::to_string).unwrap_or_default();
                (command.get_name().to_owned(), about)
            };
            (heading, visible.map(line).collect::<Vec<_>>())
        })
        .collect();
    if let Some((_, last)) = headings.last_mut() {
        last.push(("help".to_owned(), "Print help for a command".to_owned()));
    }
    headings
}

/// A command a line, so that all fit a screen of 24 lines.
fn short_help() -> StyledStr {
    let styles = Styles::styled();
    let (head, literal) = (styles.get_header(), styles.get_literal());
    let mut text = StyledStr::new();
    for (heading, commands) in headings() {
        for (at, (name, about)) in commands.iter().enumerate() {
            // clap only counts the columns of a line anew when it begins with plain text.
            let _ = match at {
                0 => write!(text, "  {head}{heading}{head:#}{:1$}", "", 12 - heading.len()),
                _ => write!(text, "{:14}", ""),
            };
            let _ = writeln!(text, "{literal}{name:<9}{literal:#} {about}");
        }
    }
    text
}

/// Commands by heading, options, exit status.
fn long_help() -> StyledStr {
    let styles = Styles::styled();
    let (head, literal) = (styles.get_header(), styles.get_literal());
    let mut text = StyledStr::new();
    for (heading, commands) in headings() {
        let _ = writeln!(text, "{head}{heading}:{head:#}");
        for (name, about) in commands {
            let _ = writeln!(text, "  {literal}{name:<9}{literal:#} {about}");
        }
        let _ = writeln!(text);
    }
    let options = GlobalArgs::augment_args(clap::Command::new("oomguard").version(""))
        .max_term_width(100)
        .help_template("{options}")
        .render_long_help();
    let _ = write!(
        text,
        "{head}Options:{head:#}\n{}\n\n{EXIT_STATUS}\n\nRun `oomguard COMMAND -h` for an overview of a command, and `oomguard COMMAND --help` for details.",
        options.ansi().to_string().trim_end()
    );
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_visible_command_is_under_exactly_one_heading() {
        let mut listed: BTreeMap<String, usize> = BTreeMap::new();
        for (name, about) in headings().into_iter().flat_map(|(_, commands)| commands) {
            assert!(!about.is_empty(), "{name} has no description");
            *listed.entry(name).or_default() += 1;
        }
        assert_eq!(listed.remove("help"), Some(1));
        let command = Cli::command();
        let visible = command.get_subcommands().filter(|command| !command.is_hide_set());
        let visible: BTreeMap<String, usize> =
            visible.map(|command| (command.get_name().to_owned(), 1)).collect();
        assert_eq!(listed, visible);
        for help in [short_help(), long_help()] {
            let help = help.to_string();
            for (name, about) in headings().into_iter().flat_map(|(_, commands)| commands) {
                let line = format!("{name:<9} {about}");
                assert_eq!(help.lines().filter(|shown| shown.ends_with(&line)).count(), 1, "{line}\n{help}");
            }
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
