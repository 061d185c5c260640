//! What a field's name means: the single table of aliases.
//!
//! Names are compared without case and without `_`, `-`, `.` and blanks, so that `trace_id`,
//! `traceId`, `TraceID` and `trace-id` are one entry.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::duration::Unit;

/// The meaning of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// None of those below: kept as an attribute.
    Other,
    /// The lower rank wins when a record has several.
    Time(u8),
    Level,
    /// OpenTelemetry's 1 to 24.
    SeverityNumber,
    Message(u8),
    Service,
    Trace,
    Span,
    Parent,
    Request,
    Correlation,
    Traceparent,
    B3,
    AmazonTrace,
    GoogleTrace,
    JaegerTrace,
    DatadogTrace,
    DatadogSpan,
    Method,
    /// A path, possibly with its query; or a whole URL.
    Path,
    Route,
    /// `GET /x HTTP/1.1`
    RequestLine,
    Status,
    GrpcStatus,
    /// With the unit that the name carries, if it does.
    Duration(Option<Unit>),
    /// A duration whose unit its definition fixes without naming it: nginx's `request_time`.
    DurationIn(Unit),
    Caller,
    Callee,
    Client,
    UserAgent,
    RequestBytes,
    ResponseBytes,
    ErrorType,
    ErrorMessage,
    /// Its first line names the error; the whole stays an attribute.
    StackTrace,
    RpcService,
    RpcMethod,
}

/// Words so ordinary that they mean this only at the top of a record or inside a container whose
/// name says it is about the request ([`CONTAINERS`]).
const GENERIC: &[(&str, Field)] = &[
    ("time", Field::Time(0)),
    ("ts", Field::Time(0)),
    ("t", Field::Time(2)),
    ("date", Field::Time(1)),
    ("datetime", Field::Time(0)),
    ("timestamp", Field::Time(0)),
    ("level", Field::Level),
    ("lvl", Field::Level),
    ("severity", Field::Level),
    ("msg", Field::Message(0)),
    ("message", Field::Message(0)),
    ("body", Field::Message(1)),
    ("log", Field::Message(2)),
    ("text", Field::Message(3)),
    ("event", Field::Message(3)),
    ("service", Field::Service),
    ("app", Field::Service),
    ("application", Field::Service),
    ("trace", Field::Trace),
    ("span", Field::Span),
    ("method", Field::Method),
    ("verb", Field::Method),
    ("path", Field::Path),
    ("uri", Field::Path),
    ("url", Field::Path),
    ("target", Field::Path),
    ("route", Field::Route),
    ("request", Field::RequestLine),
    ("status", Field::Status),
    ("code", Field::Status),
    ("latency", Field::Duration(None)),
    ("duration", Field::Duration(None)),
    ("elapsed", Field::Duration(None)),
    ("took", Field::Duration(None)),
    ("client", Field::Client),
    ("ip", Field::Client),
    ("error", Field::ErrorMessage),
    ("err", Field::ErrorMessage),
    ("exception", Field::ErrorMessage),
];

/// Containers of request facts in which a generic word keeps its meaning.
const CONTAINERS: &[&str] = &[
    "http",
    "request",
    "req",
    "response",
    "res",
    "resp",
    "httprequest",
    "fields",
    "data",
    "context",
    "ctx",
    "attributes",
    "attribute",
    "attrs",
    "labels",
    "mdc",
    "contextmap",
    "properties",
    "payload",
    "jsonpayload",
    "json",
    "log",
    "extra",
    "record",
    "access",
    "dd",
    "otel",
    "state",
    "scope",
    "span",
    "trace",
    "rpc",
    "grpc",
    "server",
    "responsestatus",
    "resource",
    "tags",
    "params",
    "details",
    "meta",
    "metadata",
    "parsed",
    "structured",
];

