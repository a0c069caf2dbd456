//! The answer of a host: one JSON object per line.

use oomguard_converge::Refusal;
use oomguard_report::{PlanReport, Report, StatusReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setup;

/// The version of the form below.
pub const SCHEMA: &str = "oomguard.fleet-line/2";
/// A line is not longer, in bytes: a report of a host with thousands of processes has some megabytes.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Header {
        /// `oomguard.fleet-line/2`
        schema: String,
        /// The version of oomguard that answers.
        version: String,
        /// What the host calls itself.
        host: String,
    },
    /// An interrupted apply that this one finishes.
    Recovered {
        /// Its ID.
        id: String,
    },
    /// The host as it is now.
    Status {
        /// What `oomguard status` reports.
        status: StatusReport,
    },
    /// A step of a change starts.
    Step {
        /// From 1.
        number: usize,
        /// The number of steps.
        total: usize,
        /// What it does.
        step: String,
        /// The step of a setup that it is part of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part_of: Option<setup::Step>,
    },
    /// A step of a setup: what was found, what would be done, or what was done.
    Setup {
        /// The step and its lines.
        said: setup::Said,
    },
    /// What would be changed, and why it would be refused.
    Plan(Box<PlanReport>),
    /// What the command reports.
    Report {
        /// The report.
        report: Report,
    },
    /// The IDs of the applies that were made or rolled back.
    Done {
        /// The IDs.
        ids: Vec<String>,
    },
    /// Why the job failed.
    Failed {
        /// What went wrong.
        message: String,
        /// The reasons, if it was refused.
        refusals: Vec<Refusal>,
    },
    /// The last one. Without it, the connection was lost.
    End,
}

/// A line that is not valid.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// Not the expected JSON.
    #[error("not a line in the form {SCHEMA}: {0}")]
    Unreadable(String),
    /// Another version answers.
    #[error("the host answers in the form {0}; this oomguard reads {SCHEMA}")]
    Schema(String),
}

impl Line {
    /// As it is written, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads a line. Its text comes from the host and must be escaped before it is shown.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadLine> {
        let cut = |text: &str| oomguard_text::shown(text, 120);
        let line = serde_json::from_slice(bytes).map_err(|e| BadLine::Unreadable(cut(&e.to_string())))?;
        match line {
            Self::Header { schema, .. } if schema != SCHEMA => Err(BadLine::Schema(cut(&schema))),
            line => Ok(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_come_back_and_other_versions_do_not() {
        let header =
            Line::Header { schema: SCHEMA.to_owned(), version: "0".to_owned(), host: "ci".to_owned() };
        assert_eq!(Line::parse(header.to_line().as_bytes()).unwrap(), header);
        assert_eq!(Line::End.to_line(), "{\"line\":\"end\"}\n");
        let other = header.to_line().replace("line/2", "line/9");
        assert!(matches!(Line::parse(other.as_bytes()), Err(BadLine::Schema(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Line::parse(&bytes);
        }

        #[test]
        fn text_is_kept(step in "\\PC{0,60}", number in any::<usize>()) {
            let line = Line::Step { number, total: number, step, part_of: None };
            prop_assert_eq!(Line::parse(line.to_line().as_bytes()).unwrap(), line);
        }
    }
}
