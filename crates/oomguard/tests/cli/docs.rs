//! What the README and the pages under docs/ show is run: the output of `$ oomguard ...` is compared with the page, and
//! commands that need root or the lab have the flags that they are shown with.
//!
//! `<!-- host: good -->` before a block says on which host it runs (`host_of`); a line `...` stands for any lines.
//! `SNAPSHOTS=overwrite` writes the output into the page, where none of it is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::help::COMMANDS;
use crate::hosts::Folder;
use crate::run::{Ran, oomguard, ran, repository, run};

/// Programs that are shown and not run.
const OTHERS: [&str; 9] = ["cd", "df", "free", "git", "journalctl", "man", "source", "swapon", "systemctl"];

/// A page that may not be there: measuring writes it.
const WRITTEN_BY_BENCH: &str = "docs/benchmarks.md";

struct Block {
    line: usize,
    host: String,
    /// Commands with the lines that are shown after each; `None` when none are.
    commands: Vec<(String, Option<String>)>,
}

/// The pages at the top of the repository and everything under docs/.
fn pages() -> Vec<PathBuf> {
    let mut folders = vec![repository().join("docs")];
    let mut pages: Vec<PathBuf> = listed(&repository()).into_iter().filter(|path| is_page(path)).collect();
    while let Some(folder) = folders.pop() {
        let (below, files): (Vec<_>, Vec<_>) = listed(&folder).into_iter().partition(|path| path.is_dir());
        folders.extend(below);
        pages.extend(files.into_iter().filter(|path| is_page(path)));
    }
    pages.sort();
    pages
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut host = "fresh".to_owned();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- host: ") {
            name.trim_end_matches(" -->").clone_into(&mut host);
        }
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else {
            continue;
        };
        let inside: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let commands = match language {
            "console" => commands(&inside),
            "sh" => inside.iter().filter(|line| !line.is_empty()).map(|line| (command(line), None)).collect(),
            _ => continue,
        };
        found.push(Block {
            line: number + 1,
            host: std::mem::replace(&mut host, "fresh".to_owned()),
            commands,
        });
    }
    found
}

fn commands(lines: &[&str]) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(shown), _) => found.push((command(shown), None)),
            (None, Some((_, output))) => {
                let output = output.get_or_insert_default();
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("a block begins with {line:?} and no command"),
        }
    }
    found
}

/// The words of a command; double quotes keep several together, as in a shell.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The command without the remark after it.
fn command(line: &str) -> String {
    line.split("  #").next().unwrap_or(line).trim().to_owned()
}

/// One page: its hosts, and a folder to work in.
struct Page {
    path: PathBuf,
    text: String,
    hosts: BTreeMap<String, Folder>,
    dir: TempDir,
    code: i32,
}

impl Page {
    fn new(path: &Path) -> Self {
        crate::hosts::find_room();
        let dir = tempfile::tempdir().unwrap();
        for used in ["specs", "crates"] {
            std::os::unix::fs::symlink(repository().join(used), dir.path().join(used)).unwrap();
        }
        let text = std::fs::read_to_string(path).unwrap();
        Self { path: path.to_owned(), text, hosts: BTreeMap::new(), dir, code: 0 }
    }

    fn shows(&mut self, block: &Block) {
        for (command, output) in &block.commands {
            let name = self.path.file_name().unwrap().to_str().unwrap();
            let place = format!("{name}:{}: {command}", block.line);
            let words = words(command);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["oomguard", "apply" | "rollback", ..] => panic!("{place}: without sudo it does nothing"),
                ["oomguard", args @ ..] | ["cargo", "run", "--release", "--", args @ ..] => {
                    self.runs(&place, &block.host, args, output.as_deref());
                }
                ["sudo", "oomguard", args @ ..] => parses(&place, args),
                ["sudo", script, args @ ..] | [script, args @ ..] if script.starts_with("tools/") => {
                    script_parses(&place, script, args);
                }
                ["cargo", "xtask", name, ..] => {
                    let sources = ["xtask/src/NAME.rs", "xtask/src/NAME/mod.rs"];
                    let is_there = |source: &str| repository().join(source.replace("NAME", name)).is_file();
                    assert!(sources.into_iter().any(is_there), "{place}: xtask has no {name}");
                }
                // Not run: it compiles for minutes.
                ["cargo", "install", "--locked", "--path", path] => {
                    assert!(
                        repository().join(path).join("Cargo.toml").is_file(),
                        "{place}: there is no such crate"
                    );
                }
                ["echo", "$?"] => {
                    assert_eq!(output.as_deref(), Some(&*format!("{}\n", self.code)), "{place}")
                }
                [other, ..] => assert!(OTHERS.contains(other), "{place}: nobody knows {other}"),
                [] => {}
            }
        }
    }

    fn runs(&mut self, place: &str, host: &str, args: &[&str], output: Option<&str>) {
        let to_file = args.iter().position(|arg| *arg == ">");
        let file = to_file.and_then(|at| args.get(at + 1));
        let args = &args[..to_file.unwrap_or(args.len())];
        let mut command = oomguard(args);
        command.current_dir(self.dir.path());
        if matches!(
            args[0],
            "check" | "plan" | "status" | "history" | "advise" | "events" | "rank" | "record" | "recorder"
        ) {
            let host = self.hosts.entry(host.to_owned()).or_insert_with(|| host_of(host));
            command.arg("--root").arg(host.root());
        }
        let Ran { code, out, err } = ran(&mut command);
        self.code = code.unwrap();
        // A later command of the page may read it.
        if let Some(file) = file {
            std::fs::write(self.dir.path().join(file), &out).unwrap();
        }
        match output {
            Some(shown) if matches(shown, &format!("{out}{err}")) => {}
            Some(shown) if std::env::var_os("SNAPSHOTS").is_some() && !shown.contains("...\n") => {
                let command = place.rsplit(": ").next().unwrap();
                let [old, new] = [shown, &out].map(|output| format!("$ {command}\n{output}"));
                self.text = self.text.replacen(&old, &new, 1);
            }
            Some(shown) => panic!("{place}\n-- shows\n{shown}-- prints\n{out}{err}"),
            None => assert!(matches!(self.code, 0 | 2), "{place}: ends with {}\n{err}", self.code),
        }
    }
}

