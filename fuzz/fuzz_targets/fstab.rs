//! The fstab editor never loses a byte that it was not told to change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_host::fstab::{Fstab, swap_line};

fuzz_target!(|bytes: &[u8]| {
    let table = Fstab::parse(bytes);
    assert_eq!(table.to_bytes(), bytes);
    for entry in table.entries() {
        entry.priority();
        assert!(table.problems().iter().all(|p| p.line != entry.line));
    }
    table.duplicates();

    let count = bytes.split_inclusive(|&b| b == b'\n').count();
    let added = table.with_line(b"/new none swap sw 0 0");
    assert!(added.to_bytes().starts_with(bytes));
    assert_eq!(added.entries().count(), table.entries().count() + 1);
    let removed = added.without_line(count + 1).to_bytes();
    assert_eq!(removed.strip_suffix(b"\n").unwrap_or(&removed), bytes.strip_suffix(b"\n").unwrap_or(bytes));
    assert_eq!(
        table.with_line_replaced(1, b"x").without_line(1).to_bytes(),
        table.without_line(1).to_bytes()
    );

    let path = String::from_utf8_lossy(bytes);
    if let Ok(line) = swap_line(&path, Some(1)) {
        let table = Fstab::parse(line.as_bytes());
        let mut specs = table.swap_entries().map(|e| e.spec);
        assert_eq!(specs.next().as_deref(), Some(path.as_ref()));
        assert_eq!(specs.next(), None);
    }
});
