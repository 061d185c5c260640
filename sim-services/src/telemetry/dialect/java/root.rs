//! What libraries of Java throw when the world fails them, and from where.

#[derive(Debug)]
pub(super) struct Root {
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
    /// Words of a message that suggest it as the cause.
    words: &'static [&'static str],
    pub(super) frames: &'static [&'static str],
}

impl Root {
    pub(super) fn called(kind: &str) -> Option<&'static Root> {
        ROOTS.iter().find(|root| root.kind == kind)
    }

    pub(super) fn suggested(text: &str) -> Option<&'static Root> {
        let text = text.to_ascii_lowercase();
        ROOTS
            .iter()
            .find(|root| root.words.iter().any(|word| text.contains(word)))
    }
}

static ROOTS: [Root; 7] = [
    Root {
        kind: "java.sql.SQLTransientConnectionException",
        text: "HikariPool-1 - Connection is not available",
        words: &["pool", "database", "statement", "lock"],
        frames: &[
            "com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:686)",
            "com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:179)",
            "com.zaxxer.hikari.HikariDataSource.getConnection(HikariDataSource.java:99)",
        ],
    },
    Root {
        kind: "java.net.SocketTimeoutException",
        text: "Read timed out",
        words: &["timeout", "timed out", "no answer within", "deadline"],
        frames: &[
            "java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)",
            "java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)",
            "java.base/java.net.Socket$SocketInputStream.read(Socket.java:1099)",
        ],
    },
    Root {
        kind: "java.net.ConnectException",
        text: "Connection refused",
        words: &["refused"],
        frames: &[
            "java.base/sun.nio.ch.Net.pollConnect(Native Method)",
            "java.base/sun.nio.ch.NioSocketImpl.connect(NioSocketImpl.java:592)",
        ],
    },
    Root {
        kind: "java.net.UnknownHostException",
        text: "Name or service not known",
        words: &["no such host", "resolve", "dns"],
        frames: &[
            "java.base/java.net.Inet6AddressImpl.lookupAllHostAddr(Native Method)",
            "java.base/java.net.InetAddress.getAllByName(InetAddress.java:1529)",
        ],
    },
    Root {
        kind: "javax.net.ssl.SSLHandshakeException",
        text: "PKIX path validation failed",
        words: &["tls", "certificate", "handshake"],
        frames: &[
            "java.base/sun.security.ssl.Alert.createSSLException(Alert.java:130)",
            "java.base/sun.security.ssl.TransportContext.fatal(TransportContext.java:378)",
        ],
    },
    Root {
        kind: "java.net.SocketException",
        text: "Connection reset",
        words: &["connection lost", "reset"],
        frames: &[
            "java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:318)",
            "java.base/java.net.Socket$SocketInputStream.read(Socket.java:1099)",
        ],
    },
    Root {
        kind: "org.apache.http.conn.ConnectionPoolTimeoutException",
        text: "Timeout waiting for connection from pool",
        words: &["no connection became free"],
        frames: &[
            "org.apache.http.impl.conn.PoolingHttpClientConnectionManager.leaseConnection(PoolingHttpClientConnectionManager.java:316)",
            "org.apache.http.impl.execchain.MainClientExec.execute(MainClientExec.java:190)",
        ],
    },
];
