//! sysctl files: what wins is the last that is applied, in whatever order the files come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_host::sysctl::{SysctlFile, all, parse_file, problems, winner, winner_procps};

fuzz_target!(|bytes: &[u8]| {
    parse_file(bytes);
    problems(bytes);
    let mut files: Vec<SysctlFile> = bytes
        .split(|&b| b == 0)
        .enumerate()
        .map(|(i, part)| SysctlFile { path: format!("/etc/sysctl.d/{i}.conf"), bytes: part.to_vec() })
        .collect();
    let won = winner(&files, "vm.swappiness");
    assert_eq!(won, all(&files, "vm.swappiness").pop());
    files.reverse();
    assert_eq!(winner(&files, "vm/swappiness"), won);
    let _ = winner_procps(&files, Some(bytes), "vm.swappiness");
    let _ = winner(&files, &String::from_utf8_lossy(bytes));
});
