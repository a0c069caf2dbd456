//! Records of the kernel's log and what is made of them: values or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_host::proc::{kmsg, memory_events, vmstat};

fuzz_target!(|bytes: &[u8]| {
    let mut kills = oomguard_agent::kills::Kills::default();
    let _ = memory_events::parse(bytes);
    let _ = vmstat::parse(bytes);
    if let Ok(record) = kmsg::parse(bytes) {
        assert!(record.text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let _ = kills.line(&record.text);
    }
    let _ = kills.line(&String::from_utf8_lossy(bytes));
    let _ = oomguard_agent::event_log::parse(bytes);
});
