//! How programs in Java name themselves and their troubles.

mod root;

use self::root::Root;
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

/// An exception as it is logged: what the library threw, wrapped by the framework that called it.
#[derive(Debug)]
pub(super) struct Thrown {
    pub(super) kind: String,
    pub(super) text: String,
    cause: Option<Cause>,
}

#[derive(Debug)]
struct Cause {
    kind: String,
    text: String,
    frames: &'static [&'static str],
}

impl Thrown {
    pub(super) fn new(who: &Identity, kind: &str, text: &str) -> Thrown {
        if !kind.contains('.') {
            // One of the program's own, with the cause that its message suggests.
            let cause = Root::suggested(text).map(|root| Cause {
                kind: root.kind.to_owned(),
                text: root.text.to_owned(),
                frames: root.frames,
            });
            return Thrown {
                kind: own_exception(who, kind),
                text: text.to_owned(),
                cause,
            };
        }
        let wrapper = match kind {
            _ if kind.starts_with("java.sql.") => Some((
                "org.springframework.jdbc.CannotGetJdbcConnectionException",
                "Failed to obtain JDBC Connection".to_owned(),
            )),
            _ if ["java.net.", "javax.net.", "org.apache.http."]
                .iter()
                .any(|library| kind.starts_with(library)) =>
            {
                Some((
                    "org.springframework.web.client.ResourceAccessException",
                    format!("I/O error: {text}"),
                ))
            }
            _ => None,
        };
        let Some((outer, outer_text)) = wrapper else {
            return Thrown {
                kind: kind.to_owned(),
                text: text.to_owned(),
                cause: None,
            };
        };
        Thrown {
            kind: outer.to_owned(),
            text: outer_text,
            cause: Some(Cause {
                kind: kind.to_owned(),
                text: text.to_owned(),
                frames: Root::called(kind).map_or(&[], |root| root.frames),
            }),
        }
    }

    /// As `printStackTrace` prints it.
    pub(super) fn trace(&self, out: &mut String, who: &Identity, logger: &str) {
        let package = package(who);
        let logger = if logger.is_empty() { "Service" } else { logger };
        let service = camel(&who.service);
        let line = |salt| 20 + mark(&self.kind, salt) % 300;
        let execute = |out: &mut String, salt| {
            let line = line(salt);
            put!(
                out,
                "\n\tat {package}.{logger}.execute({logger}.java:{line})"
            );
        };
        put!(out, "{}: {}", self.kind, self.text);
        execute(out, 1);
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
        if let Some(cause) = &self.cause {
            put!(out, "\nCaused by: {}: {}", cause.kind, cause.text);
            for frame in cause.frames {
                put!(out, "\n\tat {frame}");
            }
            execute(out, 4);
            put!(out, "\n\t... {} common frames omitted", FRAMEWORK.len() + 2);
        }
    }
}

/// `com.acme.shop.orders.UpstreamTimeoutException`.
fn own_exception(who: &Identity, kind: &str) -> String {
    let name = camel(kind);
    let suffix = if name.ends_with("Exception") || name.ends_with("Error") {
        ""
    } else {
        "Exception"
    };
    format!("{}.{name}{suffix}", package(who))
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
