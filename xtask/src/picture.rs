//! `cargo xtask picture`: draws the recorded terminal sessions of docs/pictures as SVG.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A character's width and a line's height, for a font of 14 pixels.
const WIDTH: f32 = 8.4;
const HEIGHT: usize = 19;
/// Space around the text, and above it for the title bar.
const MARGIN: usize = 18;
const BAR: usize = 34;

/// Draw the recorded terminal sessions of docs/pictures as SVG.
#[derive(clap::Args)]
pub struct Args {}

/// Draws all sessions.
///
/// # Errors
/// When a session cannot be read, drawn or written.
pub fn run(root: &Path, _: &Args) -> Result<()> {
    for path in sessions(root)? {
        let svg = path.with_extension("svg");
        fs::write(&svg, drawn(&path)?)?;
        println!("{}", svg.display());
    }
    Ok(())
}

fn sessions(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root.join("docs/pictures")).context("there is no docs/pictures")?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    Ok(paths)
}

fn drawn(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    draw(&text).with_context(|| path.display().to_string())
}

/// Characters of the same style.
#[derive(Debug, PartialEq, Eq)]
struct Run<'t> {
    class: &'static str,
    text: &'t str,
}

/// Splits a line at its color escapes. Only the colors that oomguard prints are supported.
fn runs(line: &str) -> Result<Vec<Run<'_>>> {
    let mut runs = Vec::new();
    let mut parts = line.split("\x1b[");
    if let Some(first) = parts.next().filter(|first| !first.is_empty()) {
        let class = if first.starts_with("$ ") { "b" } else { "" };
        runs.push(Run { class, text: first });
    }
    for part in parts {
        let (code, text) = part.split_once('m').context("unsupported escape sequence")?;
        let class = match code {
            "0" => "",
            "1" => "b",
            "1;31" => "b r",
            "32" => "g",
            "33" => "y",
            other => bail!("unsupported color {other}"),
        };
        if !text.is_empty() {
            runs.push(Run { class, text });
        }
    }
    Ok(runs)
}

fn draw(session: &str) -> Result<String> {
    let lines: Vec<Vec<Run<'_>>> = session.lines().map(runs).collect::<Result<_>>()?;
    let columns = |line: &Vec<Run<'_>>| line.iter().map(|run| run.text.chars().count()).sum::<usize>();
    let widest = lines.iter().map(columns).max().unwrap_or(0);
    let width = (widest as f32 * WIDTH).ceil() as usize + 2 * MARGIN;
    let height = BAR + lines.len() * HEIGHT + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <style>text{{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#d4d4d8;white-space:pre}}\
         .b{{font-weight:700;fill:#fafafa}}.r{{fill:#f87171}}.g{{fill:#4ade80}}.y{{fill:#facc15}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#18181b\"/>\n"
    );
    for (number, colour) in ["#f87171", "#facc15", "#4ade80"].iter().enumerate() {
        let x = MARGIN + 6 + number * 20;
        writeln!(svg, "<circle cx=\"{x}\" cy=\"18\" r=\"6\" fill=\"{colour}\"/>")?;
    }
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| columns(line) > 0) {
        let y = BAR + number * HEIGHT + 14;
        // Keeps columns aligned in any font.
        let length = columns(line) as f32 * WIDTH;
        write!(svg, "<text xml:space=\"preserve\" x=\"{MARGIN}\" y=\"{y}\" textLength=\"{length:.1}\">")?;
        for run in line {
            let text = escaped(run.text);
            match run.class {
                "" => svg.push_str(&text),
                class => write!(svg, "<tspan class=\"{class}\">{text}</tspan>")?,
            }
        }
        svg.push_str("</text>\n");
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn colors_are_drawn_and_other_escapes_refused() {
        let line = "a \x1b[1;31mNOT \x1b[0m <b>";
        let said: Vec<(&str, &str)> =
            runs(line).unwrap().into_iter().map(|run| (run.class, run.text)).collect();
        assert_eq!(said, [("", "a "), ("b r", "NOT "), ("", " <b>")]);
        assert!(draw(line).unwrap().contains("<tspan class=\"b r\">NOT </tspan> &lt;b&gt;</text>"));
        assert!(runs("\x1b[2Jx").is_err() && runs("\x1b[35mx").is_err());
    }

    /// Run `cargo xtask picture` after a session has changed.
    #[test]
    fn pictures_match_their_sessions() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sessions = sessions(root).unwrap();
        assert!(!sessions.is_empty());
        for path in sessions {
            assert!(
                fs::read_to_string(path.with_extension("svg")).unwrap() == drawn(&path).unwrap(),
                "{}",
                path.display()
            );
        }
    }
}
