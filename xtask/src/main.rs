//! Developer commands: `cargo xtask test`, `bench`, `fuzz`, `lab`, `package`, `picture`.

// A command line tool prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ansible;
mod bench;
mod counts;
mod fuzz;
mod lab;
mod mcp_clients;
mod package;
mod picture;
mod static_binary;
mod test;
mod tools;
mod venv;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// Developer commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    Test(test::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Lab(lab::Args),
    Package(package::Args),
    Picture(picture::Args),
    /// A part of `bench fleet`
    #[command(hide = true)]
    FleetScene(bench::fleet::Inside),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Command::parse() {
        Command::Test(args) => test::run(&root, &args),
        Command::Bench(args) => bench::run(&root, &args),
        Command::Fuzz(args) => fuzz::run(&root, &args),
        Command::Lab(args) => lab::run(args).map(|()| true),
        Command::Picture(args) => picture::run(&root, &args).map(|()| true),
        Command::Package(args) => package::package(&root, &args).map(|()| true),
        Command::FleetScene(args) => bench::fleet::inside(&args).map(|figures| {
            println!("{figures}");
            true
        }),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout that this was built from.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}
