//! `/metrics` and `/healthz`, on a thread of their own.
//!
//! A client can neither hang nor fill it: each connection carries one request, lives for a few seconds at most, and
//! there are at most [`MAX_CONNECTIONS`] of them.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use oomguard_host::Host;
use prometheus_client::registry::Registry;

use crate::exposition::{self, Format};
use crate::machine;
use crate::metrics::Metrics;

/// Where the agent listens unless told otherwise: below the ports that systems give to clients. Whether an exporter of
/// Prometheus' list uses it too was checked on an old copy of that list only.
pub const PORT: u16 = 19874;
/// More connections at once are closed unanswered.
pub const MAX_CONNECTIONS: usize = 16;
/// A connection that is not done by then is closed.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);
/// What a request's head may take.
const MAX_HEAD: usize = 8 << 10;
/// When the machine has no more descriptors.
const BREATH: Duration = Duration::from_millis(100);
const STACK: usize = 256 << 10;

/// When the agent's loop last came round.
#[derive(Debug)]
pub struct Beat {
    last_ms: AtomicU64,
    limit_ms: u64,
}

impl Beat {
    /// A loop that must come round every `limit_ms` milliseconds, and just has.
    #[must_use]
    pub fn new(host: &Host, limit_ms: u64) -> Self {
        Self { last_ms: AtomicU64::new(host.tick_ms()), limit_ms }
    }

    /// The loop came round, at a time of [`Host::tick`].
    pub fn beat(&self, now: Duration) {
        self.last_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago that was, in milliseconds.
    #[must_use]
    pub fn age_ms(&self, host: &Host) -> u64 {
        host.tick_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed))
    }
}

/// What is shown.
#[derive(Debug)]
pub struct Page {
    /// The machine whose numbers are read for each scrape.
    pub host: Host,
    /// The metrics that are read from it.
    pub metrics: Metrics,
    /// All metrics.
    pub registry: Registry,
    /// Whether the agent's loop lives.
    pub beat: Beat,
}

impl Page {
    /// All metrics as they are now.
    #[must_use]
    pub fn print(&self, format: Format) -> String {
        machine::refresh(&self.host, &self.metrics);
        let ago = self.beat.age_ms(&self.host);
        self.metrics.heartbeat.set(self.host.now_ms().saturating_sub(ago) as f64 / 1000.0);
        exposition::print(&self.registry, format)
    }
}

/// A listening server. Dropping it closes it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Listens, and answers on a thread of its own.
///
/// # Errors
/// When the address is in use or may not be used, or no thread can be started.
pub fn serve(address: SocketAddr, page: Arc<Page>) -> io::Result<Server> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let run = move || {
        runtime.block_on(async {
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                accept(&listener, &page, &stopped).await;
            }
        });
    };
    let thread = std::thread::Builder::new().name("oomguard-http".to_owned()).stack_size(STACK).spawn(run)?;
    Ok(Server { address, stop, thread: Some(thread) })
}

impl Server {
    /// Where it listens; of use when the port was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A connection wakes the thread.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &tokio::net::TcpListener, page: &Arc<Page>, stop: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = listener.accept().await;
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue;
        }
        let place = Place::take(&open);
        let page = Arc::clone(page);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request: Request<Incoming>| {
                let response = answer(&request, &page);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            let connection =
                http.keep_alive(false).max_buf_size(MAX_HEAD).serve_connection(TokioIo::new(stream), service);
            // What a client does wrong is not worth a line in the log: everybody on the machine can do it.
            let _ = tokio::time::timeout(CONNECTION_LIMIT, connection).await;
        });
    }
}

/// One of the connections that may be open.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(request: &Request<Incoming>, page: &Page) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let accept =
                request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let format = Format::preferred(accept);
            respond(StatusCode::OK, format.content_type(), page.print(format))
        }
        "/healthz" => {
            let ago = page.beat.age_ms(&page.host);
            let seconds = ago / 1000;
            if ago <= page.beat.limit_ms {
                plain(StatusCode::OK, "ok\n")
            } else {
                let text = format!("the agent's loop has not come round for {seconds} s\n");
                plain(StatusCode::SERVICE_UNAVAILABLE, &text)
            }
        }
        "/" => plain(StatusCode::OK, "oomguard agent: /metrics, /healthz\n"),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
