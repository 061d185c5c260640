//! What carries bytes: loopback TCP, or pipes in memory for a run in virtual time.
//!
//! Everything above sees the same [`Listener`] and [`Stream`].

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Bytes that a pipe holds in each direction, as a socket's buffer does.
pub(super) const PIPE_BYTES: usize = 64 * 1024;

/// Connections that wait to be accepted; more make the connecting side wait.
const BACKLOG: usize = 1024;

#[derive(Clone, Debug)]
pub enum Wire {
    Tcp,
    Memory(MemoryNet),
}

/// A network of its own within this process. Copies are the same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNet(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    listeners: u32,
    connections: u16,
    open: BTreeMap<SocketAddr, mpsc::Sender<(DuplexStream, SocketAddr)>>,
}

impl Wire {
    pub fn memory() -> Wire {
        Wire::Memory(MemoryNet::default())
    }

    /// At an address that nobody else has.
    ///
    /// # Errors
    ///
    /// The operating system's, over TCP.
    pub async fn listen(&self) -> io::Result<Listener> {
        match self {
            Wire::Tcp => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let address = listener.local_addr()?;
                Ok(Listener {
                    address,
                    kind: Kind::Tcp(listener),
                })
            }
            Wire::Memory(net) => Ok(net.listen()),
        }
    }

    /// # Errors
    ///
    /// `ConnectionRefused` when nobody listens there.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        match self {
            Wire::Tcp => {
                let stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Wire::Memory(net) => net.connect(to).await,
        }
    }
}

impl MemoryNet {
    fn listen(&self) -> Listener {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, incoming) = mpsc::channel(BACKLOG);
        let address = loop {
            registry.listeners = registry.listeners.wrapping_add(1);
            let [_, a, b, c] = registry.listeners.to_be_bytes();
            let address = SocketAddr::from(([10, a, b, c], 8080));
            if !registry.open.contains_key(&address) {
                break address;
            }
        };
        registry.open.insert(address, sender);
        drop(registry);
        Listener {
            address,
            kind: Kind::Memory {
                incoming,
                registered: Registered {
                    net: self.clone(),
                    address,
                },
            },
        }
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let (listener, from) = {
            let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            registry.connections = registry.connections.wrapping_add(1);
            // The range that Linux takes ports of outgoing connections from.
            let port = 32_768 + registry.connections % 28_232;
            let listener = registry.open.get(&to).cloned().ok_or_else(refused)?;
            (listener, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        let (near, far) = duplex(PIPE_BYTES);
        listener.send((far, from)).await.map_err(|_| refused())?;
        Ok(Stream::Memory(near))
    }
}

/// Dropping it frees its address; who connects there is refused from then on.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Memory {
        incoming: mpsc::Receiver<(DuplexStream, SocketAddr)>,
        registered: Registered,
    },
}

/// An address in the registry, for as long as this lives.
#[derive(Debug)]
struct Registered {
    net: MemoryNet,
    address: SocketAddr,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut registry = self.net.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.open.remove(&self.address);
    }
}

impl Listener {
    /// One that somebody else has bound. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn of(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket)?;
        Ok(Listener {
            address: listener.local_addr()?,
            kind: Kind::Tcp(listener),
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection and who made it.
    ///
    /// # Errors
    ///
    /// The operating system's, over TCP; the next call may succeed.
    pub async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        match &mut self.kind {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), peer))
            }
            Kind::Memory {
                incoming,
                registered,
            } => match incoming.recv().await {
                Some((stream, peer)) => Ok((Stream::Memory(stream), peer)),
                None => Err(io::Error::other(format!(
                    "{} is registered no more",
                    registered.address
                ))),
            },
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Memory(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Memory(stream) => stream.is_write_vectored(),
        }
    }
}
