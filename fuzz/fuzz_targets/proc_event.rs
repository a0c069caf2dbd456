//! Messages of the kernel's process connector: an event or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_host::proc_event::{ProcEvent, parse};

fuzz_target!(|bytes: &[u8]| match parse(bytes) {
    Ok(ProcEvent::Name { comm, .. }) => assert!(ProcEvent::name(&comm).len() <= 16),
    Ok(_) => assert!(bytes.len() >= 40),
    Err(error) => assert!(error.raw.chars().count() <= 80),
});
