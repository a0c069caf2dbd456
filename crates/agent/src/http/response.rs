//! What a request is answered with.

use super::Page;
use super::request::Request;
use crate::exposition::Format;

const PLAIN: &str = "text/plain; charset=utf-8";

/// The response to a request, ready to send.
pub(super) fn to(request: &Request, page: &Page) -> Vec<u8> {
    let is_head = request.method == "HEAD";
    if !is_head && request.method != "GET" {
        return response(
            "405 Method Not Allowed",
            PLAIN,
            "Allow: GET, HEAD\r\n",
            "only GET and HEAD are allowed\n",
        );
    }
    let mut bytes = match request.path.as_str() {
        "/metrics" => {
            let format = Format::preferred(&request.accept);
            response("200 OK", format.content_type(), "", &page.print(format))
        }
        "/healthz" => health(page),
        "/" => response("200 OK", PLAIN, "", "oomguard agent: /metrics, /healthz\n"),
        _ => response("404 Not Found", PLAIN, "", "not found; there are /metrics and /healthz\n"),
    };
    if is_head {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        bytes.truncate(end);
    }
    bytes
}

fn health(page: &Page) -> Vec<u8> {
    let age_ms = page.beat.age_ms(&page.host);
    if page.beat.is_healthy(age_ms) {
        return response("200 OK", PLAIN, "", "ok\n");
    }
    let text = format!("the agent's loop has not run for {} s\n", age_ms / 1000);
    response("503 Service Unavailable", PLAIN, "", &text)
}

/// A head that is no request.
pub(super) fn bad_request() -> Vec<u8> {
    response("400 Bad Request", PLAIN, "", "not a valid HTTP request\n")
}

/// A head that is too long.
pub(super) fn too_large() -> Vec<u8> {
    response("431 Request Header Fields Too Large", PLAIN, "", "the request's headers are too large\n")
}

fn response(status: &str, content_type: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\n{more}Connection: close\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    bytes
}
