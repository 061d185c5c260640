//! How programs in Java name themselves and their troubles.

use super::{Identity, camel, mark, put};

/// `com.acme.shop.orders`.
pub(super) fn package(who: &Identity) -> String {
    let mut package = String::from("com.acme");
    for part in [&who.namespace, &who.service] {
        let part: String = part
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if !part.is_empty() {
            package.push('.');
            package.push_str(&part);
        }
    }
    package
}

/// As logback shortens names that are too long for their column: packages to a letter, from the
/// left, until it fits.
pub(super) fn abbreviated(class: &str, most: usize) -> String {
    let mut parts: Vec<&str> = class.split('.').collect();
    let mut len = class.len();
    let packages = parts.len().saturating_sub(1);
    for part in &mut parts[..packages] {
        if len <= most {
            break;
        }
        if let Some(first) = part.get(..1) {
            len -= part.len() - 1;
            *part = first;
        }
    }
    parts.join(".")
}

/// The exception's full name: ours, unless it says where it is from.
pub(super) fn exception(who: &Identity, kind: &str) -> String {
    if kind.contains('.') {
        return kind.to_owned();
    }
    let name = camel(kind);
    let suffix = if name.ends_with("Exception") || name.ends_with("Error") {
        ""
    } else {
        "Exception"
    };
    format!("{}.{name}{suffix}", package(who))
}

/// What printStackTrace prints, with the cause that such a message suggests.
pub(super) fn stack_trace(
    out: &mut String,
    who: &Identity,
    logger: &str,
    (kind, text): (&str, &str),
) {
    let package = package(who);
    let logger = if logger.is_empty() { "Service" } else { logger };
    let service = camel(&who.service);
    let line = |salt| 20 + mark(kind, salt) % 300;
    put!(out, "{}: {text}", exception(who, kind));
    put!(
        out,
        "\n\tat {package}.{logger}.execute({logger}.java:{})",
        line(1)
    );
    put!(
        out,
        "\n\tat {package}.{logger}.handle({logger}.java:{})",
        line(2)
    );
    put!(
        out,
        "\n\tat {package}.web.{service}Controller.handle({service}Controller.java:{})",
        line(3)
    );
    for frame in FRAMEWORK {
        put!(out, "\n\tat {frame}");
    }
    let cause = cause(text);
    put!(out, "\nCaused by: {}", cause.text);
    for frame in cause.frames {
        put!(out, "\n\tat {frame}");
    }
    put!(
        out,
        "\n\tat {package}.{logger}.execute({logger}.java:{})",
        line(4)
    );
    put!(out, "\n\t... {} common frames omitted", FRAMEWORK.len() + 2);
}

const FRAMEWORK: [&str; 7] = [
    "java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)",
    "java.base/java.lang.reflect.Method.invoke(Method.java:580)",
    "org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:258)",
    "org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1089)",
    "org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:140)",
    "org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1769)",
    "java.base/java.lang.Thread.run(Thread.java:1583)",
];

struct Cause {
    text: &'static str,
    frames: &'static [&'static str],
}

fn cause(text: &str) -> Cause {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["timeout", "timed out", "no answer within", "deadline"]) {
        Cause {
            text: "java.net.SocketTimeoutException: Read timed out",
            frames: &[
                "java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)",
                "java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)",
                "java.base/java.net.Socket$SocketInputStream.read(Socket.java:1099)",
            ],
        }
    } else if says(&["refused"]) {
        Cause {
            text: "java.net.ConnectException: Connection refused",
            frames: &[
                "java.base/sun.nio.ch.Net.pollConnect(Native Method)",
                "java.base/sun.nio.ch.NioSocketImpl.connect(NioSocketImpl.java:592)",
            ],
        }
    } else if says(&[
        "pool",
        "no connection",
        "database",
        "statement",
        "deadlock",
        "lock",
    ]) {
        Cause {
            text: "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available",
            frames: &[
                "com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:686)",
                "com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:179)",
            ],
        }
    } else if says(&["no such host", "resolve", "dns"]) {
        Cause {
            text: "java.net.UnknownHostException: Name or service not known",
            frames: &[
                "java.base/java.net.Inet6AddressImpl.lookupAllHostAddr(Native Method)",
                "java.base/java.net.InetAddress.getAllByName(InetAddress.java:1529)",
            ],
        }
    } else if says(&["tls", "certificate", "handshake"]) {
        Cause {
            text: "javax.net.ssl.SSLHandshakeException: PKIX path validation failed",
            frames: &[
                "java.base/sun.security.ssl.Alert.createSSLException(Alert.java:130)",
                "java.base/sun.security.ssl.TransportContext.fatal(TransportContext.java:378)",
            ],
        }
    } else {
        Cause {
            text: "java.lang.IllegalStateException: the operation did not complete",
            frames: &[
                "java.base/java.util.Optional.orElseThrow(Optional.java:403)",
                "java.base/java.util.concurrent.CompletableFuture.reportGet(CompletableFuture.java:396)",
            ],
        }
    }
}
