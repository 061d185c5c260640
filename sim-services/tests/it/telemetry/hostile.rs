//! Whatever a client sends: a line about a request stays one line, and JSON stays JSON.

use std::time::Duration;

use proptest::prelude::*;
use sim_services::clock::Moment;
use sim_services::telemetry::dialect::write;
use sim_services::telemetry::{Access, Identity, Ids, LogEvent, Message};
use sim_services::topology::{Dialect, Level};

use super::{DIALECTS, identity};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\n\r\t\"\\\\\\]=\u{0}\u{1b}\u{7f}\u{85}\u{2028}é✓%#]{0,24}",
    ]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(DIALECTS.to_vec())
}

fn some_ids() -> impl Strategy<Value = Ids> {
    (
        any::<Option<[u8; 16]>>(),
        any::<Option<[u8; 8]>>(),
        prop::option::of(text()),
    )
        .prop_map(|(trace, span, request)| Ids {
            trace,
            span,
            request: request.map(Into::into),
        })
}

prop_compose! {
    fn some_access()(
        ids in some_ids(),
        (method, route, path, peer, user_agent) in (text(), text(), text(), text(), text()),
        client in prop::option::of(text()),
        tenant in prop::option::of(text()),
        status in 100..600_u16,
        grpc_status in any::<Option<u8>>(),
        nanos in any::<u64>(),
        upstream in prop::option::of((text(), any::<u32>())),
    ) -> Access {
        Access {
            ids, method, route, path, peer, user_agent, client, tenant, status, grpc_status,
            duration: Duration::from_nanos(nanos),
            request_bytes: 1,
            response_bytes: 2,
            upstream: upstream.map(|(at, nanos)| (at, Duration::from_nanos(nanos.into()))),
        }
    }
}

prop_compose! {
    fn some_message()(
        ids in some_ids(),
        text in text(),
        value in text(),
        thrown in prop::option::of(text()),
    ) -> Message {
        Message {
            ids,
            level: Level::Warn,
            logger: "OrderService",
            text,
            fields: vec![("order", value)],
            error: thrown.map(|text| ("Overloaded", text)),
        }
    }
}

fn named(service: String) -> Identity {
    Identity {
        instance: format!("{service}-0"),
        service,
        ..identity()
    }
}

fn is_json(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Pino | Dialect::Zap | Dialect::Ecs)
}

fn parsed(line: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

proptest! {
    #[test]
    fn a_request_is_one_line(dialect in dialect(), at in any::<i64>(), access in some_access()) {
        let line = write(dialect, &identity(), Moment(at), &LogEvent::Access(access));
        prop_assert!(!line.contains(['\n', '\r', '\u{0}', '\u{1b}']), "{line:?}");
    }

    #[test]
    fn json_is_json(
        dialect in dialect().prop_filter("JSON", |dialect| is_json(*dialect)),
        service in text(),
        access in some_access(),
        message in some_message(),
    ) {
        let who = named(service);
        let (path, text) = (access.path.clone(), message.text.clone());
        let is_rpc = access.grpc_status.is_some();
        let line = parsed(&write(dialect, &who, super::AT, &LogEvent::Access(access)));
        let got = match dialect {
            Dialect::Pino => line.get("req").and_then(|req| req["url"].as_str()).map(str::to_owned),
            Dialect::Zap => line.get("path").and_then(|path| path.as_str()).map(str::to_owned),
            _ => line.get("url.path").and_then(|path| path.as_str()).map(|path| {
                let query = line.get("url.query").and_then(|query| query.as_str());
                query.map_or(path.to_owned(), |query| format!("{path}?{query}"))
            }),
        };
        prop_assert_eq!(got, (!is_rpc).then_some(path));
        let line = parsed(&write(dialect, &who, super::AT, &LogEvent::Message(message)));
        let key = if dialect == Dialect::Ecs { "message" } else { "msg" };
        prop_assert_eq!(line[key].as_str(), Some(text.as_str()));
    }

    #[test]
    fn only_java_and_free_text_have_more_lines(dialect in dialect(), message in some_message()) {
        let line = write(dialect, &identity(), super::AT, &LogEvent::Message(message));
        if !matches!(dialect, Dialect::Spring | Dialect::Plain) {
            prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
        }
    }
}