/// Whether a page shows what a command prints; a line `...` stands for any lines.
fn matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split("...\n");
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn host_of(name: &str) -> Folder {
    match name {
        "fresh" => Folder::fresh(),
        "container" => {
            let host = Folder::fresh();
            host.0.write("/run/systemd/container", "lxc\n");
            host
        }
        "good" | "leak" => {
            let host = Folder::fresh();
            host.apply(&oomguard_spec::builtin::policy(oomguard_spec::Builtin::Workstation));
            if name == "leak" {
                host.0.process(900, 801, "rustc", -800, "/user.slice/user-1000.slice/session-3.scope");
            }
            host
        }
        "killed" => crate::events::killed(),
        other => panic!("no host {other}"),
    }
}

/// A command that is not run here: it exists, and its help knows the flags.
fn parses(place: &str, args: &[&str]) {
    let known = |words: usize| COMMANDS.contains(&args[..words.min(args.len())].join(" ").as_str());
    let words = if args.len() > 1 && known(2) { 2 } else { 1 };
    assert!(known(words), "{place}: no such command");
    let help = run(["help"].iter().chain(&args[..words])).exits(0).out;
    for flag in args[words..].iter().filter(|arg| arg.starts_with('-')) {
        let name = flag.split('=').next().unwrap();
        let is_known = help.split([' ', ',', '\n']).any(|word| word == name);
        assert!(is_known, "{place}: no flag {name}");
    }
}

/// A script of ours that is not run here: it exists, and its help knows the flags.
fn script_parses(place: &str, script: &str, args: &[&str]) {
    let script = repository().join(script);
    let help = ran(std::process::Command::new("sh").arg(&script).arg("--help")).exits(0).quietly().out;
    for flag in args.iter().filter(|arg| arg.starts_with('-')) {
        assert!(help.split_whitespace().any(|word| word == *flag), "{place}: no flag {flag}");
    }
}

#[test]
fn every_command_on_every_page_runs() {
    let mut seen = 0;
    for path in pages() {
        let mut page = Page::new(&path);
        for block in blocks(&page.text.clone()) {
            seen += block.commands.len();
            page.shows(&block);
        }
        if std::fs::read_to_string(&path).unwrap() != page.text {
            std::fs::write(&path, page.text).unwrap();
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

/// A checklist is worth what its commands do.
#[test]
fn every_command_of_the_documents_runs() {
    let mut seen = 0;
    for entry in std::fs::read_dir(repository().join("specs")).unwrap() {
        let path = entry.unwrap().path();
        let mut page = Page::new(&path);
        let lines = page.text.clone();
        let commands = lines.lines().enumerate().filter_map(|(number, line)| {
            Some((number + 1, line.trim().trim_start_matches("- ").strip_prefix("command: ")?.to_owned()))
        });
        for (line, command) in commands {
            seen += 1;
            page.shows(&Block { line, host: "fresh".to_owned(), commands: vec![(command, None)] });
        }
    }
    assert!(seen >= 4, "only {seen} commands were found");
}

#[test]
fn every_command_has_its_place() {
    let pages = std::fs::read_to_string(repository().join("docs/commands.md")).unwrap();
    for command in COMMANDS {
        let first = command.split(' ').next().unwrap();
        assert!(pages.contains(&format!("\n## {first}")), "docs/commands.md has no `## {first}`");
        assert!(
            pages.contains(&format!("oomguard {command}")),
            "docs/commands.md has no example of {command}"
        );
    }
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let target = rest.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") || target == WRITTEN_BY_BENCH {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
        }
    }
}
