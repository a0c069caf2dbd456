//! One line of the log for each thing that happens: `<6>protected pid=812 comm="tmux: server" from=0 to=-800`.
//!
//! The number in angle brackets is the priority, as journald takes it (sd-daemon(3)). Values that others chose, such as
//! names of processes, are cut and quoted.

use std::fmt;

/// The most characters of a value.
const LONGEST: usize = 400;

/// How bad it is (syslog(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something cannot be done.
    Error = 3,
    /// Something is weaker than it should be.
    Warning = 4,
    /// Something out of the ordinary.
    Notice = 5,
    /// Something done.
    Info = 6,
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    level: Level,
    event: &'static str,
    fields: Vec<(&'static str, Value<'a>)>,
}

#[derive(Clone, Debug)]
enum Value<'a> {
    Number(i64),
    Text(&'a str),
}

impl<'a> Line<'a> {
    /// A line without fields.
    #[must_use]
    pub fn new(level: Level, event: &'static str) -> Self {
        Self { level, event, fields: Vec::new() }
    }

    /// The same line with a number.
    pub fn number(&mut self, key: &'static str, value: impl Into<i64>) -> &mut Self {
        self.fields.push((key, Value::Number(value.into())));
        self
    }

    /// The same line with a text.
    pub fn text(&mut self, key: &'static str, value: &'a str) -> &mut Self {
        self.fields.push((key, Value::Text(value)));
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// What happened: a stable name.
    #[must_use]
    pub fn event(&self) -> &'static str {
        self.event
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", self.level as u8, self.event)?;
        for (key, value) in &self.fields {
            match value {
                Value::Number(number) => write!(f, " {key}={number}")?,
                Value::Text(text) => write!(f, " {key}={}", Quoted(text))?,
            }
        }
        Ok(())
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || "._-/@:+,".contains(c);
        if !self.0.is_empty() && self.0.len() <= LONGEST && self.0.chars().all(bare) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars().take(LONGEST) {
            // What could end the line, colour a terminal or turn its direction.
            if c == '"' || c == '\\' {
                write!(f, "\\{c}")?;
            } else if c.is_control() || !(c.is_alphanumeric() || c.is_ascii()) {
                f.write_str("?")?;
            } else {
                write!(f, "{c}")?;
            }
        }
        f.write_str(if self.0.chars().nth(LONGEST).is_some() { "...\"" } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_a_process_calls_itself() {
        let mut line = Line::new(Level::Info, "protected");
        line.number("pid", 7).text("comm", "tmux: server").text("unit", "session-3.scope");
        assert_eq!(line.to_string(), r#"<6>protected pid=7 comm="tmux: server" unit=session-3.scope"#);
        let mut line = Line::new(Level::Warning, "x");
        line.text("comm", "a\n<3>b\x1b[31m\u{202e}\"\\").text("none", "");
        assert_eq!(line.to_string(), r#"<4>x comm="a?<3>b?[31m?\"\\" none="""#);
        let long = "y".repeat(1000);
        let mut line = Line::new(Level::Error, "x");
        line.text("long", &long);
        assert!(line.to_string().len() < 450 && line.to_string().ends_with("y...\""));
    }
}
