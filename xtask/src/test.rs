//! `cargo xtask test`: installs what is missing and runs every test.

use std::env;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use oomguard_lab::{HOSTS_AT_ONCE, Lab};

use crate::counts::{self, Counts};
use crate::{ansible, lab, mcp_clients, package, static_binary, tools};

/// The tests of crates/lab boot hosts; its unit tests do not.
const LAB_TIER: &str = "package(oomguard-lab) & kind(test)";

/// Run every test: pure ones, those on folders that stand for a host, and those on the lab's hosts.
///
/// Installs what is missing first. The last line counts the tests; what did not run is counted as skipped.
#[derive(clap::Args)]
pub struct Args {
    /// Leave the lab out: no host is booted
    #[arg(long)]
    quick: bool,
    /// Run only the tests that this expression of nextest chooses, as in `test(swap)`; no doc tests
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
}

/// Runs the tests; says whether all is well.
///
/// # Errors
/// When something cannot be installed, built or started.
pub fn run(root: &Path, args: &Args) -> Result<bool> {
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    if ci && args.quick {
        bail!("--quick is not for CI (the environment has CI=true): what is skipped there is a failure");
    }
    tools::need_cargo_command("nextest")?;
    tools::need_promtool()?;
    tools::need_shellcheck()?;
    let others = Others { ansible: ansible::for_tests(root)?, mcp_clients: mcp_clients::for_tests(root)? };
    let binary = if args.quick {
        None
    } else {
        tools::need_lab()?;
        let binary = static_binary::build(root, "lab")?;
        let deb = package::for_tests(root, &binary)?;
        Some((binary, deb))
    };

    let filter = args.filter.as_deref();
    let mut report = Vec::new();
    // Every test counts as skipped until it has run, so none can be left out without being seen.
    let mut total = Counts { skipped: how_many(root)?, ..Counts::default() };

    let tier = tiers_1_and_2(root, &others, filter)?;
    total += tier.counts;
    total.skipped = total.skipped.saturating_sub(tier.counts.run());
    report.push(tier.line("tiers 1 and 2"));
    let mut ended_well = tier.ended_well;

    if filter.is_some() {
        report.push("doc tests: left out (--filter)".to_owned());
    } else {
        let tier = doc_tests(root)?;
        total += tier.counts;
        report.push(tier.line("doc tests"));
        ended_well &= tier.ended_well;
    }

    match binary {
        None => report.push("tier 3, the lab: the lab tier was left out (--quick)".to_owned()),
        Some(_) if !ended_well => {
            report.push("tier 3, the lab: not run, because the tiers before it failed".to_owned())
        }
        Some((binary, deb)) => {
            let tier = lab_tier(root, &binary, &deb, &others, filter)?;
            total += tier.counts;
            total.skipped = total.skipped.saturating_sub(tier.counts.run());
            report.push(tier.line("tier 3, the lab"));
            ended_well &= tier.ended_well;
        }
    }

    if ended_well && total.run() == 0 {
        report.push("failed: no test was run".to_owned());
        ended_well = false;
    }
    if ci && total.skipped > 0 {
        report.push("failed: in CI nothing may be skipped (an ignored test, or --filter)".to_owned());
        ended_well = false;
    }
    println!("\n{}\n{total}", report.join("\n"));
    Ok(ended_well && total.failed == 0)
}

/// Where the programs of others are that the tests run.
struct Others {
    ansible: PathBuf,
    mcp_clients: PathBuf,
}

impl Others {
    fn name_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(ansible::VARIABLE, &self.ansible).env(mcp_clients::VARIABLE, &self.mcp_clients)
    }
}

/// What one tier came to.
struct Tier {
    counts: Counts,
    ended_well: bool,
    took: Duration,
}

impl Tier {
    fn line(&self, name: &str) -> String {
        let Counts { passed, failed, .. } = self.counts;
        let end = if self.ended_well || failed > 0 { "" } else { ", and the run itself failed" };
        format!("{name}: {passed} passed, {failed} failed in {:.1} s{end}", self.took.as_secs_f64())
    }
}

