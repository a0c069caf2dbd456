//! The head of a request, as far as the agent needs it.

const MAX_HEADERS: usize = 64;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without a query.
    pub(super) path: String,
    /// All `Accept` headers, as one.
    pub(super) accept: String,
}

/// What some bytes are the head of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    Partial,
    Invalid,
    Whole(Request),
}

pub(super) fn parse(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Head::Partial,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Head::Invalid,
    }
    let (Some(method), Some(target)) = (request.method, request.path) else { return Head::Invalid };
    let accepts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("accept"));
    let accept: Vec<_> = accepts.filter_map(|header| str::from_utf8(header.value).ok()).collect();
    Head::Whole(Request {
        method: method.to_owned(),
        path: path(target).to_owned(),
        accept: accept.join(","),
    })
}

/// The path of a request target, which a proxy may send with `http://HOST` before it (RFC 9112, 3.2.2).
fn path(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or(target);
    match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Head::Whole(request) => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_whole_only_with_its_empty_line() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\nACCEPT: a\r\naccept: b\r\n\r\n";
        let request = whole(text);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/metrics"));
        assert_eq!(request.accept, "a,b");
        for cut in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..cut]), Head::Partial, "{cut}");
        }
    }

    #[test]
    fn the_path_of_each_form_of_target() {
        for (target, path) in [
            ("/", "/"),
            ("/healthz#x", "/healthz"),
            ("http://127.0.0.1:19874/metrics", "/metrics"),
            ("http://x", "/"),
            ("*", "*"),
        ] {
            assert_eq!(whole(&format!("GET {target} HTTP/1.0\r\n\r\n")).path, path, "{target}");
        }
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        for text in ["nonsense\r\n\r\n", "GET / HTTP/9\r\n\r\n", "GET /\u{7f} HTTP/1.1\r\n", "\0", &many] {
            assert_eq!(parse(text.as_bytes()), Head::Invalid, "{text:?}");
        }
    }
}
