//! Logs that need not fit into memory: /dev/kmsg and the output of a program as streams.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::error::{HostError, Result};
use crate::host::Host;

/// The longest record: CONSOLE_EXT_LOG_MAX (kernel/printk/internal.h). A shorter buffer is an error (EINVAL).
const RECORD: usize = 8192;

/// The records in the kernel's ring buffer, one at a time (Documentation/ABI/testing/dev-kmsg).
///
/// Records that were overwritten before they were read leave a gap in the sequence numbers.
#[derive(Debug)]
pub struct KernelLog {
    file: File,
    record: Vec<u8>,
    at: usize,
}

impl Host {
    /// Opens /dev/kmsg at the oldest record.
    ///
    /// # Errors
    /// When it cannot be opened: without CAP_SYSLOG where kernel.dmesg_restrict is 1.
    pub fn kernel_log(&self) -> Result<KernelLog> {
        let path = "/dev/kmsg";
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(self.real(path));
        let file =
            opened.map_err(|source| HostError::File { action: "read", path: path.to_owned(), source })?;
        Ok(KernelLog { file, record: Vec::new(), at: 0 })
    }

    /// Starts a program with a clean environment and streams its output.
    ///
    /// # Errors
    /// When it cannot be started, or the host is a folder without programs.
    pub fn stream(&self, program: &str, args: &[&str]) -> Result<Stream> {
        let mut child = self
            .command(program)?
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| HostError::Start { program: program.to_owned(), source })?;
        let Some(output) = child.stdout.take() else {
            let source = io::Error::other("no pipe for its output");
            return Err(HostError::Start { program: program.to_owned(), source });
        };
        let command = format!("{program} {}", args.join(" "));
        Ok(Stream { child, output, command })
    }

    /// A command with a clean environment.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let Some(path) = self.programs() else {
            return Err(HostError::NotLive { program: program.to_owned() });
        };
        // `Command` would search the PATH of the caller.
        let found = std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| file.is_file());
        let Some(file) = found else {
            let source = io::Error::new(io::ErrorKind::NotFound, "not installed");
            return Err(HostError::Start { program: program.to_owned(), source });
        };
        let mut command = Command::new(file);
        command.env_clear().env("PATH", path).env("LC_ALL", "C").env("OOMGUARD_ROOT", self.root());
        command.current_dir("/");
        Ok(command)
    }
}

impl Read for KernelLog {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.record.len() {
            self.record.resize(RECORD, 0);
            let count = loop {
                match self.file.read(&mut self.record) {
                    // The oldest records were overwritten: the next read continues after the gap.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // No more records for now.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
                    Err(error) => {
                        self.record.clear();
                        return Err(error);
                    }
                    Ok(count) => break count,
                }
            };
            self.record.truncate(count);
            self.at = 0;
        }
        let rest = self.record.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

/// The output of a running program. Dropping it kills the program.
#[derive(Debug)]
pub struct Stream {
    child: Child,
    output: ChildStdout,
    command: String,
}

impl Stream {
    /// Waits for the program.
    ///
    /// # Errors
    /// When it failed.
    pub fn finish(mut self) -> Result<()> {
        let status =
            self.child.wait().map_err(|source| HostError::Start { program: self.command.clone(), source })?;
        if status.success() {
            return Ok(());
        }
        let status = status.to_string();
        Err(HostError::Command { command: self.command.clone(), status, stderr: String::new() })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
