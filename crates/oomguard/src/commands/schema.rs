//! `oomguard schema`: JSON schemas.

use clap::ValueEnum;
use oomguard_agent::event;
use oomguard_agent::event_log::Log;
use oomguard_converge::Plan;
use oomguard_converge::history::Entry;
use oomguard_report::{CheckReport, RankReport, StatusReport};
use oomguard_spec::policy::Policy;
use schemars::schema_for;

use crate::args::SchemaName;
use crate::failure::{Failure, code};
use crate::output::Terminal;
use crate::output::recorder::Report as RecorderReport;

pub fn run(name: Option<SchemaName>, terminal: &mut Terminal) -> Result<u8, Failure> {
    let text = match name {
        None => SchemaName::value_variants().iter().filter_map(ValueEnum::to_possible_value).fold(
            String::new(),
            |mut text, value| {
                text.push_str(value.get_name());
                text.push('\n');
                text
            },
        ),
        Some(name) => {
            let schema = match name {
                SchemaName::Check => schema_for!(CheckReport),
                SchemaName::Plan => schema_for!(Plan),
                SchemaName::Journal => schema_for!(Entry),
                SchemaName::Status => schema_for!(StatusReport),
                SchemaName::Rank => schema_for!(RankReport),
                SchemaName::Recorder => schema_for!(RecorderReport),
                SchemaName::Policy => schema_for!(Policy),
                SchemaName::Events => schema_for!(Log),
                SchemaName::Event => schema_for!(event::Entry),
                SchemaName::Fleet => schema_for!(crate::output::fleet::Report),
                SchemaName::FleetRuns => schema_for!(crate::output::fleet::RunsReport),
                SchemaName::Drill => schema_for!(oomguard_drill::Report),
                SchemaName::Advise => schema_for!(oomguard_converge::advise::Advice),
                SchemaName::SpecCheck => schema_for!(crate::output::spec_check::Report),
                SchemaName::SpecDiff => schema_for!(oomguard_spec::difference::Comparison),
                SchemaName::Incident => schema_for!(oomguard_incident::Report),
            };
            serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
        }
    };
    terminal.print(&text)?;
    Ok(code::AS_IT_SHOULD_BE)
}
