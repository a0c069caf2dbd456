//! This program once more, as a child that inherits everything: for loads that a drill makes.

use std::ffi::CString;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::error::{HostError, Result};
use crate::host::Host;

/// A copy of this program that runs. It has this process's score (oom_score_adj), as every child has.
#[derive(Debug)]
pub struct Reexec {
    child: Child,
}

impl Host {
    /// Starts this program with other arguments. It ends when [`Reexec`] is dropped, if it waits for the end of its input.
    ///
    /// # Errors
    /// When it cannot be started, or the host does not know the program that runs.
    pub fn reexec(&self, args: &[String]) -> Result<Reexec> {
        let program =
            self.current_exe().ok_or_else(|| HostError::NotLive { program: "oomguard".to_owned() })?;
        let child =
            Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(
                |source| HostError::Start { program: program.to_string_lossy().into_owned(), source },
            )?;
        Ok(Reexec { child })
    }
}

impl Reexec {
    /// Waits until it has printed something or has ended; whether it has printed something.
    pub fn wait_ready(&mut self) -> bool {
        let mut byte = [0];
        self.child.stdout.as_mut().is_some_and(|out| out.read_exact(&mut byte).is_ok())
    }
}

impl Drop for Reexec {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Gives this process another name in /proc, of which the kernel keeps 15 bytes.
///
/// # Errors
/// When the kernel refuses.
pub fn set_process_name(name: &str) -> std::io::Result<()> {
    let name = CString::new(name).map_err(std::io::Error::other)?;
    Ok(rustix::thread::set_name(&name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(program: &str) -> Host {
        Host::live().with_current_exe(std::path::Path::new(program))
    }

    #[test]
    fn one_that_answers_and_waits_and_one_that_ends() {
        let args = |script: &str| vec!["-c".to_owned(), script.to_owned()];
        let mut waits = host("/bin/sh").reexec(&args("echo x; read line")).unwrap();
        assert!(waits.wait_ready());
        drop(waits);
        let mut ends = host("/bin/sh").reexec(&args("kill -9 $$")).unwrap();
        assert!(!ends.wait_ready());
        assert!(host("/nowhere").reexec(&[]).unwrap_err().to_string().contains("/nowhere"));
    }

    #[test]
    fn a_thread_has_the_name_that_it_was_given() {
        // The main thread's name is the process's; here it is a test's own.
        std::thread::spawn(|| {
            set_process_name("drill-load").unwrap();
            assert_eq!(std::fs::read_to_string("/proc/thread-self/comm").unwrap(), "drill-load\n");
        })
        .join()
        .unwrap();
        assert!(set_process_name("a\0b").is_err());
    }
}
