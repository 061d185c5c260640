//! Lists and watches, one of each resource, as one stream of news.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll, Stream};
use serde_json::Value;

use crate::client::{Client, EventKind, ListOptions, Watch};

/// What there is to know about a resource, by its name.
#[derive(Debug)]
pub(super) enum News {
    /// All objects there are; what else was known is gone.
    Listed(Arc<str>, Vec<Arc<Value>>),
    Changed(Arc<str>, Arc<Value>),
    Gone(Arc<str>, Arc<Value>),
    /// Nobody serves it any more.
    Unserved(Arc<str>),
}

/// Everything that is followed.
#[derive(Default)]
pub(super) struct Sources {
    streams: SelectAll<BoxStream<'static, News>>,
    followed: BTreeSet<Arc<str>>,
}

impl Sources {
    /// Begins to follow a resource. Gives what there is of it; None when it is followed already or
    /// nobody serves it yet.
    pub(super) fn follow(&mut self, client: &Client, resource: &str) -> Option<Vec<Arc<Value>>> {
        if self.followed.contains(resource) {
            return None;
        }
        let resource: Arc<str> = Arc::from(resource);
        let listing = client.list(&resource, None, &ListOptions::all()).ok()?;
        let watch = client.watch(&resource, None, listing.resource_version);
        self.followed.insert(Arc::clone(&resource));
        self.streams.push(news(client.clone(), resource, watch));
        Some(listing.items)
    }
}

impl Stream for Sources {
    type Item = News;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<News>> {
        let news = self.streams.poll_next_unpin(context);
        if let Poll::Ready(Some(News::Unserved(resource))) = &news {
            self.followed.remove(resource);
        }
        news
    }
}

/// A watch that lists again whenever it has to, until the resource is served no more.
fn news(client: Client, resource: Arc<str>, watch: Watch) -> BoxStream<'static, News> {
    stream::unfold(Some((client, resource, watch)), |state| async move {
        let (client, resource, mut watch) = state?;
        loop {
            match watch.next().await {
                Ok(event) => {
                    let news = match event.kind {
                        EventKind::Bookmark => continue,
                        EventKind::Deleted => News::Gone,
                        EventKind::Added | EventKind::Modified => News::Changed,
                    };
                    let news = news(Arc::clone(&resource), event.object);
                    return Some((news, Some((client, resource, watch))));
                }
                Err(_too_old) => {
                    let Ok(listing) = client.list(&resource, None, &ListOptions::all()) else {
                        return Some((News::Unserved(resource), None));
                    };
                    watch = client.watch(&resource, None, listing.resource_version);
                    let news = News::Listed(Arc::clone(&resource), listing.items);
                    return Some((news, Some((client, resource, watch))));
                }
            }
        }
    })
    .boxed()
}