const PLAIN: &[(&str, Field)] = &[
    // Time.
    ("@timestamp", Field::Time(0)),
    ("@t", Field::Time(0)),
    ("asctime", Field::Time(0)),
    ("logtime", Field::Time(0)),
    ("eventtime", Field::Time(0)),
    ("time_local", Field::Time(1)),
    ("time_iso8601", Field::Time(0)),
    ("timelocal", Field::Time(1)),
    ("timeiso8601", Field::Time(0)),
    ("timestampms", Field::Time(0)),
    ("timemillis", Field::Time(0)),
    ("timestampseconds", Field::Time(1)),
    ("timeunixnano", Field::Time(0)),
    ("observedtimeunixnano", Field::Time(3)),
    ("observedtimestamp", Field::Time(3)),
    ("stagetimestamp", Field::Time(0)),
    ("requestreceivedtimestamp", Field::Time(2)),
    ("lasttimestamp", Field::Time(1)),
    ("starttime", Field::Time(2)),
    ("t$date", Field::Time(0)),
    ("startutc", Field::Time(2)),
    ("writtenat", Field::Time(0)),
    // Severity.
    ("loglevel", Field::Level),
    ("levelname", Field::Level),
    ("levelstr", Field::Level),
    ("severitytext", Field::Level),
    ("severitynumber", Field::SeverityNumber),
    ("@l", Field::Level),
    ("logseverity", Field::Level),
    // Message.
    ("@m", Field::Message(0)),
    ("@mt", Field::Message(2)),
    ("shortmessage", Field::Message(0)),
    ("textpayload", Field::Message(0)),
    ("renderedmessage", Field::Message(0)),
    ("messagetemplate", Field::Message(2)),
    ("logmessage", Field::Message(0)),
    ("bodystringvalue", Field::Message(1)),
    // Service.
    ("servicename", Field::Service),
    ("appname", Field::Service),
    ("otelservicename", Field::Service),
    ("resourceservicename", Field::Service),
    ("applicationname", Field::Service),
    ("springapplicationname", Field::Service),
    ("ddservice", Field::Service),
    ("serviceid", Field::Service),
    ("cartridge", Field::Service),
    // Ids.
    ("traceid", Field::Trace),
    ("xb3traceid", Field::Trace),
    ("xtraceid", Field::Trace),
    ("oteltraceid", Field::Trace),
    ("logginggoogleapiscom/trace", Field::GoogleTrace),
    ("logginggoogleapiscom/spanid", Field::Span),
    ("xcloudtracecontext", Field::GoogleTrace),
    ("xamzntraceid", Field::AmazonTrace),
    ("amzntraceid", Field::AmazonTrace),
    ("xraytraceid", Field::AmazonTrace),
    ("ubertraceid", Field::JaegerTrace),
    ("ddtraceid", Field::DatadogTrace),
    ("ddspanid", Field::DatadogSpan),
    ("traceparent", Field::Traceparent),
    ("b3", Field::B3),
    ("spanid", Field::Span),
    ("xb3spanid", Field::Span),
    ("otelspanid", Field::Span),
    ("transactionid", Field::Span),
    ("parentid", Field::Parent),
    ("parentspanid", Field::Parent),
    ("xb3parentspanid", Field::Parent),
    ("spanparentid", Field::Parent),
    ("requestid", Field::Request),
    ("xrequestid", Field::Request),
    ("reqid", Field::Request),
    ("rid", Field::Request),
    ("httprequestid", Field::Request),
    ("uniqueid", Field::Request),
    ("auditid", Field::Request),
    ("activityid", Field::Correlation),
    ("correlationid", Field::Correlation),
    ("xcorrelationid", Field::Correlation),
    ("conversationid", Field::Correlation),
    ("@tr", Field::Trace),
    ("@sp", Field::Span),
    // The request.
    ("httprequestmethod", Field::Method),
    ("httpmethod", Field::Method),
    ("requestmethod", Field::Method),
    ("reqmethod", Field::Method),
    ("csmethod", Field::Method),
    ("requestverb", Field::Method),
    ("urlpath", Field::Path),
    ("urlfull", Field::Path),
    ("urloriginal", Field::Path),
    ("httptarget", Field::Path),
    ("httpurl", Field::Path),
    ("httppath", Field::Path),
    ("httpuri", Field::Path),
    ("requestpath", Field::Path),
    ("requesturi", Field::Path),
    ("requesturl", Field::Path),
    ("requesturipath", Field::Path),
    ("requri", Field::Path),
    ("requrl", Field::Path),
    ("reqpath", Field::Path),
    ("csuristem", Field::Path),
    ("originalpath", Field::Path),
    ("urlpathname", Field::Path),
    ("endpoint", Field::Path),
    ("pathname", Field::Path),
    ("httproute", Field::Route),
    ("urltemplate", Field::Route),
    ("routetemplate", Field::Route),
    ("routepattern", Field::Route),
    ("requestroute", Field::Route),
    ("requestline", Field::RequestLine),
    // How it ended.
    ("httpresponsestatuscode", Field::Status),
    ("httpstatuscode", Field::Status),
    ("httpstatus", Field::Status),
    ("statuscode", Field::Status),
    ("responsecode", Field::Status),
    ("responsestatus", Field::Status),
    ("responsestatuscode", Field::Status),
    ("httpresponsecode", Field::Status),
    ("httpcode", Field::Status),
    ("scstatus", Field::Status),
    ("resstatuscode", Field::Status),
    ("respstatus", Field::Status),
    ("downstreamstatus", Field::Status),
    ("elbstatuscode", Field::Status),
    ("returncode", Field::Status),
    ("resp", Field::Status),
    ("grpcstatus", Field::GrpcStatus),
    ("grpcstatuscode", Field::GrpcStatus),
    ("grpcstatusnumber", Field::GrpcStatus),
    ("rpcgrpcstatuscode", Field::GrpcStatus),
    ("rpcresponsestatuscode", Field::GrpcStatus),
    ("grpccode", Field::GrpcStatus),
    // Both ends.
    ("callerservice", Field::Caller),
    ("callingservice", Field::Caller),
    ("clientservice", Field::Caller),
    ("clientname", Field::Caller),
    ("clientapp", Field::Caller),
    ("fromservice", Field::Caller),
    ("sourceservice", Field::Caller),
    ("sourceservicename", Field::Caller),
    ("sourceapp", Field::Caller),
    ("sourceworkload", Field::Caller),
    ("sourcecanonicalservice", Field::Caller),
    ("downstreamservice", Field::Caller),
    ("xenvoydownstreamservicecluster", Field::Caller),
    ("callee", Field::Callee),
    ("calleeservice", Field::Callee),
    ("peerservice", Field::Callee),
    ("servicepeername", Field::Callee),
    ("targetservice", Field::Callee),
    ("toservice", Field::Callee),
    ("destinationservice", Field::Callee),
    ("destinationservicename", Field::Callee),
    ("destinationapp", Field::Callee),
    ("destinationworkload", Field::Callee),
    ("destinationcanonicalservice", Field::Callee),
    ("remoteservice", Field::Callee),
    ("upstreamservice", Field::Callee),
    ("upstreamcluster", Field::Callee),
    ("clientaddress", Field::Client),
    ("clientip", Field::Client),
    ("clientaddr", Field::Client),
    ("clienthost", Field::Client),
    ("httpclientip", Field::Client),
    ("networkclientip", Field::Client),
    ("remoteaddr", Field::Client),
    ("remoteaddress", Field::Client),
    ("remoteip", Field::Client),
    ("remotehost", Field::Client),
    ("cip", Field::Client),
    ("xforwardedfor", Field::Client),
    ("downstreamremoteaddress", Field::Client),
    ("sourceips", Field::Client),
    ("srcip", Field::Client),
    ("reqremoteaddress", Field::Client),
    ("useragent", Field::UserAgent),
    ("useragentoriginal", Field::UserAgent),
    ("httpuseragent", Field::UserAgent),
    ("requestuseragent", Field::UserAgent),
    ("requestheadersuseragent", Field::UserAgent),
    ("reqheadersuseragent", Field::UserAgent),
    ("cs(useragent)", Field::UserAgent),
    ("csuseragent", Field::UserAgent),
    // Sizes.
    ("httprequestbodysize", Field::RequestBytes),
    ("httprequestbodybytes", Field::RequestBytes),
    ("httprequestcontentlength", Field::RequestBytes),
    ("requestlength", Field::RequestBytes),
    ("requestsize", Field::RequestBytes),
    ("requestbytes", Field::RequestBytes),
    ("bytesreceived", Field::RequestBytes),
    ("bytesin", Field::RequestBytes),
    ("csbytes", Field::RequestBytes),
    ("bytesread", Field::RequestBytes),
    ("httpresponsebodysize", Field::ResponseBytes),
    ("httpresponsebodybytes", Field::ResponseBytes),
    ("httpresponsecontentlength", Field::ResponseBytes),
    ("bodybytessent", Field::ResponseBytes),
    ("bytessent", Field::ResponseBytes),
    ("bytesout", Field::ResponseBytes),
    ("responsesize", Field::ResponseBytes),
    ("responsebytes", Field::ResponseBytes),
    ("responselength", Field::ResponseBytes),
    ("scbytes", Field::ResponseBytes),
    ("size", Field::ResponseBytes),
    ("bytes", Field::ResponseBytes),
    ("contentlength", Field::ResponseBytes),
    ("rescontentlength", Field::ResponseBytes),
    ("downstreamcontentsize", Field::ResponseBytes),
    // Errors.
    ("errortype", Field::ErrorType),
    ("errorclass", Field::ErrorType),
    ("errorkind", Field::ErrorType),
    ("errorname", Field::ErrorType),
    ("errtype", Field::ErrorType),
    ("errname", Field::ErrorType),
    ("exceptiontype", Field::ErrorType),
    ("exceptionclass", Field::ErrorType),
    ("exceptionexceptionclass", Field::ErrorType),
    ("exceptionname", Field::ErrorType),
    ("thrownname", Field::ErrorType),
    ("exctype", Field::ErrorType),
    ("errormessage", Field::ErrorMessage),
    ("errormsg", Field::ErrorMessage),
    ("errmessage", Field::ErrorMessage),
    ("errmsg", Field::ErrorMessage),
    ("exceptionmessage", Field::ErrorMessage),
    ("exceptionexceptionmessage", Field::ErrorMessage),
    ("thrownmessage", Field::ErrorMessage),
    ("@x", Field::StackTrace),
    ("stacktrace", Field::StackTrace),
    ("excinfo", Field::StackTrace),
    ("exceptionstacktrace", Field::StackTrace),
    ("errorstacktrace", Field::StackTrace),
    ("errstack", Field::StackTrace),
    ("errorstack", Field::StackTrace),
    // Remote procedure calls.
    ("rpcservice", Field::RpcService),
    ("grpcservice", Field::RpcService),
    ("rpcmethod", Field::RpcMethod),
    ("grpcmethod", Field::RpcMethod),
    // Durations whose definition fixes the unit without naming it.
    ("requesttime", Field::DurationIn(Unit::Seconds)),
    ("eventduration", Field::DurationIn(Unit::Nanos)),
    ("httprequestlatency", Field::DurationIn(Unit::Seconds)),
    ("timetaken", Field::Duration(None)),
    ("responsetime", Field::Duration(None)),
    ("restime", Field::Duration(None)),
    ("resptime", Field::Duration(None)),
    ("processtime", Field::Duration(None)),
    ("processingtime", Field::Duration(None)),
    ("executiontime", Field::Duration(None)),
    ("exectime", Field::Duration(None)),
    ("elapsedtime", Field::Duration(None)),
    ("runtime", Field::Duration(None)),
    ("totaltime", Field::Duration(None)),
    ("durationtime", Field::Duration(None)),
    ("costtime", Field::Duration(None)),
    ("timecost", Field::Duration(None)),
    ("costs", Field::Duration(None)),
    ("httplatency", Field::Duration(None)),
    ("httpduration", Field::Duration(None)),
    ("requestduration", Field::Duration(None)),
    ("requestlatency", Field::Duration(None)),
    ("responseduration", Field::Duration(None)),
    ("responselatency", Field::Duration(None)),
    ("callduration", Field::Duration(None)),
    ("httpserverrequestduration", Field::Duration(None)),
    ("grpctime", Field::Duration(None)),
];