/// The tests of the workspace, whatever tier they are of, doc tests aside.
fn how_many(root: &Path) -> Result<u64> {
    let args = ["nextest", "list", "--workspace", "--locked", "--message-format", "json"];
    let mut command = Command::new("cargo");
    command.current_dir(root).args(args).stdin(Stdio::null()).stderr(Stdio::inherit());
    eprintln!("$ {}", tools::words(&command));
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the tests do not build, or cannot be listed");
    }
    counts::listed(&output.stdout).context("cannot read the list of tests that nextest prints")
}

fn tiers_1_and_2(root: &Path, others: &Others, filter: Option<&str>) -> Result<Tier> {
    let expression = chosen(&format!("not ({LAB_TIER})"), filter);
    let args = ["nextest", "run", "--workspace", "--locked", "--no-tests=pass", "-E", &expression];
    let mut command = Command::new("cargo");
    others.name_to(&mut command).current_dir(root).args(args);
    tier(&mut command, Stream::Errors, counts::nextest)
}

fn doc_tests(root: &Path) -> Result<Tier> {
    let args = ["test", "--doc", "--workspace", "--locked", "--no-fail-fast"];
    tier(Command::new("cargo").current_dir(root).args(args), Stream::Output, counts::libtest)
}

fn lab_tier(root: &Path, binary: &Path, deb: &Path, others: &Others, filter: Option<&str>) -> Result<Tier> {
    let kept = Lab::new(lab::cache(None)?)?.list()?;
    if !kept.is_empty() {
        let names = kept.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(", ");
        eprintln!(
            "{names} of `cargo xtask lab up` run, and at most {HOSTS_AT_ONCE} hosts may: tests that want more wait until `cargo xtask lab down`"
        );
    }
    let expression = chosen("kind(test)", filter);
    let mut command = Command::new("cargo");
    others.name_to(&mut command).current_dir(root).env("OOMGUARD_BIN", binary).env("OOMGUARD_DEB", deb);
    command.args(["nextest", "run", "--package", "oomguard-lab"]);
    command.args(["--locked", "--profile", "lab", "--no-tests=pass", "-E", &expression]);
    tier(&mut command, Stream::Errors, counts::nextest)
}

fn chosen(tier: &str, filter: Option<&str>) -> String {
    filter.map_or_else(|| tier.to_owned(), |filter| format!("({tier}) & ({filter})"))
}

/// Which stream of a test runner has its summary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Errors,
}

/// Runs a test runner, passes on what it prints as it comes, and adds up its summaries.
fn tier(command: &mut Command, summary: Stream, count: fn(&str) -> Option<Counts>) -> Result<Tier> {
    eprintln!("$ {}", tools::words(command));
    // It writes into a pipe, so it does not see the terminal.
    if std::io::stderr().is_terminal()
        && env::var_os("NO_COLOR").is_none()
        && env::var_os("CARGO_TERM_COLOR").is_none()
    {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.stdin(Stdio::null());
    let started = Instant::now();
    let (counts, status) = match summary {
        Stream::Output => {
            let mut child = command.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
            let output = child.stdout.take().context("cargo has no output")?;
            (pass_on(output, &mut std::io::stdout(), count)?, child.wait())
        }
        Stream::Errors => {
            let mut child = command.stderr(Stdio::piped()).spawn().context("cannot run cargo")?;
            let errors = child.stderr.take().context("cargo has no output")?;
            (pass_on(errors, &mut std::io::stderr(), count)?, child.wait())
        }
    };
    let status: ExitStatus = status.context("cannot wait for cargo")?;
    let ended_well = status.success() && counts.is_some();
    Ok(Tier { counts: counts.unwrap_or_default(), ended_well, took: started.elapsed() })
}

/// The sum of all summaries; `None` when there was none.
fn pass_on(from: impl Read, to: &mut dyn Write, count: fn(&str) -> Option<Counts>) -> Result<Option<Counts>> {
    let mut from = BufReader::new(from);
    let mut sum: Option<Counts> = None;
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).context("cannot read what cargo prints")? > 0 {
        to.write_all(&line).context("cannot print")?;
        if let Some(counts) = count(&String::from_utf8_lossy(&line)) {
            *sum.get_or_insert_default() += counts;
        }
        line.clear();
    }
    Ok(sum)
}
