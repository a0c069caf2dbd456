//! Standard output and error: colors only where they are wanted, and a closed pipe that ends quietly.

use std::io::{self, BufRead, IsTerminal, Write};

use oomguard_spec::Style;

use crate::args::Color;
use crate::failure::{Failure, code};

/// The colors that are used.
#[derive(Clone, Copy, Debug)]
pub enum Paint {
    /// Critical.
    Red,
    /// A warning.
    Yellow,
    /// Success.
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
    /// The width of the terminal on standard output.
    columns: Option<u16>,
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
            columns: columns().filter(|_| io::stdout().is_terminal()),
        }
    }

    /// One without colors and width.
    #[cfg(any(feature = "fleet", test))]
    pub fn plain() -> Self {
        Self::plain_with(None)
    }

    /// One without colors.
    #[cfg(any(feature = "fleet", test))]
    pub fn plain_with(columns: Option<u16>) -> Self {
        Self { colour_out: false, colour_err: false, unread: false, quiet: false, columns }
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
        self.write(&oomguard_text::output(text))
    }

    /// Prints a user's document as it is, except to a terminal.
    pub fn print_document(&mut self, text: &str) -> Result<(), Failure> {
        if io::stdout().is_terminal() || self.unread || self.quiet {
            return self.print(text);
        }
        self.write(text)
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
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

    /// Prints why a command line is wrong. It repeats words of the command line, so it is escaped like any other text.
    pub fn usage(&mut self, error: &clap::Error) {
        let text = error.render();
        self.error(&if self.colour_err { text.ansi().to_string() } else { text.to_string() });
    }

    /// A text in a color, where colors are wanted on standard output.
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

    /// The width that lines have to fit; a pipe has none.
    pub fn columns(&self) -> Option<usize> {
        self.columns.map(|columns| usize::from(columns.max(40)))
    }

    /// The width of running text: that of the terminal, but not too wide to be read.
    pub fn width(&self) -> usize {
        self.columns().unwrap_or(100).min(100)
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

    /// Prints why a command failed; returns the exit status.
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