/// Names of durations to which a unit may be appended.
const DURATION_STEMS: &[&str] = &[
    "latency",
    "duration",
    "elapsed",
    "took",
    "time",
    "timetaken",
    "responsetime",
    "requesttime",
    "processtime",
    "processingtime",
    "executiontime",
    "exectime",
    "elapsedtime",
    "runtime",
    "totaltime",
    "costtime",
    "timecost",
    "cost",
    "httplatency",
    "httpduration",
    "requestduration",
    "requestlatency",
    "responseduration",
    "responselatency",
    "callduration",
    "grpctime",
    "handletime",
    "servicetime",
    "httprequestduration",
    "grpcduration",
    "rpcduration",
    "durationtime",
];

const UNIT_SUFFIXES: &[&str] = &[
    "ns",
    "nanos",
    "nanoseconds",
    "us",
    "usec",
    "micros",
    "microseconds",
    "ms",
    "msec",
    "millis",
    "milliseconds",
    "millisecond",
    "s",
    "sec",
    "secs",
    "seconds",
    "inms",
    "inmillis",
    "inseconds",
    "inmilliseconds",
    "inmicros",
    "innanos",
];

/// What any name that ends so means: `acme_trace_id`, `X-Acme-Request-ID`.
const ENDINGS: &[(&[u8], Field)] = &[
    (b"traceid", Field::Trace),
    (b"spanid", Field::Span),
    (b"requestid", Field::Request),
    (b"correlationid", Field::Correlation),
    (b"traceparent", Field::Traceparent),
];

