//! `oomguard spec diff`: what two documents ask differently.

use oomguard_spec::difference::documents;

use crate::args::{SpecDiff, TextFormat};
use crate::failure::{Failure, code};
use crate::output::{Terminal, spec_diff};
use crate::policy_source::{no_policy, read};

pub fn run(args: &SpecDiff, terminal: &mut Terminal) -> Result<u8, Failure> {
    let style = terminal.error_style();
    let (before, after) = (read(&args.before, style)?, read(&args.after, style)?);
    let comparison = documents(&before, &after, args.role.as_deref())
        .map_err(|(document, error)| no_policy(document, &error, style))?;
    terminal.print(&match args.format {
        TextFormat::Text => spec_diff::text(&comparison),
        TextFormat::Json => serde_json::to_string_pretty(&comparison).unwrap_or_default() + "\n",
    })?;
    Ok(if comparison.same { code::AS_IT_SHOULD_BE } else { code::DIFFERS })
}
