//! `cargo xtask test`: installs missing tools and runs every test.

use std::env;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use oomguard_lab::{Lab, MAX_HOSTS};

use crate::counts::{self, Counts};
use crate::{ansible, lab, mcp_clients, package, static_binary, tools};

/// The tests of crates/lab boot hosts; its unit tests do not.
const LAB_TIER: &str = "package(oomguard-lab) & kind(test)";

/// Run all tests: pure tests, folder tests and the lab.
///
/// Installs missing tools first. The last line counts the tests; tests that did not run count as skipped.
#[derive(clap::Args)]
pub struct Args {
    /// Skip the lab: boot no host
    #[arg(long)]
    quick: bool,
    /// Run only tests that match this nextest expression, such as `test(swap)`; skips doc tests
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
}

/// Runs the tests and returns whether all passed.
///
/// # Errors
/// When something cannot be installed, built or started.
pub fn run(root: &Path, args: &Args) -> Result<bool> {
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    if ci && args.quick {
        bail!("--quick is not allowed in CI (CI=true is set): a skipped test is a failure there");
    }
    tools::need_cargo_command("nextest")?;
    tools::need_promtool()?;
    tools::need_shellcheck()?;
    let third_party =
        ThirdParty { ansible: ansible::for_tests(root)?, mcp_clients: mcp_clients::for_tests(root)? };
    let binary = if args.quick {
        None
    } else {
        tools::need_lab()?;
        let binary = static_binary::build(root, "lab")?;
        let deb = package::for_tests(root, &binary)?;
        Some((binary, deb))
    };

    let filter = args.filter.as_deref();
    let mut report = Report::new(count_tests(root)?);
    report.add("tiers 1 and 2", &tiers_1_and_2(root, &third_party, filter)?);
    if filter.is_some() {
        report.note("doc tests: skipped (--filter)");
    } else {
        report.add_doc_tests(&doc_tests(root)?);
    }
    match binary {
        None => report.note("tier 3, the lab: skipped (--quick)"),
        Some(_) if !report.passed => report.note("tier 3, the lab: not run because an earlier tier failed"),
        Some((binary, deb)) => {
            report.add("tier 3, the lab", &lab_tier(root, &binary, &deb, &third_party, filter)?);
        }
    }
    if report.passed && report.total.run() == 0 {
        report.fail("failed: no test ran");
    }
    if ci && report.total.skipped > 0 {
        report.fail("failed: tests were skipped, which is not allowed in CI (an ignored test, or --filter)");
    }
    println!("\n{}\n{}", report.lines.join("\n"), report.total);
    Ok(report.passed && report.total.failed == 0)
}

/// The results of all tiers.
struct Report {
    lines: Vec<String>,
    total: Counts,
    passed: bool,
}

impl Report {
    /// Every test counts as skipped until it has run, so none can go missing unnoticed.
    fn new(tests: u64) -> Self {
        Self { lines: Vec::new(), total: Counts { skipped: tests, ..Counts::default() }, passed: true }
    }

    fn add(&mut self, name: &str, tier: &Tier) {
        self.total.skipped = self.total.skipped.saturating_sub(tier.counts.run());
        self.add_tier(name, tier);
    }

    /// Doc tests are not part of the number of tests that nextest lists.
    fn add_doc_tests(&mut self, tier: &Tier) {
        self.add_tier("doc tests", tier);
    }

    fn add_tier(&mut self, name: &str, tier: &Tier) {
        self.total += tier.counts;
        self.lines.push(tier.line(name));
        self.passed &= tier.ended_well;
    }

    fn note(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    fn fail(&mut self, line: &str) {
        self.note(line);
        self.passed = false;
    }
}

/// Third-party programs that the tests run.
struct ThirdParty {
    ansible: PathBuf,
    mcp_clients: PathBuf,
}

impl ThirdParty {
    fn add_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(ansible::VARIABLE, &self.ansible).env(mcp_clients::VARIABLE, &self.mcp_clients)
    }
}

/// The result of one tier.
struct Tier {
    counts: Counts,
    ended_well: bool,
    took: Duration,
}

