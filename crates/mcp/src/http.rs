//! Streamable HTTP on a loopback address, with a bearer token.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::server::{MAX_REQUEST_BYTES, Server};
use crate::state::{NOFOLLOW, StateError, failed, require_private};

/// The shortest token that is accepted, in characters.
const MIN_TOKEN_CHARS: usize = 32;
/// The most open connections; others wait.
const MAX_CONNECTIONS: u32 = 64;
/// How long a client may take to send the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long shutdown waits for read-only calls and for answers that are still being sent.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The bearer token of the server; only its hash is kept in memory.
#[derive(Clone, Debug)]
pub struct Token([u8; 32]);

/// Why a token file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    /// The file cannot be read, or other users can access it.
    #[error(transparent)]
    File(#[from] StateError),
    /// The token is too short or not printable ASCII.
    #[error(
        "the token in {0} must be at least 32 printable ASCII characters; create one with `openssl rand -hex 32`"
    )]
    Short(String),
}

impl Token {
    /// Reads a token from a file with mode 0600 that is no symbolic link and belongs to `owner`.
    ///
    /// # Errors
    /// If the file is not such a file or has no valid token.
    pub fn read(path: &Path, owner: u32) -> Result<Self, BadToken> {
        let file =
            OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path).map_err(failed("read", path))?;
        require_private(&file, path, owner)?;
        let mut text = String::new();
        file.take(4096).read_to_string(&mut text).map_err(failed("read", path))?;
        let token = text.trim();
        if token.len() < MIN_TOKEN_CHARS || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadToken::Short(path.display().to_string()));
        }
        Ok(Self(Sha256::digest(token.as_bytes()).into()))
    }

    /// Whether a request has the token. Comparing hashes keeps the time independent of how much of it is right.
    fn authorizes(&self, request: &Request<Incoming>) -> bool {
        let mut values = request.headers().get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let hash: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        let differ = hash.iter().zip(self.0).fold(0, |differ, (a, b)| differ | (a ^ b));
        scheme.eq_ignore_ascii_case("bearer") && differ == 0
    }
}

/// Serves until SIGTERM or SIGINT, and then until the changes in progress are done or a second signal arrives.
///
/// # Errors
/// If the address cannot be bound or is no loopback address.
pub(crate) async fn serve(
    server: Server,
    address: SocketAddr,
    token: Token,
    ready: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let mut stops = Stops::new()?;
    let shared = Arc::clone(&server.shared);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
    let (shutdown, shutting_down) = watch::channel(());
    tokio::select! {
        served = accept(server, address, token, ready, &connections, &shutting_down) => return served,
        () = stops.next() => {}
    }
    // The listener is closed now. Open connections close after the answer that they wait for.
    let _ = shutdown.send(());
    let all = connections.acquire_many(MAX_CONNECTIONS);
    tokio::select! {
        () = async {
            shared.changes_done().await;
            let _ = tokio::time::timeout(SHUTDOWN_GRACE, all).await;
        } => {}
        () = stops.next() => {}
    }
    Ok(())
}

/// The signals that stop a server.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn accept(
    server: Server,
    address: SocketAddr,
    token: Token,
    ready: impl FnOnce(SocketAddr),
    connections: &Arc<Semaphore>,
    shutting_down: &watch::Receiver<()>,
) -> io::Result<()> {
    if !address.ip().is_loopback() {
        let why = "not a loopback address; use 127.0.0.1:PORT, and `ssh -L` to reach it from another machine";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let service = service(server, address.port());
    ready(address);
    loop {
        let Ok(permit) = Arc::clone(connections).acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely too many open files: wait until a connection is closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (service, token, mut shutting_down) = (service.clone(), token.clone(), shutting_down.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let answer = service_fn(move |request| {
                let (service, token) = (service.clone(), token.clone());
                async move { Ok::<_, Infallible>(answer(&service, &token, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            let mut connection = pin!(connection);
            // A client that disconnects is no error of the server.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = shutting_down.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
}

type Service = StreamableHttpService<Server, NeverSessionManager>;

fn service(server: Server, port: u16) -> Service {
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")];
    let config = StreamableHttpServerConfig::default()
        // Only browsers send an Origin. The server has no pages, so no Origin is needed, but the protocol requires that its
        // own is accepted.
        .with_allowed_origins(hosts.iter().map(|host| format!("http://{host}")))
        .enforce_origin_validation()
        .with_allowed_hosts(hosts)
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_REQUEST_BYTES);
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config)
}

async fn answer(
    service: &Service,
    token: &Token,
    request: Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    // rmcp checks the value of Host, but not that there is exactly one.
    if request.headers().get_all(HOST).iter().count() != 1 {
        return refused(StatusCode::BAD_REQUEST, "exactly one Host header is required\n");
    }
    if !token.authorizes(&request) {
        return refused(StatusCode::UNAUTHORIZED, "a valid bearer token is required\n");
    }
    if !matches!(request.uri().path(), "/" | "/mcp") {
        return refused(StatusCode::NOT_FOUND, "the server is at /mcp\n");
    }
    service.handle(request).await
}

fn refused(status: StatusCode, why: &'static str) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(why.as_bytes())).boxed());
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, hyper::header::HeaderValue::from_static("Bearer"));
    }
    response
}
