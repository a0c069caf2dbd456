//! `/proc/sys/kernel/osrelease` (proc_sys_kernel(5)).

/// The kernel's major and minor version: `6.1.0-18-amd64` gives (6, 1).
///
/// A part that is not a number counts as 0, so that an invalid release is older than any kernel.
pub fn kernel_release(bytes: &[u8]) -> (u32, u32) {
    let mut parts = bytes.trim_ascii().split(|&b| b == b'.');
    let mut next = || parts.next().map_or(0, leading_number);
    let major = next();
    (major, next())
}

fn leading_number(part: &[u8]) -> u32 {
    let end = part.iter().position(|b| !b.is_ascii_digit());
    super::number(&part[..end.unwrap_or(part.len())]).unwrap_or(0)
}