/// No alias is longer.
const LONGEST: usize = 48;

#[derive(Debug)]
struct Table {
    entries: FxHashMap<Box<[u8]>, (Field, bool)>,
    containers: FxHashMap<&'static [u8], ()>,
    /// For each length, which first letters occur: refuses most words of a text without hashing.
    firsts: [u32; LONGEST + 1],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut entries = FxHashMap::default();
    for stem in DURATION_STEMS {
        for suffix in UNIT_SUFFIXES {
            let unit = Unit::named(suffix.strip_prefix("in").unwrap_or(suffix).as_bytes());
            let name = format!("{stem}{suffix}").into_bytes().into_boxed_slice();
            entries.insert(name, (Field::Duration(unit), false));
        }
    }
    for (name, field) in PLAIN {
        let name = name.replace('_', "").into_bytes().into_boxed_slice();
        entries.insert(name, (*field, false));
    }
    for (name, field) in GENERIC {
        entries.insert(name.as_bytes().into(), (*field, true));
    }
    // `times` is a count of times, not a time in seconds.
    entries.remove(&b"times"[..]);
    let mut firsts = [0u32; LONGEST + 1];
    let mut names: Vec<&[u8]> = entries.keys().map(|name| &**name).collect();
    names.sort_unstable();
    for name in names {
        if let (Some(slot), Some(first)) = (firsts.get_mut(name.len()), name.first()) {
            *slot |= letter_bit(*first);
        }
    }
    Table {
        entries,
        containers: CONTAINERS
            .iter()
            .map(|name| (name.as_bytes(), ()))
            .collect(),
        firsts,
    }
});

