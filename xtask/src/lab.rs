//! `cargo xtask lab`: the lab's hosts, by hand.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use oomguard_lab::{Fs, HostSpec, Lab, Release, Up};

use crate::tools;

/// Boot a lab host and work in it by hand.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where images and hosts are kept [default: $OOMGUARD_LAB_CACHE, or ~/.cache/oomguard-lab]
    #[arg(long, global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Boot a host that goes on until `down`
    Up {
        /// Its name
        #[arg(default_value = "lab")]
        name: String,
        /// Its name, too
        #[arg(long = "name", value_name = "NAME", conflicts_with = "name")]
        named: Option<String>,
        /// bullseye, bookworm or trixie
        #[arg(long, default_value = "bookworm")]
        release: Release,
        /// Memory in MiB
        #[arg(long, default_value_t = 1024)]
        memory: u32,
        /// Size of the root disk in GiB
        #[arg(long, default_value_t = 40)]
        root: u32,
        /// A data disk, such as xfs:8:/data; `xfs` alone is 8 GiB at /data
        #[arg(long = "disk", value_name = "FS:GIB:PLACE")]
        disks: Vec<String>,
        /// A kernel argument
        #[arg(long = "kernel-arg")]
        kernel_args: Vec<String>,
    },
    /// Log in to a host, or run a command in it
    Ssh {
        /// Its name
        #[arg(default_value = "lab")]
        name: String,
        /// root, dev or op
        #[arg(long, default_value = "root")]
        user: String,
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Cut a host's power and remove its disks
    Down {
        /// Its name
        #[arg(default_value = "lab")]
        name: String,
        /// Every host that `up` booted
        #[arg(long)]
        all: bool,
    },
    /// The hosts that run
    List,
    /// Build the images that are not in the cache
    Images {
        /// Only these releases
        releases: Vec<Release>,
    },
}

/// Runs `cargo xtask lab`.
pub fn run(args: Args) -> Result<()> {
    tools::need_lab()?;
    let lab = Lab::new(cache(args.cache)?)?;
    match args.command {
        Action::Up { name, named, release, memory, root, disks, kernel_args } => {
            let name = named.unwrap_or(name);
            ensure!(!name.is_empty() && !name.contains('/'), "`{name}` is no name for a host");
            ensure!(find(&lab, &name).is_err(), "`{name}` runs already: `cargo xtask lab ssh {name}`");
            let mut spec = HostSpec::new(release).memory_mib(memory).root_gib(root);
            for disk in &disks {
                let (fs, gib, place) = parse_disk(disk)?;
                spec = spec.disk(fs, gib, &place);
            }
            for arg in &kernel_args {
                spec = spec.kernel_arg(arg);
            }
            show(&lab.up(&name, &spec)?);
        }
        Action::Ssh { name, user, command } => {
            let up = find(&lab, &name)?;
            let mut ssh = lab.ssh_command(&up, &user)?;
            if !command.is_empty() {
                ssh.arg("--").args(command);
            }
            let status = ssh.status().context("ssh")?;
            ensure!(status.success(), "{status}");
        }
        Action::Down { name, all } => {
            let ups = if all { lab.list()? } else { vec![find(&lab, &name)?] };
            for up in ups {
                lab.down(&up)?;
            }
        }
        Action::List => lab.list()?.iter().for_each(show),
        Action::Images { releases } => {
            let all = Release::ALL.to_vec();
            for release in if releases.is_empty() { all } else { releases } {
                let image = lab.image(release)?;
                say(&format!("{release}\t{}", image.root.display()));
            }
        }
    }
    Ok(())
}

/// The cache directory: as given, as the environment says, or in the home directory.
pub fn cache(given: Option<PathBuf>) -> Result<PathBuf> {
    let named = || std::env::var_os("OOMGUARD_LAB_CACHE").map(PathBuf::from);
    if let Some(path) = given.or_else(named) {
        return Ok(path);
    }
    let home = std::env::var_os("HOME").context("HOME is not set: give --cache")?;
    Ok(PathBuf::from(home).join(".cache/oomguard-lab"))
}

fn find(lab: &Lab, name: &str) -> Result<Up> {
    let up = lab.list()?.into_iter().find(|up| up.name == name);
    up.with_context(|| format!("no host `{name}` runs: `cargo xtask lab up {name}`"))
}

fn parse_disk(text: &str) -> Result<(Fs, u32, String)> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let (fs, gib, place) = match *parts.as_slice() {
        [fs] => (fs, "8", "/data"),
        [fs, gib, place] => (fs, gib, place),
        _ => bail!("`{text}` is not FS or FS:GIB:PLACE"),
    };
    let fs = match fs {
        "ext4" => Fs::Ext4,
        "xfs" => Fs::Xfs,
        "btrfs" => Fs::Btrfs,
        other => bail!("no file system `{other}`: ext4, xfs or btrfs"),
    };
    let gib = gib.parse().with_context(|| format!("`{gib}` is no number of GiB"))?;
    Ok((fs, gib, place.to_owned()))
}

fn show(up: &Up) {
    say(&format!("{}\t{}\t127.0.0.1:{}\t{}", up.name, up.release, up.port, up.directory.display()));
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn say(line: &str) {
    println!("{line}");
}
