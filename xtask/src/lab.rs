//! `cargo xtask lab`: boot and use lab hosts by hand.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use oomguard_lab::{Fs, HostSpec, Lab, Release, Up};

use crate::tools;

/// Boot and use lab hosts by hand.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of images and hosts [default: $OOMGUARD_LAB_CACHE, or ~/.cache/oomguard-lab]
    #[arg(long, global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Boot a host that runs until `down`
    Up {
        /// Name of the host
        #[arg(default_value = "lab")]
        name: String,
        /// Name of the host
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
        /// Add a data disk, such as xfs:8:/data; `xfs` means 8 GiB at /data
        #[arg(long = "disk", value_name = "FS:GIB:PLACE")]
        disks: Vec<String>,
        /// Add a kernel argument
        #[arg(long = "kernel-arg")]
        kernel_args: Vec<String>,
    },
    /// Log in to a host, or run a command on it
    Ssh {
        /// Name of the host
        #[arg(default_value = "lab")]
        name: String,
        /// User: root, dev or op
        #[arg(long, default_value = "root")]
        user: String,
        /// Command to run
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Cut a host's power and remove its disks
    Down {
        /// Name of the host
        #[arg(default_value = "lab")]
        name: String,
        /// Every host that `up` started
        #[arg(long)]
        all: bool,
    },
    /// List the running hosts
    List,
    /// Build missing images
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
            ensure!(!name.is_empty() && !name.contains('/'), "`{name}` is not a valid host name");
            ensure!(find(&lab, &name).is_err(), "`{name}` is already running: `cargo xtask lab ssh {name}`");
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
                print(&format!("{release}\t{}", image.root.display()));
            }
        }
    }
    Ok(())
}

/// The cache directory: from the option, the environment or the home directory.
pub fn cache(given: Option<PathBuf>) -> Result<PathBuf> {
    let named = || std::env::var_os("OOMGUARD_LAB_CACHE").map(PathBuf::from);
    if let Some(path) = given.or_else(named) {
        return Ok(path);
    }
    let home = std::env::var_os("HOME").context("HOME is not set; pass --cache")?;
    Ok(PathBuf::from(home).join(".cache/oomguard-lab"))
}

fn find(lab: &Lab, name: &str) -> Result<Up> {
    let up = lab.list()?.into_iter().find(|up| up.name == name);
    up.with_context(|| format!("no running host `{name}`: `cargo xtask lab up {name}`"))
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
        other => bail!("unknown file system `{other}`: use ext4, xfs or btrfs"),
    };
    let gib = gib.parse().with_context(|| format!("`{gib}` is not a number of GiB"))?;
    Ok((fs, gib, place.to_owned()))
}

fn show(up: &Up) {
    print(&format!("{}\t{}\t127.0.0.1:{}\t{}", up.name, up.release, up.port, up.directory.display()));
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn print(line: &str) {
    println!("{line}");
}
