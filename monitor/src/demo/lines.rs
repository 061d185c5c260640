//! How each of the demo's services writes a request down.

use monitor_core::Time;

use super::traffic::Hop;

fn at(time: Time, format: &str) -> String {
    jiff::Timestamp::from(time).strftime(format).to_string()
}

fn millis(hop: &Hop<'_>) -> f64 {
    hop.duration.as_secs_f64() * 1e3
}

/// nginx' combined format with `$request_time` and a request id.
pub(super) fn nginx(hop: &Hop<'_>) -> String {
    format!(
        "{} - - [{}] \"{} {} HTTP/1.1\" {} {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" {:.3} {}",
        hop.client,
        at(hop.end(), "%d/%b/%Y:%H:%M:%S +0000"),
        hop.method,
        hop.path,
        hop.status,
        300 + hop.number % 900,
        hop.duration.as_secs_f64(),
        hop.trace,
    )
}

/// JSON as pino writes it for Fastify.
pub(super) fn pino(hop: &Hop<'_>) -> String {
    format!(
        "{{\"level\":30,\"time\":{},\"pid\":1,\"hostname\":\"catalog-5d9c4-k7b2m\",\"reqId\":\"req-{:x}\",\
         \"trace_id\":\"{}\",\"req\":{{\"method\":\"{}\",\"url\":\"{}\",\"remoteAddress\":\"{}\"}},\
         \"res\":{{\"statusCode\":{}}},\"responseTime\":{:.3},\"msg\":\"request completed\"}}",
        hop.end().as_millis(),
        hop.number,
        hop.trace,
        hop.method,
        hop.path,
        hop.client,
        hop.status,
        millis(hop),
    )
}

pub(super) fn pino_error(hop: &Hop<'_>) -> String {
    format!(
        "{{\"level\":50,\"time\":{},\"pid\":1,\"hostname\":\"catalog-5d9c4-k7b2m\",\"reqId\":\"req-{:x}\",\
         \"trace_id\":\"{}\",\"err\":{{\"type\":\"IndexCorruptError\",\"message\":\"segment 14 \
         failed its checksum\"}},\"msg\":\"cannot read product from index segment 14\"}}",
        hop.end().as_millis(),
        hop.number,
        hop.trace,
    )
}

pub(super) fn logfmt(hop: &Hop<'_>) -> String {
    format!(
        "time={} level=info msg=\"item added\" method={} path={} status={} duration={:.2}ms trace_id={}",
        at(hop.end(), "%Y-%m-%dT%H:%M:%S%.3fZ"),
        hop.method,
        hop.path,
        hop.status,
        millis(hop),
        hop.trace,
    )
}

/// Spring Boot's console with the trace in brackets.
pub(super) fn spring(hop: &Hop<'_>) -> String {
    format!(
        "{}  INFO [orders,{},{}] 1 --- [nio-8080-exec-{}] c.shop.orders.web.RequestLog : {} {} {} in {:.0} ms",
        at(hop.end(), "%Y-%m-%dT%H:%M:%S%.3fZ"),
        hop.trace,
        hop.span,
        1 + hop.number % 9,
        hop.method,
        hop.path,
        hop.status,
        millis(hop),
    )
}

pub(super) fn spring_error(hop: &Hop<'_>) -> String {
    format!(
        "{} ERROR [orders,{},{}] 1 --- [nio-8080-exec-{}] c.shop.orders.PaymentClient : payment for order {} timed out\n\
         java.net.SocketTimeoutException: Read timed out\n\
         \tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)\n\
         \tat c.shop.orders.PaymentClient.pay(PaymentClient.java:71)",
        at(hop.end(), "%Y-%m-%dT%H:%M:%S%.3fZ"),
        hop.trace,
        hop.span,
        1 + hop.number % 9,
        800_000 + hop.number,
    )
}

/// Kubernetes' klog.
pub(super) fn klog(hop: &Hop<'_>) -> String {
    format!(
        "I{}       1 authorize.go:114] payment authorized card_network=visa amount_cents={} trace_id={}",
        at(hop.end(), "%m%d %H:%M:%S%.6f"),
        1_000 + hop.number % 90_000,
        hop.trace,
    )
}

/// Syslog as in RFC 5424.
pub(super) fn syslog(hop: &Hop<'_>) -> String {
    format!(
        "<134>1 {} ledger-1 ledger 811 - - {} {} {} {:.1}ms posted entry {} trace={}",
        at(hop.end(), "%Y-%m-%dT%H:%M:%S%.3fZ"),
        hop.method,
        hop.path,
        hop.status,
        millis(hop),
        5_000_000 + hop.number,
        hop.trace,
    )
}
