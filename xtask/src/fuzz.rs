//! `cargo xtask fuzz`: runs the fuzz targets.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{static_binary, tools};

/// The initial corpus: the repository's documents and test data.
const SEEDS: [&str; 5] = [
    "specs",
    "crates/spec/src/builtin",
    "crates/spec/tests/documents",
    "crates/host/tests/data",
    "crates/incident/tests/data",
];

/// Run fuzz targets one after the other.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds to run each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Targets to run [default: all of fuzz/fuzz_targets]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the targets and returns whether none crashed.
///
/// # Errors
/// When a target does not exist, or something cannot be installed, built or started.
pub fn run(root: &Path, args: &Args) -> Result<bool> {
    let targets = chosen(root, &args.targets)?;
    tools::need_cargo_command("fuzz")?;
    let dirs = Dirs { root, target: static_binary::target_dir(root)?.join("fuzz") };
    let seeds = dirs.gather_seeds()?;
    let mut results = Vec::new();
    for target in &targets {
        results.push(dirs.fuzz(target, &seeds, args.seconds)?);
    }
    println!();
    for (target, result) in targets.iter().zip(&results) {
        let broken = if result.crashes == 0 && !result.ended_well { ", and the fuzzer failed" } else { "" };
        println!("{target}: {} executions, {} crashes{broken}", result.executions, result.crashes);
    }
    let well = results.iter().all(|result| result.ended_well && result.crashes == 0);
    if !well {
        println!("crashing inputs are in {}", dirs.target.join("artifacts").display());
    }
    Ok(well)
}

/// The names of the requested targets, or of all.
fn chosen(root: &Path, asked: &[String]) -> Result<Vec<String>> {
    let dir = root.join("fuzz/fuzz_targets");
    let files = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let paths = files.map(|file| file.map(|file| file.path())).collect::<Result<Vec<PathBuf>, _>>()?;
    let rust = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut known: Vec<String> =
        rust.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    known.sort_unstable();
    if let Some(unknown) = asked.iter().find(|name| !known.contains(name)) {
        bail!("unknown fuzz target {unknown}; the targets are {}", known.join(", "));
    }
    Ok(if asked.is_empty() { known } else { asked.to_vec() })
}

/// Corpora and crashes stay out of the source tree.
struct Dirs<'a> {
    root: &'a Path,
    target: PathBuf,
}

/// The results of one target.
#[derive(Default)]
struct Fuzzed {
    executions: u64,
    crashes: u64,
    ended_well: bool,
}

impl Dirs<'_> {
    /// Copies all seeds into one folder for libFuzzer.
    fn gather_seeds(&self) -> Result<PathBuf> {
        let seeds = self.target.join("seeds");
        if seeds.is_dir() {
            fs::remove_dir_all(&seeds).context("cannot empty the folder of seeds")?;
        }
        fs::create_dir_all(&seeds).context("cannot create the folder of seeds")?;
        let mut found = Vec::new();
        for dir in SEEDS {
            files_below(&self.root.join(dir), &mut found)?;
        }
        for (number, file) in found.iter().enumerate() {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            fs::copy(file, seeds.join(format!("{number:03}-{name}")))
                .with_context(|| format!("cannot copy {}", file.display()))?;
        }
        Ok(seeds)
    }

    fn fuzz(&self, target: &str, seeds: &Path, seconds: u32) -> Result<Fuzzed> {
        let corpus = self.target.join("corpus").join(target);
        let artifacts = self.target.join("artifacts").join(target);
        for dir in [&corpus, &artifacts] {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let mut command = Command::new("cargo");
        // The sanitizers need an unstable flag; this makes a stable compiler accept it.
        command.env("RUSTC_BOOTSTRAP", "1").current_dir(self.root).args([
            "fuzz",
            "run",
            target,
            "--target-dir",
        ]);
        command.arg(self.target.join("build")).arg(&corpus).arg(seeds).arg("--");
        command.args([
            format!("-max_total_time={seconds}"),
            format!("-artifact_prefix={}/", artifacts.display()),
        ]);
        // Larger documents are refused by length; smaller ones must not take long or much memory.
        command.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]);
        eprintln!("$ RUSTC_BOOTSTRAP=1 {}", tools::words(&command));
        let mut child =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot run cargo fuzz")?;
        let mut errors = BufReader::new(child.stderr.take().context("cargo fuzz has no output")?);
        let mut result = Fuzzed::default();
        let mut line = Vec::new();
        while errors.read_until(b'\n', &mut line).context("cannot read the output of cargo fuzz")? > 0 {
            result.parse_line(&String::from_utf8_lossy(&line));
            line.clear();
        }
        result.ended_well = child.wait().context("cannot wait for cargo fuzz")?.success();
        Ok(result)
    }
}

impl Fuzzed {
    /// Parses a line of the fuzzer's output and forwards it, unless it is noise.
    fn parse_line(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number.trim().parse().unwrap_or(0);
        }
        if line.contains("Test unit written to") {
            self.crashes += 1;
        }
        let noise = line.starts_with('#') || line.starts_with("stat::") || line.contains("NEW_FUNC[");
        if !noise {
            eprint!("{line}");
        }
    }
}

/// A missing folder has no files.
fn files_below(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() {
            files_below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzzer_output_is_parsed() {
        let mut result = Fuzzed::default();
        for line in [
            "#2\tINITED cov: 3 ft: 4\n",
            "stat::number_of_executed_units: 123456\n",
            "artifact_prefix='./'; Test unit written to ./crash-0b\n",
        ] {
            result.parse_line(line);
        }
        assert_eq!((result.executions, result.crashes), (123_456, 1));
    }

    #[test]
    fn unknown_target_is_refused_with_the_list() {
        let root = crate::root();
        let known = chosen(&root, &[]).unwrap();
        assert!(known.contains(&"fstab".to_owned()), "{known:?}");
        let error = chosen(&root, &["nonsense".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("nonsense") && error.contains("fstab"), "{error}");
    }
}
