//! Standard output and error: colours only where they are wanted, and a closed pipe that ends quietly.

use std::io::{self, BufRead, IsTerminal, Write};

use oomguard_spec::Style;

use crate::args::Color;
use crate::failure::{Failure, code};

/// The colours that are used.
#[derive(Clone, Copy, Debug)]
pub enum Paint {
    /// Critical.
    Red,
    /// A warning.
    Yellow,
    /// Fine.
    Green,
    /// A heading.
    Bold,
}

/// Standard output and error.
#[derive(Debug)]
pub struct Terminal {
    colour_out: bool,
    colour_err: bool,
    /// The reader of standard output has gone, as `head` does.
    unread: bool,
    /// Only errors are printed.
    quiet: bool,
}

impl Terminal {
    pub fn new(color: Color) -> Self {
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self {
            colour_out: wanted(io::stdout().is_terminal()),
            colour_err: wanted(io::stderr().is_terminal()),
            unread: false,
            quiet: false,
        }
    }

    /// One without colors.
    #[cfg(feature = "fleet")]
    pub fn plain() -> Self {
        Self { colour_out: false, colour_err: false, unread: false, quiet: false }
    }

    /// Prints errors only from now on.
    pub fn be_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Prints text to standard output. When its reader has gone, the command goes on without a word, so that its
    /// exit code says the same with and without `| head`.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        if self.unread || self.quiet {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        // A file or a pipe gets the bytes as they are: a document, JSON.
        let text = if out.is_terminal() { oomguard_text::output(text) } else { text.into() };
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.unread = true;
                Ok(())
            }
            written => written.map_err(|error| Failure::error(format!("cannot write the output: {error}"))),
        }
    }

    /// Prints text about the work: to standard output, or to standard error where the output is `json`.
    pub fn say(&mut self, json: bool, text: &str) -> Result<(), Failure> {
        if json {
            self.note(text);
            return Ok(());
        }
        self.print(text)
    }

    /// Prints text to standard error. When that fails, the command goes on.
    pub fn note(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        self.error(text);
    }

    fn error(&mut self, text: &str) {
        let _ = io::stderr().lock().write_all(oomguard_text::output(text).as_bytes());
    }

    /// A text in a colour, where colours are wanted on standard output.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colour_out {
            return text.to_owned();
        }
        let number = match paint {
            Paint::Red => "1;31",
            Paint::Yellow => "33",
            Paint::Green => "32",
            Paint::Bold => "1",
        };
        format!("\x1b[{number}m{text}\x1b[0m")
    }

    /// The style of located messages, which go to standard error.
    pub fn error_style(&self) -> Style {
        if self.colour_err { Style::Colour } else { Style::Plain }
    }

    /// The style of located messages that are the output itself.
    pub fn output_style(&self) -> Style {
        if self.colour_out { Style::Colour } else { Style::Plain }
    }

    /// How many columns there are; enough for a wide one when the output is no terminal.
    pub fn width(&self) -> u16 {
        let known = columns().filter(|_| io::stdout().is_terminal());
        known.unwrap_or(100).clamp(60, 140)
    }

    /// Asks a yes-or-no question on standard error; `None` when standard input is not a terminal.
    pub fn ask(&mut self, question: &str) -> Result<Option<bool>, Failure> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        self.error(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(|error| Failure::error(format!("cannot read the answer: {error}")))?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    /// Says why a command failed; the exit code to end with.
    pub fn fail(&mut self, failure: &Failure) -> u8 {
        let (text, code) = match failure {
            Failure::Document(text) => (text.clone(), code::ERROR),
            Failure::Message { code, what, hints } => {
                let mark = if self.colour_err { "\x1b[1;31merror\x1b[0m" } else { "error" };
                let hints: String = hints.iter().map(|hint| format!("  {hint}\n")).collect();
                (
                    format!("{mark}: {}\n{}", oomguard_text::terminal(what), oomguard_text::terminal(&hints)),
                    *code,
                )
            }
        };
        self.error(&text);
        code
    }
}

/// The width of the terminal on standard output.
fn columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