fn letter_bit(letter: u8) -> u32 {
    1 << (letter & 31)
}

/// A name without case and separators, on the stack.
struct Normal {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Normal {
    /// `None` when it is longer than any alias.
    #[inline]
    fn of(name: &[u8]) -> Option<Normal> {
        let mut normal = Normal {
            bytes: [0; LONGEST],
            length: 0,
        };
        for &byte in name {
            if matches!(byte, b'_' | b'-' | b'.' | b' ') {
                continue;
            }
            *normal.bytes.get_mut(normal.length)? = byte.to_ascii_lowercase();
            normal.length += 1;
        }
        Some(normal)
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Table {
    #[inline]
    fn find(&self, normal: &[u8]) -> Option<(Field, bool)> {
        let first = *normal.first()?;
        if self.firsts.get(normal.len())? & letter_bit(first) == 0 {
            return None;
        }
        self.entries.get(normal).copied()
    }
}

/// The meaning of a structured field's name; dots separate nesting levels.
pub(super) fn meaning(name: &str) -> Field {
    let table = &*TABLE;
    if let Some(normal) = Normal::of(name.as_bytes()) {
        if let Some((field, _)) = table.find(normal.as_slice()) {
            return field;
        }
        if !name.contains('.') {
            return ending(normal.as_slice());
        }
    }
    // Drop containers from the left until an alias remains.
    let mut from = 0;
    let mut request_like = true;
    while let Some(dot) = name[from..].find('.') {
        let container = Normal::of(name[from..from + dot].as_bytes());
        request_like &=
            container.is_some_and(|name| table.containers.contains_key(name.as_slice()));
        from += dot + 1;
        let Some(rest) = Normal::of(name[from..].as_bytes()) else {
            continue;
        };
        match table.find(rest.as_slice()) {
            Some((field, generic)) if request_like || !generic => return field,
            _ => {}
        }
    }
    match Normal::of(name[from..].as_bytes()) {
        Some(last) => ending(last.as_slice()),
        None => Field::Other,
    }
}

/// The meaning of a word that stands before `=` or `:` in running text, where only fields of
/// requests are looked for.
#[inline]
pub(super) fn meaning_in_text(name: &[u8]) -> Field {
    let Some(normal) = Normal::of(name) else {
        return Field::Other;
    };
    let normal = normal.as_slice();
    match TABLE.find(normal) {
        Some((field, _)) => field,
        None => ending(normal),
    }
}

#[inline]
fn ending(normal: &[u8]) -> Field {
    if !(normal.ends_with(b"id") || normal.ends_with(b"parent")) {
        return Field::Other;
    }
    if normal.ends_with(b"parentspanid") {
        return Field::Parent;
    }
    ENDINGS
        .iter()
        .find(|(ending, _)| normal.ends_with(ending))
        .map_or(Field::Other, |(_, field)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        for name in [
            "trace_id",
            "traceId",
            "TraceID",
            "trace-id",
            "trace.id",
            "acme_trace_id",
        ] {
            assert_eq!(meaning(name), Field::Trace, "{name}");
        }
        for name in [
            "latency_ms",
            "latencyMs",
            "duration.ms",
            "http.latency_ms",
            "elapsedMillis",
        ] {
            assert_eq!(meaning(name), Field::Duration(Some(Unit::Millis)), "{name}");
        }
        assert_eq!(meaning("req.headers.x-request-id"), Field::Request);
    }

    #[test]
    fn ordinary_words_need_a_container_that_is_about_a_request() {
        assert_eq!(meaning("status"), Field::Status);
        assert_eq!(meaning("res.status"), Field::Status);
        assert_eq!(meaning("order.status"), Field::Other);
        assert_eq!(meaning("user.message"), Field::Other);
        assert_eq!(meaning("times"), Field::Other);
    }
}
