//! A cspec document: read, asked for everything, formatted, and read again as the same data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_spec::{Style, policy_to_document, read};

fuzz_target!(|bytes: &[u8]| {
    let document = match read("fuzz.cspec", bytes) {
        Ok(document) => document,
        Err(rejected) => {
            assert!(!rejected.diagnostics.is_empty());
            let shown = rejected.render(Style::Plain);
            assert!(!shown.contains(|c| c != '\n' && oomguard_text::is_unsafe(c)), "{shown:?}");
            return;
        }
    };
    let _ = document.render(&document.lint(), Style::Plain);
    let _ = document.hosts();
    for role in document.roles() {
        if let Ok(policy) = document.policy(Some(&role)) {
            let written = policy_to_document(&policy, "role");
            let again = read("written.cspec", written.as_bytes()).expect("what was written is read");
            assert_eq!(again.policy(None).as_ref(), Ok(&policy));
        }
    }
    let strict = document.to_strict_yaml();
    let again = read("strict.cspec", strict.as_bytes()).expect("what was formatted is read");
    assert!(again.diagnostics().is_empty());
    assert_eq!(again.to_json(), document.to_json());
    assert_eq!(again.to_strict_yaml(), strict);
});