impl Tier {
    fn line(&self, name: &str) -> String {
        let Counts { passed, failed, .. } = self.counts;
        let end = if self.ended_well || failed > 0 { "" } else { ", and the test runner failed" };
        format!("{name}: {passed} passed, {failed} failed in {:.1} s{end}", self.took.as_secs_f64())
    }
}

/// The number of tests in the workspace, in all tiers, without doc tests.
fn count_tests(root: &Path) -> Result<u64> {
    let args = ["nextest", "list", "--workspace", "--locked", "--message-format", "json"];
    let mut command = Command::new("cargo");
    command.current_dir(root).args(args).stdin(Stdio::null()).stderr(Stdio::inherit());
    eprintln!("$ {}", tools::words(&command));
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build or list the tests");
    }
    counts::listed(&output.stdout).context("cannot parse the test list of nextest")
}

fn tiers_1_and_2(root: &Path, third_party: &ThirdParty, filter: Option<&str>) -> Result<Tier> {
    let expression = expression(&format!("not ({LAB_TIER})"), filter);
    let args = ["nextest", "run", "--workspace", "--locked", "--no-tests=pass", "-E", &expression];
    let mut command = Command::new("cargo");
    third_party.add_to(&mut command).current_dir(root).args(args);
    tier(&mut command, Stream::Errors, counts::nextest)
}

fn doc_tests(root: &Path) -> Result<Tier> {
    let args = ["test", "--doc", "--workspace", "--locked", "--no-fail-fast"];
    tier(Command::new("cargo").current_dir(root).args(args), Stream::Output, counts::libtest)
}

fn lab_tier(
    root: &Path,
    binary: &Path,
    deb: &Path,
    third_party: &ThirdParty,
    filter: Option<&str>,
) -> Result<Tier> {
    let kept = Lab::new(lab::cache(None)?)?.list()?;
    if !kept.is_empty() {
        let names = kept.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(", ");
        eprintln!(
            "hosts from `cargo xtask lab up` are running: {names}. At most {MAX_HOSTS} hosts can run, so tests may wait until `cargo xtask lab down`"
        );
    }
    let expression = expression("kind(test)", filter);
    let mut command = Command::new("cargo");
    third_party.add_to(&mut command).current_dir(root).env("OOMGUARD_BIN", binary).env("OOMGUARD_DEB", deb);
    command.args(["nextest", "run", "--package", "oomguard-lab"]);
    command.args(["--locked", "--profile", "lab", "--no-tests=pass", "-E", &expression]);
    tier(&mut command, Stream::Errors, counts::nextest)
}

fn expression(tier: &str, filter: Option<&str>) -> String {
    filter.map_or_else(|| tier.to_owned(), |filter| format!("({tier}) & ({filter})"))
}

/// The stream to which a test runner prints its summary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Errors,
}

/// Runs a test runner, forwards its output, and adds up its summaries.
fn tier(command: &mut Command, summary: Stream, count: fn(&str) -> Option<Counts>) -> Result<Tier> {
    eprintln!("$ {}", tools::words(command));
    // It writes into a pipe, so it cannot detect the terminal.
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
            (forward(output, &mut std::io::stdout(), count)?, child.wait())
        }
        Stream::Errors => {
            let mut child = command.stderr(Stdio::piped()).spawn().context("cannot run cargo")?;
            let errors = child.stderr.take().context("cargo has no output")?;
            (forward(errors, &mut std::io::stderr(), count)?, child.wait())
        }
    };
    let status: ExitStatus = status.context("cannot wait for cargo")?;
    let ended_well = status.success() && counts.is_some();
    Ok(Tier { counts: counts.unwrap_or_default(), ended_well, took: started.elapsed() })
}

/// The sum of all summaries; `None` when there was none.
fn forward(from: impl Read, to: &mut dyn Write, count: fn(&str) -> Option<Counts>) -> Result<Option<Counts>> {
    let mut from = BufReader::new(from);
    let mut sum: Option<Counts> = None;
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).context("cannot read the output of cargo")? > 0 {
        to.write_all(&line).context("cannot print")?;
        if let Some(counts) = count(&String::from_utf8_lossy(&line)) {
            *sum.get_or_insert_default() += counts;
        }
        line.clear();
    }
    Ok(sum)
}
