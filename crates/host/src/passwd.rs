//! /etc/passwd (passwd(5)): user names and ids. Users of a directory service are not in it.

/// The names and ids of the users, in the order of the file. Malformed lines are skipped, as the C library does.
#[must_use]
pub fn users(bytes: &[u8]) -> Vec<(String, u32)> {
    bytes.split(|byte| *byte == b'\n').filter_map(user).collect()
}

fn user(line: &[u8]) -> Option<(String, u32)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split(':');
    let (name, _, uid) = (fields.next()?, fields.next()?, fields.next()?);
    let plain =
        !name.is_empty() && !name.starts_with(['#', '+', '-']) && !name.contains(oomguard_text::is_unsafe);
    let digits = !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit());
    (plain && digits).then_some(())?;
    Some((name.to_owned(), uid.parse().ok()?))
}
