//! A recorder's file: any bytes are read, page by page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_agent::recorder::format::{PAGE, decode, encode, file_head};
use oomguard_agent::recorder::read;

fuzz_target!(|bytes: &[u8]| {
    let recording = read(bytes);
    assert!(recording.len() + recording.torn <= bytes.len() / PAGE + 1);

    // The same bytes as the inside of a page whose checksum is right.
    let mut page = file_head();
    encode(1, &[0; 16], Default::default(), &mut Default::default(), &mut page);
    let body = &bytes[..bytes.len().min(PAGE - 50)];
    page[48..50].copy_from_slice(&(body.len() as u16).to_le_bytes());
    page[50..50 + body.len()].copy_from_slice(body);
    let crc = crc32fast::hash(&page[8..50 + body.len()]);
    page[4..8].copy_from_slice(&crc.to_le_bytes());
    if let Some(mut first) = decode(&page) {
        let mut again = [0; PAGE];
        encode(first.number, &first.boot, first.moment, &mut first.record, &mut again);
        assert!(decode(&again).is_some());
        let _ = read(&[&file_head()[..], &again].concat());
    }
});
