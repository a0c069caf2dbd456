//! A proxy that delays each direction of a connection by a fixed time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The maximum number of chunks in flight in one direction; the sender then blocks, as with a full window.
const MAX_IN_FLIGHT: usize = 64;

/// Delayed connections to some addresses, until the process ends.
pub struct Network {
    listeners: HashMap<IpAddr, AbortHandle>,
}

impl Network {
    /// Listens on `port` of each address and forwards to port `to` of the same address, in its own thread.
    ///
    /// # Errors
    /// When a port is in use or the thread cannot start.
    pub fn start(addresses: &[IpAddr], port: u16, to: u16, delay: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let mut listeners = HashMap::new();
        for address in addresses {
            let socket = std::net::TcpListener::bind(SocketAddr::new(*address, port))
                .with_context(|| format!("cannot listen on {address}:{port}"))?;
            socket.set_nonblocking(true)?;
            let serving = serve(TcpListener::from_std(socket)?, SocketAddr::new(*address, to), delay);
            listeners.insert(*address, runtime.spawn(serving).abort_handle());
        }
        drop(inside);
        std::thread::Builder::new()
            .name("delay".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(Self { listeners })
    }

    /// Stops listening on an address soon after this call.
    pub fn remove(&mut self, address: IpAddr) {
        if let Some(listener) = self.listeners.remove(&address) {
            listener.abort();
        }
    }
}

async fn serve(listener: TcpListener, to: SocketAddr, delay: Duration) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(async move {
            // The handshake is delayed in both directions too.
            tokio::time::sleep(delay * 2).await;
            let far = TcpStream::connect(to).await?;
            near.set_nodelay(true)?;
            far.set_nodelay(true)?;
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let back = tokio::spawn(forward(far_in, near_out, delay));
            forward(near_in, far_out, delay).await?;
            back.await.map_err(io::Error::other)?
        });
    }
}

/// Forwards one direction of a connection, including its end.
async fn forward(
    mut from: impl AsyncReadExt + Unpin + Send + 'static,
    mut to: impl AsyncWriteExt + Unpin + Send + 'static,
    delay: Duration,
) -> io::Result<()> {
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_IN_FLIGHT);
    let reading = tokio::spawn(async move {
        let mut chunk = vec![0; 16 << 10];
        // An error ends the connection.
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            let bytes = chunk.get(..count).unwrap_or_default().to_vec();
            if send.send((Instant::now() + delay, bytes)).await.is_err() {
                return;
            }
        }
        let _ = send.send((Instant::now() + delay, Vec::new())).await;
    });
    while let Some((due, bytes)) = receive.recv().await {
        tokio::time::sleep_until(due).await;
        if to.write_all(&bytes).await.is_err() {
            reading.abort();
            return Ok(());
        }
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;

    #[test]
    fn bytes_and_the_end_arrive_complete_and_delayed() {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let server = std::net::TcpListener::bind((address, 0)).unwrap();
        let to = server.local_addr().unwrap().port();
        let free = std::net::TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let delay = Duration::from_millis(50);
        let mut network = Network::start(&[address], free, to, delay).unwrap();
        let echo = std::thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            let mut all = Vec::new();
            socket.read_to_end(&mut all).unwrap();
            socket.write_all(&all).unwrap();
        });
        let begun = std::time::Instant::now();
        let mut socket = std::net::TcpStream::connect((address, free)).unwrap();
        let sent: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        socket.write_all(&sent).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut came = Vec::new();
        socket.read_to_end(&mut came).unwrap();
        echo.join().unwrap();
        assert!(came == sent, "{} of {} bytes came back", came.len(), sent.len());
        // The connection, the way there, the way back.
        assert!(begun.elapsed() >= delay * 4, "{:?}", begun.elapsed());
        network.remove(address);
        let end = std::time::Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect((address, free)).is_ok() {
            assert!(std::time::Instant::now() < end, "somebody still listens");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
