//! How messages look between a broker and those who take them; both ends use this.

use std::collections::BTreeMap;

use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::queue::Stored;

/// One of the answer's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub id: u64,
    pub headers: BTreeMap<String, String>,
    #[serde(with = "base64_bytes")]
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error)]
#[error("not a list of messages: {0}")]
pub struct WireError(#[from] serde_json::Error);

/// The path to publish at; `queue` is a name of a topology and needs no escaping.
pub fn publish_path(queue: &str) -> String {
    format!("/queues/{queue}/messages")
}

pub fn take_path(queue: &str, max: usize) -> String {
    format!("/queues/{queue}/take?max={max}")
}

/// The body of an answer to a request at [`take_path`].
pub fn read_taken(body: &[u8]) -> Result<Vec<Taken>, WireError> {
    Ok(serde_json::from_slice(body)?)
}

pub(super) fn write_taken(messages: Vec<Stored>) -> Bytes {
    let taken: Vec<Taken> = messages
        .into_iter()
        .map(|Stored { id, headers, body }| Taken { id, headers, body })
        .collect();
    // Maps with text keys always have a JSON form.
    serde_json::to_vec(&taken).unwrap_or_default().into()
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Publish { queue: &'a str },
    Take { queue: &'a str, max: usize },
}

/// None when it is neither route.
pub(super) fn asked(path: &str) -> Option<Asked<'_>> {
    const USUAL: usize = 8;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (queue, what) = path.strip_prefix("/queues/")?.split_once('/')?;
    match what {
        "messages" => Some(Asked::Publish { queue }),
        "take" => {
            let max = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("max="))
                .map_or(Some(USUAL), |max| max.parse().ok())?;
            Some(Asked::Take { queue, max })
        }
        _ => None,
    }
}

mod base64_bytes {
    use base64::Engine as _;

    use super::{Bytes, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_path() {
        let queue = "order-events";
        assert_eq!(
            asked("/queues/order-events/messages"),
            Some(Asked::Publish { queue })
        );
        let take = |max| Some(Asked::Take { queue, max });
        assert_eq!(asked(&take_path(queue, 3)), take(3));
        assert_eq!(asked("/queues/order-events/take"), take(8));
        for wrong in ["/queues/a", "/queues/a/b", "/", "/queues/a/take?max=many"] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let message = Stored {
            id: 7,
            headers: BTreeMap::from([("x-tenant".to_owned(), "acme".to_owned())]),
            body: Bytes::from_static(b"\x00\xff"),
        };
        let written = write_taken(vec![message.clone()]);
        assert_eq!(
            &written[..],
            br#"[{"id":7,"headers":{"x-tenant":"acme"},"body":"AP8="}]"#
        );
        let read = read_taken(&written).unwrap().remove(0);
        assert_eq!(
            (read.id, read.headers, read.body),
            (7, message.headers, message.body)
        );
    }
}
