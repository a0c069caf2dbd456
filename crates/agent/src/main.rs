//! `oomguard-agent`: the daemon as a program of its own. Its log goes to standard error, one line for each event.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use lexopt::prelude::{Long, Short, ValueExt};
use oomguard_agent::http;
use oomguard_agent::policy_file::PolicyChoice;
use oomguard_agent::run::{AgentError, Config, run};
use oomguard_host::Host;
use oomguard_spec::Builtin;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ERROR: u8 = 1;
const USAGE: u8 = 64;
const HELP: &str = "\
The agent of oomguard: enforces a memory policy while the host runs

Usage: oomguard-agent [OPTIONS]

Without --role and --spec it enforces /etc/oomguard/policy.cspec, which `oomguard apply` writes,
or the built-in role workstation where there is none. SIGHUP makes it read the policy again.

Options:
      --role ROLE     A built-in role (workstation, ci, validator), or a role of the document
      --spec FILE     A cspec document with the policy
      --port PORT     Serve /metrics and /healthz on this port of 127.0.0.1, 0 for none [default: 19874]
      --textfile DIR  Also write the metrics to this directory of node_exporter's textfile collector
  -h, --help          Print help
  -V, --version       Print version
";

fn main() -> ExitCode {
    match Command::parse(std::env::args_os()) {
        Ok(Command::Print(text)) => print(text),
        Ok(Command::Run(arguments)) => start(arguments),
        Err(error) => {
            fail(&error, "see `oomguard-agent --help`");
            ExitCode::from(USAGE)
        }
    }
}

fn start(arguments: Arguments) -> ExitCode {
    let Arguments { policy, port, textfile } = arguments;
    let config = Config {
        version: VERSION,
        load: &mut || policy.load(),
        lines: Arc::new(Mutex::new(std::io::stderr())),
        port: (port > 0).then_some(port),
        textfile: textfile.map(|dir| dir.display().to_string()),
        notify_socket: std::env::var_os("NOTIFY_SOCKET"),
        watchdog_usec: std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok()),
    };
    // It judges an agent by its own program: the kernel's link to it holds although the file was replaced.
    let host = Host::live().with_agent_program(Path::new("/proc/self/exe"));
    match run(&host, config) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error @ AgentError::NotRoot) => fail(&error, "`oomguard apply` installs it as a service"),
        Err(error) => fail(&error, ""),
    }
    ExitCode::from(ERROR)
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Command {
    Print(&'static str),
    Run(Arguments),
}

#[derive(Debug, PartialEq)]
struct Arguments {
    policy: PolicyChoice,
    port: u16,
    textfile: Option<PathBuf>,
}

impl Command {
    /// The first of `words` is the program.
    fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut arguments = Arguments { policy: PolicyChoice::default(), port: http::PORT, textfile: None };
        let mut parser = lexopt::Parser::from_iter(words);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(Self::Print(HELP)),
                Short('V') | Long("version") => {
                    return Ok(Self::Print(concat!("oomguard-agent ", env!("CARGO_PKG_VERSION"), "\n")));
                }
                Long("role") => arguments.policy.role = Some(parser.value()?.string()?),
                Long("spec") => arguments.policy.spec = Some(parser.value()?.into()),
                Long("port") => arguments.port = parser.value()?.parse()?,
                Long("textfile") => arguments.textfile = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        // A wrong name on the command line is an error at once; with a broken document the agent waits for a better one.
        if let PolicyChoice { spec: None, role: Some(role) } = &arguments.policy {
            role.parse::<Builtin>().map_err(|e| e.to_string())?;
        }
        Ok(Self::Run(arguments))
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        // `oomguard-agent --help | head` is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(&format!("cannot write the output: {error}"), "");
            ExitCode::from(ERROR)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn std::fmt::Display, hint: &str) {
    let hint = if hint.is_empty() { String::new() } else { format!("  -> {hint}\n") };
    let _ = std::io::stderr().write_all(format!("error: {error}\n{hint}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, lexopt::Error> {
        Command::parse(["oomguard-agent"].iter().chain(words).map(OsString::from))
    }

    #[test]
    fn options_have_the_defaults_that_the_help_names() {
        let Command::Run(arguments) = parse(&[]).unwrap() else { panic!("it does not run") };
        assert_eq!(
            arguments,
            Arguments { policy: PolicyChoice::default(), port: http::PORT, textfile: None }
        );
        assert!(HELP.contains(&format!("[default: {}]", http::PORT)));
    }

    #[test]
    fn options_take_their_values_in_both_forms() {
        let words = ["--role=ci", "--spec", "a b", "--port", "0", "--textfile=/x"];
        let policy = PolicyChoice { spec: Some("a b".into()), role: Some("ci".to_owned()) };
        let expected = Arguments { policy, port: 0, textfile: Some("/x".into()) };
        assert_eq!(parse(&words).unwrap(), Command::Run(expected));
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for words in [&["--role", "nobody"][..], &["--port", "70000"], &["--port"], &["check"], &["--color"]]
        {
            assert!(parse(words).is_err(), "{words:?}");
        }
        // Which roles a document has is known when it is read.
        assert!(parse(&["--role", "nobody", "--spec", "x"]).is_ok());
    }

    #[test]
    fn help_lists_every_option() {
        assert_eq!(parse(&["--port", "1", "-h"]).unwrap(), Command::Print(HELP));
        for option in ["--role", "--spec", "--port", "--textfile", "--help", "--version"] {
            assert!(HELP.contains(option), "{option}");
        }
    }
}
