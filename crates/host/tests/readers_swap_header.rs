//! Headers as mkswap writes them, in every page size, and those not to be touched.

use oomguard_host::swap_header::parse;

/// The first page of an area: version, last page and bad pages; a UUID and a label.
fn page(size: usize, fields: [u32; 3]) -> Vec<u8> {
    let mut page = vec![0; size];
    for (i, field) in fields.iter().enumerate() {
        page[1024 + 4 * i..1028 + 4 * i].copy_from_slice(&field.to_ne_bytes());
    }
    page[1036..1052].copy_from_slice(&(0x10..0x20).collect::<Vec<u8>>());
    page[1052..1060].copy_from_slice(b"oomguard");
    page[size - 10..].copy_from_slice(b"SWAPSPACE2");
    page
}

#[test]
fn a_header_of_every_page_size() {
    for size in [4096, 8192, 16384, 65536] {
        let mut bytes = page(size, [1, 1023, 2]);
        bytes.resize(65536, 0);
        let header = parse(&bytes).unwrap();
        assert_eq!((header.page_size, header.version, header.last_page), (size, 1, 1023));
        assert_eq!((header.size(), header.usable()), (1024 * size as u64, 1021 * size as u64));
        assert_eq!(header.label, "oomguard");
        assert_eq!(header.uuid_text().unwrap(), "10111213-1415-1617-1819-1a1b1c1d1e1f");
    }
}

#[test]
fn a_header_of_the_other_byte_order() {
    let header = parse(&page(4096, [1u32.swap_bytes(), 1023u32.swap_bytes(), 0])).unwrap();
    assert_eq!((header.version, header.last_page), (1, 1023));
}

#[test]
fn without_uuid_and_with_a_full_label() {
    let mut bytes = page(4096, [1, 1, 0]);
    bytes[1036..1052].fill(0);
    bytes[1052..1068].fill(b'x');
    let header = parse(&bytes).unwrap();
    assert_eq!((header.uuid_text(), header.label.len()), (None, 16));
}

#[test]
fn other_pages_are_refused() {
    let with = |signature: &[u8]| {
        let mut bytes = page(4096, [1, 1, 0]);
        bytes[4086..4086 + signature.len()].copy_from_slice(signature);
        bytes
    };
    for (bytes, what) in [
        (vec![], "shorter than a swap header"),
        (vec![0; 4095], "shorter than a swap header"),
        (vec![0; 4096], "has no swap signature"),
        (page(8192, [1, 1, 0])[..4096].to_vec(), "has no swap signature"),
        (page(4096, [0, 1, 0]), "has swap version 0, not 1"),
        (page(4096, [2, 1, 0]), "has swap version 2, not 1"),
        (page(4096, [1, 0, 0]), "is a swap area without pages"),
        (with(b"SWAP-SPACE"), "has the swap format of Linux before 2.1.117"),
        (with(b"S1SUSPEND\0"), "contains a hibernation image"),
        (with(b"S2SUSPEND\0"), "contains a hibernation image"),
        (with(b"ULSUSPEND\0"), "contains a hibernation image"),
        (with(b"LINHIB0001"), "contains a hibernation image"),
    ] {
        assert_eq!(parse(&bytes).unwrap_err().what, what);
    }
}
