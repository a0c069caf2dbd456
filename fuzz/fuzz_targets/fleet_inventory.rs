//! An inventory in each form, a choice among its hosts, and the names that ssh gets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_fleet::inventory::{Form, read};
use oomguard_fleet::limit::Limit;
use oomguard_fleet::wave::Waves;

fuzz_target!(|bytes: &[u8]| {
    let (pattern, bytes) = bytes.split_at(bytes.len().min(12));
    let pattern = String::from_utf8_lossy(pattern);
    for form in [Form::Document, Form::Ansible, Form::List] {
        let Ok(targets) = read("x", bytes, form) else { continue };
        for target in &targets {
            let destination = target.destination();
            assert!(!destination.starts_with(['-', '.']));
            assert!(destination.chars().all(|c| c.is_ascii_alphanumeric() || "._-@:".contains(c)));
            assert!(!target.name.as_str().contains('/'), "it is the name of a folder");
        }
        if let Ok(waves) = pattern.parse::<Waves>() {
            assert!(waves.of(targets.len()).into_iter().flatten().eq(0..targets.len()));
        }
        if let Ok(chosen) = Limit::parse(&pattern).choose(targets) {
            assert!(!chosen.is_empty());
        }
    }
});
