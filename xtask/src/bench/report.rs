//! Tables of measurements, printed and written to docs/benchmarks.md.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One measurement.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// oomguard's figure.
    pub ours: String,
    /// The peer's figure.
    pub peer: String,
    /// How the two compare.
    pub result: String,
    /// The target and whether it was reached.
    pub target: Target,
}

/// The target of a measurement.
#[derive(Clone, Debug)]
pub enum Target {
    /// No target.
    None,
    /// A target.
    Is {
        /// In words.
        words: String,
        /// Whether it was reached.
        met: bool,
    },
}

impl Target {
    /// A minimum ratio.
    #[must_use]
    pub fn at_least(wanted: f64, is: f64) -> Self {
        Self::Is { words: format!("at least {wanted}x"), met: is >= wanted }
    }

    fn words(&self) -> String {
        match self {
            Self::None => "-".to_owned(),
            Self::Is { words, met: true } => format!("{words}: reached"),
            Self::Is { words, met: false } => format!("{words}: **missed**"),
        }
    }
}

/// The table of one benchmark.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its marker in docs/benchmarks.md.
    pub name: &'static str,
    /// Where it was measured.
    pub machine: String,
    /// What was measured.
    pub rows: Vec<Row>,
}

impl Section {
    /// The table as Markdown with aligned columns.
    #[must_use]
    pub fn markdown(&self) -> String {
        let head = ["what", "oomguard", "peer", "result", "target"].map(str::to_owned);
        let mut lines: Vec<[String; 5]> = vec![head];
        lines.extend(self.rows.iter().map(|row| {
            let Row { what, ours, peer, result, target } = row.clone();
            [what, ours, peer, result, target.words()]
        }));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            let cells: Vec<String> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                text.push_str(&format!("|{}|\n", rule.join("|")));
            }
        }
        format!("{text}\n{}\n", self.machine)
    }
}

/// The date, machine and commit in one line.
///
/// # Errors
/// When one of them is unavailable.
pub fn machine(root: &Path) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel version")?;
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = output(Command::new("git").current_dir(root).args([
        "-c",
        "safe.directory=*",
        "describe",
        "--always",
        "--dirty",
    ]))?;
    Ok(format!("Measured {date} on {count} x {model}, Linux {}, at commit {commit}.", kernel.trim()))
}

fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!("{shown} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes tables between their markers, `<!-- bench: NAME -->` and `<!-- end -->`.
///
/// # Errors
/// When a marker is missing or the file cannot be written.
pub fn write(path: &Path, sections: &[Section]) -> Result<()> {
    let shown = path.display();
    let mut text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    for section in sections {
        text = replaced(&text, section)
            .with_context(|| format!("{shown} has no marker for {}", section.name))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {shown}"))
}

fn replaced(text: &str, section: &Section) -> Option<String> {
    let mark = format!("<!-- bench: {} -->\n", section.name);
    let (before, rest) = text.split_once(&mark)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{mark}\n{}\n<!-- end -->{after}", section.markdown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &'static str) -> Section {
        let row = Row {
            what: "a thing".to_owned(),
            ours: "1 s".to_owned(),
            peer: "30 s".to_owned(),
            result: "30x".to_owned(),
            target: Target::at_least(20.0, 30.0),
        };
        Section { name, machine: "Measured here.".to_owned(), rows: vec![row] }
    }

    #[test]
    fn table_is_written_only_between_its_markers() {
        let text = "a\n<!-- bench: x -->\nold\n<!-- end -->\nb\n<!-- bench: y -->\nkept\n<!-- end -->\n";
        let new = replaced(text, &section("x")).unwrap();
        assert!(new.starts_with("a\n<!-- bench: x -->\n\n| what "), "{new}");
        assert!(new.contains("| at least 20x: reached |") && !new.contains("old"), "{new}");
        assert!(new.ends_with("\nb\n<!-- bench: y -->\nkept\n<!-- end -->\n"), "{new}");
        assert!(replaced(text, &section("z")).is_none());
    }

    #[test]
    fn missed_target_is_marked() {
        assert_eq!(Target::at_least(20.0, 19.9).words(), "at least 20x: **missed**");
    }
}
