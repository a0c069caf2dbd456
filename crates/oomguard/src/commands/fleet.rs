//! `oomguard fleet`: what was done on other hosts, and how they stand.

use oomguard_fleet::job::Task;
use oomguard_fleet::render;
use oomguard_fleet::status::latest;
use oomguard_host::Host;

use super::many::{self, Asking, Order};
use crate::args::{Fleet, FleetFormat, TableFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, fleet};

pub fn run(command: &Fleet, host: &Host, terminal: &mut Terminal) -> Result<u8, Failure> {
    match command {
        Fleet::Runs { place, format } => {
            let runs = many::runs(place.runs.as_deref())?;
            let kept: Vec<_> = runs.ids()?.iter().filter_map(|id| runs.open(id).ok()).collect();
            terminal.print(&match format {
                TableFormat::Table => fleet::runs_table(&kept),
                TableFormat::Json => fleet::runs_json(&kept),
            })?;
            Ok(code::AS_IT_SHOULD_BE)
        }
        Fleet::Show { id, place, format } => {
            let kept = many::runs(place.runs.as_deref())?.open(id)?;
            let outcomes = kept.outcomes();
            terminal.print(&match format {
                TableFormat::Table => fleet::table(&kept, &outcomes, terminal),
                TableFormat::Json => fleet::json(&kept, &outcomes),
            })?;
            Ok(many::exit_code(&kept.run.task, &outcomes))
        }
        Fleet::Resume { id, reach, yes, format } => {
            let kept = many::runs(reach.runs.as_deref())?.open(id)?;
            let left = kept.unfinished();
            many::finish(&kept, &left, reach, *yes, *format == TableFormat::Json, terminal)
        }
        Fleet::Status { policy, fleet: hosts, format } => {
            let asked = many::asked(hosts)?;
            let mut names = Vec::new();
            if asked {
                let order =
                    Order { task: Task::Check, fleet: hosts, policy, waves: None, yes: true, json: false };
                let kept = many::begin(&order, host, terminal)?;
                let asking = Asking { yes: true, json: true };
                many::work(&kept, &kept.run.hosts, &hosts.reach, asking, terminal)?;
                names.extend(kept.run.hosts.into_iter().map(|member| member.target.name));
            }
            let mut standings = latest(&many::runs(hosts.reach.runs.as_deref())?)?;
            standings.retain(|standing| !asked || names.contains(&standing.outcome.target.name));
            terminal.print(&match format {
                FleetFormat::Table => fleet::status_table(&standings, terminal),
                FleetFormat::Json => fleet::status_json(&standings),
                FleetFormat::Html => render::html(&standings, host.now()),
                FleetFormat::Cspec => render::cspec(&standings),
            })?;
            let outcomes: Vec<_> = standings.into_iter().map(|standing| standing.outcome).collect();
            Ok(many::exit_code(&Task::Check, &outcomes))
        }
    }
}
