//! Bracketed groups and labelled ids: what they hold is told by their form.

use monitor_core::Name;

use super::{Head, is_position};
use crate::formats::aliases::{Field, meaning_in_text};
use crate::formats::ids;

impl<'t> Head<'t> {
    /// `request_id=…`, `traceId=…` as one word.
    pub(super) fn labelled_id(&mut self, word: &str) -> bool {
        let Some((name, value)) = word.split_once(['=', ':']) else {
            return false;
        };
        self.id_pair(name, value)
    }

    pub(super) fn id_pair(&mut self, name: &str, value: &str) -> bool {
        let value = value.trim_matches(['"', ' ', ',', ']']);
        let taken = match meaning_in_text(name.as_bytes()) {
            Field::Trace => match ids::trace_id(value) {
                Some(trace) => ids::set(&mut self.ids, Some(trace), None, None),
                None => value.is_empty() || value == "-",
            },
            Field::Span => match ids::span_id(value) {
                Some(span) => ids::set(&mut self.ids, None, Some(span), None),
                None => value.is_empty() || value == "-",
            },
            Field::Parent => {
                self.ids.parent_span_id = ids::span_id(value);
                true
            }
            Field::Request if !value.is_empty() => {
                self.ids.request_id.get_or_insert_with(|| value.into());
                true
            }
            Field::Correlation if !value.is_empty() => {
                self.ids.correlation_id.get_or_insert_with(|| value.into());
                true
            }
            Field::Service if !value.is_empty() => {
                self.named_service = Some(Name::from(value));
                true
            }
            _ => false,
        };
        self.has_ids |= taken;
        taken
    }

    /// What a bracketed group holds: ids, a process, a client, a thread.
    pub(super) fn group(&mut self, group: &'t str) -> bool {
        let trimmed = group.trim();
        if trimmed.is_empty()
            || trimmed
                .bytes()
                .all(|byte| matches!(byte, b'-' | b' ' | b','))
        {
            return true;
        }
        if self.id_group(trimmed) {
            return true;
        }
        if self.triple_dash {
            // Spring Boot 3.2: `[application] [thread]`; before it, the thread alone.
            if self.applications == 1 {
                self.service = self.service.or(self.thread.take());
            }
            self.applications += 1;
            self.thread = Some(trimmed);
        } else if let Some(client) = trimmed.strip_prefix("client ") {
            self.client = Some(client);
        } else if let Some(pid) = trimmed.strip_prefix("pid ") {
            self.pid = Some(pid.split(':').next().unwrap_or(pid));
        } else if trimmed.bytes().all(|byte| byte.is_ascii_digit()) && self.pid.is_none() {
            self.pid = Some(trimmed);
        } else if trimmed.starts_with("MY-") {
            self.code = Some(trimmed);
        } else if is_position(trimmed) {
            self.source = Some(trimmed);
        } else if self.logger.is_none()
            && trimmed.contains('.')
            && !trimmed.contains([' ', '/'])
            && !trimmed.bytes().any(|byte| byte.is_ascii_digit())
        {
            self.logger = Some(trimmed);
        } else if self.thread.is_none() {
            self.thread = Some(trimmed);
        } else if self.logger.is_none() {
            self.logger = Some(trimmed);
        }
        false
    }

    /// `[orders,0af7651916cd43dd8448eb211c80319c,b7ad6b7169203331]`, `[<trace>-<span>]`,
    /// `[traceId=…, spanId=…]`, `[req-… …]`.
    pub(super) fn id_group(&mut self, group: &'t str) -> bool {
        if group.contains(['=', ':']) && group.len() < 240 {
            let mut any = false;
            for part in group.split([',', ' ', ';']) {
                any |= self.labelled_id(part);
            }
            if any {
                return true;
            }
        }
        if group.starts_with("req-") {
            let id = group.split(' ').next().unwrap_or(group);
            self.ids.request_id = Some(Name::from(id));
            self.has_ids = true;
            self.openstack = true;
            return true;
        }
        if group.contains(',') {
            let mut parts = group.split(',').map(str::trim);
            let (first, second, third) = (parts.next(), parts.next(), parts.next());
            if let (Some(service), Some(trace), Some(span)) = (first, second, third) {
                let ids_or_empty = (trace.is_empty() && span.is_empty())
                    || ids::set(
                        &mut self.ids,
                        ids::trace_id(trace),
                        ids::span_id(span),
                        None,
                    );
                if ids_or_empty {
                    if !service.is_empty() {
                        self.service = Some(service);
                    }
                    self.has_ids = true;
                    return true;
                }
            }
            if let (Some(trace), Some(span), None) = (first, second, third) {
                let trace = ids::trace_id(trace);
                if trace.is_some() {
                    self.has_ids |= ids::set(&mut self.ids, trace, ids::span_id(span), None);
                    return true;
                }
            }
            return false;
        }
        if group.len() >= 16 && group.is_ascii() {
            if let Some((trace, span)) = group.split_once('-')
                && trace.len() == 32
                && let Ok(trace) = trace.parse()
            {
                self.has_ids |= ids::set(&mut self.ids, Some(trace), ids::span_id(span), None);
                return true;
            }
            if matches!(group.len(), 16 | 32)
                && let Some(trace) = ids::trace_id(group)
            {
                self.has_ids |= ids::set(&mut self.ids, Some(trace), None, None);
                return true;
            }
            if group.len() == 36 && group.as_bytes()[8] == b'-' && group.as_bytes()[13] == b'-' {
                self.ids.request_id.get_or_insert_with(|| group.into());
                self.has_ids = true;
                return true;
            }
        }
        false
    }
}
