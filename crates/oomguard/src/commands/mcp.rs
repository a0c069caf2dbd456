//! `oomguard mcp`: the MCP server for assistants.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueHint};
use oomguard_fleet::inventory::Form;
use oomguard_mcp::documents::AllowedFolders;
use oomguard_mcp::hosts::Hosts;
use oomguard_mcp::http::Token;
use oomguard_mcp::state::StateDir;
use oomguard_mcp::{Config, Server};

use super::fleet_run;
use super::mcp_approve::Approve;
use crate::args::{FleetArgs, ReachArgs, RootArgs};
use crate::failure::{Failure, code};
use crate::output::Terminal;

/// Serve AI assistants over the Model Context Protocol
///
/// On standard input and output, or on a local HTTP port. Assistants can read; with --allow-write they can also change
/// hosts, each change after a person approves it with `oomguard mcp approve`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Mcp {
    #[command(subcommand)]
    command: Option<McpCommand>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum McpCommand {
    Approve(Approve),
}

#[derive(Debug, Args)]
struct Serve {
    /// Hosts that assistants may name, besides `local`
    ///
    /// A cspec document, the output of `ansible-inventory --list`, or a list with one host per line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    inventory: Option<PathBuf>,
    /// Let assistants read documents and logs in this directory
    ///
    /// May be given several times.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Vec<PathBuf>,
    /// Also offer the tools that change hosts
    ///
    /// apply_plan, rollback, setup_testnet_server and record_session. Each change needs `oomguard mcp approve`.
    #[arg(long)]
    allow_write: bool,
    /// Serve HTTP on this local address; port 0 picks a free port
    #[arg(long, value_name = "127.0.0.1:PORT", requires = "token_file")]
    http: Option<SocketAddr>,
    /// File with the bearer token for --http (mode 0600)
    #[arg(long, value_name = "FILE", requires = "http", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    place: StateArgs,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Where `mcp` keeps its state.
#[derive(Clone, Debug, Default, Args)]
pub struct StateArgs {
    /// Directory of plans, approvals and the audit log
    ///
    /// Default: /var/lib/oomguard/mcp for root, else $XDG_STATE_HOME/oomguard/mcp or ~/.local/state/oomguard/mcp.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
}

impl Mcp {
    pub fn run(&self, terminal: &mut Terminal) -> Result<u8, Failure> {
        match &self.command {
            Some(McpCommand::Approve(args)) => args.run(terminal),
            None => serve(&self.serve, terminal),
        }
    }
}

fn serve(args: &Serve, terminal: &mut Terminal) -> Result<u8, Failure> {
    let (host, root) = (args.root.host()?, args.root.root.clone());
    if args.allow_write {
        super::live(&host)?;
    }
    let fleet = FleetArgs { inventory: args.inventory.clone(), ..FleetArgs::default() };
    let inventory = fleet_run::targets(&fleet, terminal)?;
    // Only root sees everything that a plan depends on, and the approved plan must be the one that is applied.
    let means = fleet_run::means(&args.reach, args.reach.sudo || args.allow_write)?;
    let place = root.map_or_else(Vec::new, |root| vec![OsString::from("--root"), root.into_os_string()]);
    let hosts = Hosts {
        program: (PathBuf::from("/proc/self/exe"), place),
        inventory,
        document: args.inventory.as_deref().and_then(policies),
        means: Arc::new(means),
    };
    let config = Config {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hosts,
        folders: AllowedFolders(args.folder.iter().map(|folder| existing(folder)).collect::<Result<_, _>>()?),
        runs: fleet_run::runs(args.reach.runs.as_deref())?,
        state: state_dir(&args.place)?,
        allow_write: args.allow_write,
        host: host.clone(),
        now: Box::new(move || host.now()),
    };
    let transport = if args.http.is_some() { "http" } else { "stdio" };
    let server = Server::new(config, transport).map_err(Failure::error)?;
    match (&args.http, &args.token_file) {
        (Some(address), Some(path)) => {
            let token = Token::read(path, owner()).map_err(Failure::error)?;
            let ready = |at| terminal.note(&format!("Serving MCP on http://{at}/mcp\n"));
            let served = server.serve_http(*address, token, ready);
            served.map_err(|error| Failure::error(format!("cannot serve on {address}: {error}")))?;
        }
        _ => server
            .serve_stdio()
            .map_err(|error| Failure::error(format!("the connection to the client failed: {error}")))?,
    }
    Ok(code::SUCCESS)
}

/// The folder of plans, approvals and the audit log.
pub fn state_dir(place: &StateArgs) -> Result<StateDir, Failure> {
    let folder = match &place.state {
        Some(folder) => std::path::absolute(folder).map_err(Failure::error)?,
        None => fleet_run::state_folder("mcp", "--state DIR")?,
    };
    StateDir::open(&folder, owner()).map_err(Failure::error)
}

fn owner() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn existing(folder: &Path) -> Result<PathBuf, Failure> {
    let directory = folder.canonicalize().ok().filter(|folder| folder.is_dir());
    directory.ok_or_else(|| Failure::usage(format!("--folder {}: not a directory", folder.display())))
}

/// An inventory that is a cspec document may have policies, too.
fn policies(inventory: &Path) -> Option<oomguard_spec::Document> {
    let bytes = std::fs::read(inventory).ok()?;
    let name = inventory.display().to_string();
    let is_document = Form::guess(&name, &bytes) == Form::Document;
    let document = is_document.then(|| oomguard_spec::read(&name, &bytes).ok()).flatten()?;
    (!document.roles().is_empty()).then_some(document)
}
