//! What is asked for: requests made from the entry's routes.
//!
//! Paths with their `{id}` filled in, queries and bodies as clients of such a route send them.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method};

use crate::net::Request;
use crate::random::Dice;
use crate::topology::Protocol;

const COLOURS: [&str; 6] = ["blue", "red", "black", "white", "green", "grey"];
const THINGS: [&str; 8] = [
    "shoes",
    "jacket",
    "lamp",
    "chair",
    "backpack",
    "headphones",
    "kettle",
    "watch",
];
const REASONS: [&str; 3] = ["damaged", "too-late", "not-as-described"];

/// A route of the entry service, ready to be filled in.
#[derive(Debug)]
pub(super) struct Ask {
    method: Method,
    /// With `{id}`.
    path: String,
    query: Query,
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    Nothing,
    Words,
    Page,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Nothing,
    Item,
    Payment,
    Reason,
    /// Only the id.
    Plain,
    /// A gRPC message whose first field is the id.
    Message,
}

impl Ask {
    /// `GET /products/{id}`, or `shop.Catalog/GetProduct` when the entry speaks gRPC.
    pub(super) fn parse(route: &str, protocol: Protocol) -> Ask {
        if protocol == Protocol::Grpc {
            return Ask {
                method: Method::POST,
                path: format!("/{route}"),
                query: Query::Nothing,
                body: Body::Message,
            };
        }
        let (method, path) = route.split_once(' ').unwrap_or(("GET", route));
        let method = method.parse().unwrap_or(Method::GET);
        let last = path.rsplit('/').next().unwrap_or_default();
        let asks = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(&method);
        let query = match last {
            "search" if asks => Query::Words,
            // A list of things.
            list if asks && list.ends_with('s') => Query::Page,
            _ => Query::Nothing,
        };
        let body = match last {
            _ if asks => Body::Nothing,
            "items" => Body::Item,
            "checkout" | "payments" => Body::Payment,
            "refund" => Body::Reason,
            _ => Body::Plain,
        };
        Ask {
            method,
            path: path.to_owned(),
            query,
            body,
        }
    }

    pub(super) fn request(&self, id: u64, mut headers: HeaderMap, dice: &mut Dice) -> Request {
        let mut path = self.path.replace("{id}", &id.to_string());
        match self.query {
            Query::Nothing => {}
            Query::Words => {
                let (colour, thing) = (one_of(&COLOURS, dice), one_of(&THINGS, dice));
                path.push_str(&format!("?q={colour}+{thing}"));
            }
            Query::Page => {
                let mut page = 1;
                // Half go on to the next page, and few far.
                while page < 9 && dice.chance(0.5) {
                    page += 1;
                }
                path.push_str(&format!("?page={page}"));
            }
        }
        let body = match self.body {
            Body::Nothing => Bytes::new(),
            Body::Item => json(id, &format!(r#""quantity":{}"#, dice.between(1, 4))),
            Body::Payment => json(id, r#""method":"card""#),
            Body::Reason => json(id, &format!(r#""reason":"{}""#, one_of(&REASONS, dice))),
            Body::Plain => Bytes::from(format!(r#"{{"id":"{id}"}}"#)),
            Body::Message => {
                let mut message = Vec::new();
                prost::encoding::string::encode(1, &id.to_string(), &mut message);
                message.into()
            }
        };
        let kind = match self.body {
            Body::Nothing => None,
            Body::Message => Some("application/grpc"),
            Body::Item | Body::Payment | Body::Reason | Body::Plain => Some("application/json"),
        };
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Request {
            method: self.method.clone(),
            path,
            headers,
            body,
        }
    }
}

fn json(id: u64, more: &str) -> Bytes {
    Bytes::from(format!(r#"{{"id":"{id}",{more}}}"#))
}

fn one_of(words: &[&'static str], dice: &mut Dice) -> &'static str {
    let index = dice.between(0, words.len() as u64);
    // The index is one of a small array's.
    words[index as usize]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::topology::Topology;

    #[test]
    fn requests_look_like_those_of_people() {
        let shop = Topology::shop();
        let mut dice = Dice::new(4, "ask");
        let mut lines = String::new();
        for route in shop.services[&shop.entry].routes.keys() {
            let ask = Ask::parse(route, Protocol::Http1);
            let request = ask.request(4_711, HeaderMap::new(), &mut dice);
            let kind = request.headers.get(CONTENT_TYPE);
            let body = std::str::from_utf8(&request.body).unwrap();
            assert_eq!(kind.is_some(), !body.is_empty());
            let line = format!("{} {} {body}", request.method, request.path);
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        expect![[r#"
            GET /
            GET /api/cart/4711
            GET /api/orders/4711
            GET /api/products?page=3
            GET /api/products/4711
            GET /api/search?q=white+watch
            GET /api/statements/4711
            GET /partner/v1/stock/4711
            POST /api/cart/4711/items {"id":"4711","quantity":2}
            POST /api/checkout {"id":"4711","method":"card"}
            POST /api/orders/4711/refund {"id":"4711","reason":"too-late"}
        "#]]
        .assert_eq(&lines);
    }

    #[test]
    fn an_entry_of_grpc_is_asked_with_a_message() {
        let ask = Ask::parse("shop.Catalog/GetProduct", Protocol::Grpc);
        let request = ask.request(7, HeaderMap::new(), &mut Dice::new(1, "ask"));
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.path, "/shop.Catalog/GetProduct");
        assert_eq!(request.headers[CONTENT_TYPE], "application/grpc");
        assert_eq!(&request.body[..], b"\x0a\x017");
    }
}
