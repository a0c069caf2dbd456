//! Starts this program again as a child: the load of a drill.

use std::ffi::CString;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::error::{HostError, Result};
use crate::host::Host;

/// A child that runs this program. It inherits the oom_score_adj of this process.
#[derive(Debug)]
pub struct Reexec {
    child: Child,
}

impl Host {
    /// Starts this program with other arguments. Dropping the [`Reexec`] closes its standard input and waits for it.
    ///
    /// # Errors
    /// When it cannot be started, or the host is a folder without a current program.
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
    /// Waits for the first byte of output; `false` when it ended without any.
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

/// Sets the name of this process in /proc; the kernel keeps 15 bytes.
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
    fn wait_ready_tells_output_from_exit() {
        let args = |script: &str| vec!["-c".to_owned(), script.to_owned()];
        let mut waits = host("/bin/sh").reexec(&args("echo x; read line")).unwrap();
        assert!(waits.wait_ready());
        drop(waits);
        let mut ends = host("/bin/sh").reexec(&args("kill -9 $$")).unwrap();
        assert!(!ends.wait_ready());
        assert!(host("/nowhere").reexec(&[]).unwrap_err().to_string().contains("/nowhere"));
    }

    #[test]
    fn the_name_of_a_thread_is_set() {
        // The name of the process is that of its main thread; a test has its own thread.
        std::thread::spawn(|| {
            set_process_name("drill-load").unwrap();
            assert_eq!(std::fs::read_to_string("/proc/thread-self/comm").unwrap(), "drill-load\n");
        })
        .join()
        .unwrap();
        assert!(set_process_name("a\0b").is_err());
    }
}
