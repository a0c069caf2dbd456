//! Streamable HTTP on a port of this machine, behind a token.

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

use crate::state::{NOFOLLOW, StateError, failed, private};
use crate::{MOST_REQUEST, Server};

/// A token has at least so many characters.
const SHORTEST_TOKEN: usize = 32;
/// So many connections at a time; others wait.
const MOST_CONNECTIONS: u32 = 64;
/// So long the end of the server waits for answers that are still to be sent or, of looks, to be found.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// What a client must show; only its hash is kept.
#[derive(Clone, Debug)]
pub struct Token([u8; 32]);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] StateError),
    /// It is too easy to guess.
    #[error("{0} has a token of fewer than 32 characters; make one with `openssl rand -hex 32`")]
    Short(String),
}

impl Token {
    /// Reads a token from a file that only its owner may read: exactly the mode 0600, and no symbolic link.
    ///
    /// # Errors
    /// When the file is open to others, not the owner's, or has no token.
    pub fn read(path: &Path, owner: u32) -> Result<Self, BadToken> {
        let file =
            OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path).map_err(failed("read", path))?;
        private(&file, path, owner)?;
        let mut text = String::new();
        file.take(4096).read_to_string(&mut text).map_err(failed("read", path))?;
        let token = text.trim();
        if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadToken::Short(path.display().to_string()));
        }
        Ok(Self(Sha256::digest(token.as_bytes()).into()))
    }

    /// Whether a request shows it. Hashes are compared, so that time says nothing about how much of it was right.
    fn shown(&self, request: &Request<Incoming>) -> bool {
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

/// Serves until SIGTERM or SIGINT; what has begun on a host by then goes to its end, unless a second one comes.
///
/// # Errors
/// When the port cannot be taken, or is not of this machine alone.
pub async fn serve(
    server: Server,
    address: SocketAddr,
    token: Token,
    ready: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let mut stops = Stops::new()?;
    let shared = Arc::clone(&server.shared);
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS as usize));
    let (end, ending) = watch::channel(());
    tokio::select! {
        ended = accept(server, address, token, ready, &connections, &ending) => return ended,
        () = stops.next() => {}
    }
    // The port is closed by now. Connections that are open close when they have the answer that they wait for.
    let _ = end.send(());
    let all = connections.acquire_many(MOST_CONNECTIONS);
    tokio::select! {
        () = async {
            shared.changes_end().await;
            let _ = tokio::time::timeout(LAST_ANSWERS, all).await;
        } => {}
        () = stops.next() => {}
    }
    Ok(())
}

/// The signals that end a server.
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
    ending: &watch::Receiver<()>,
) -> io::Result<()> {
    if !address.ip().is_loopback() {
        let why = "it is no address of this machine alone; give 127.0.0.1:PORT, and reach it from elsewhere with `ssh -L`";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let port = address.port();
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")];
    let config = StreamableHttpServerConfig::default()
        // An assistant is no browser: whoever sends an Origin is a page, and the only ones that may ask are those of this very
        // address, which serves none. The protocol wants these to be taken.
        .with_allowed_origins(hosts.iter().map(|host| format!("http://{host}")))
        .enforce_origin_validation()
        .with_allowed_hosts(hosts)
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MOST_REQUEST);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    ready(address);
    loop {
        let Ok(slot) = Arc::clone(connections).acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            // No more files may be open: one will be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (service, token, mut ending) = (service.clone(), token.clone(), ending.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let answer = service_fn(move |request| {
                let (service, token) = (service.clone(), token.clone());
                async move { Ok::<_, Infallible>(answer(&service, &token, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .serve_connection(TokioIo::new(stream), answer);
            let mut connection = pin!(connection);
            // A client that breaks off is no failure of the server.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = ending.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
}

async fn answer(
    service: &StreamableHttpService<Server, NeverSessionManager>,
    token: &Token,
    request: Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    // rmcp checks that it is one of ours; that there is exactly one is checked here.
    if request.headers().get_all(HOST).iter().count() != 1 {
        return refused(StatusCode::BAD_REQUEST, "exactly one Host is needed\n");
    }
    if !token.shown(&request) {
        return refused(StatusCode::UNAUTHORIZED, "a bearer token is needed\n");
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
