//! Unit files and the names of their drop-in directories.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_host::unit_file::{drop_in_dirs, effective, parse};

fuzz_target!(|bytes: &[u8]| {
    let file = parse(bytes);
    let lines = bytes.split(|&b| b == b'\n').count();
    for assignment in &file.assignments {
        assert!((1..=lines).contains(&assignment.line) && !assignment.key.is_empty());
        let _ = file.last(&assignment.section, &assignment.key);
    }
    let last = file.last("Service", "OOMScoreAdjust");
    let files = [("a".to_string(), file)];
    assert_eq!(effective(&files, "Service", "OOMScoreAdjust").map(|e| (e.line, e.value)), last);

    let name = String::from_utf8_lossy(bytes);
    let dirs = drop_in_dirs(&name);
    assert!(dirs.last().is_none_or(|d| *d == format!("{name}.d")));
});
