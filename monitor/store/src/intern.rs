//! The writing side of a partition's dictionary: from a record to the numbers of its layout,
//! context and operation.
//!
//! Owned by the index writer. Bounded: what does not fit any more is indexed under coarser
//! entries, never dropped.

use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use monitor_core::{CallStatus, Name, Record, Resource};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::dictionary::{Context, Dictionary, DictionaryFile, Entry, Operation};
use crate::layout::{Layout, Region, Split, WHOLE};

/// Which fields a record has; bits of [`Operation::present`].
pub(crate) mod present {
    pub(crate) const TRACE: u16 = 1;
    pub(crate) const SPAN: u16 = 1 << 1;
    pub(crate) const PARENT: u16 = 1 << 2;
    pub(crate) const REQUEST: u16 = 1 << 3;
    pub(crate) const CORRELATION: u16 = 1 << 4;
    pub(crate) const PATH: u16 = 1 << 5;
    pub(crate) const CLIENT: u16 = 1 << 6;
    pub(crate) const DURATION: u16 = 1 << 7;
}

/// Searches walk all of these, so they must stay few; a healthy day has some thousands.
const MAX_LAYOUTS: usize = 1 << 15;
const MAX_LITERAL_BYTES: usize = 16 << 20;
const MAX_CONTEXTS: usize = 1 << 15;
const MAX_OPERATIONS: usize = 1 << 15;
/// Layouts seen once; a second sighting makes them entries. Forgotten wholesale when full.
const MAX_CANDIDATES: usize = 1 << 16;
const MAX_CACHED_CONTEXTS: usize = 1 << 12;
/// Stands in for names that no longer fit.
const OTHER: &str = "~other";

/// Readers hold the read lock while they plan a query; the writer takes the write lock for each
/// new entry, which becomes rare within seconds.
pub(crate) type SharedDictionary = Arc<RwLock<Dictionary>>;

/// Of a record's resource, stream and format: cheaper to look up than their texts.
type Addresses = (usize, usize, usize);

/// A context's number, with what keeps its addresses from being used for something else.
type CachedContext = (Arc<Resource>, Name, u32);

#[derive(Debug)]
pub(crate) struct Interner {
    shared: SharedDictionary,
    file: DictionaryFile,
    entries: u64,
    literal_bytes: usize,
    layouts: Vec<(Arc<Layout>, Arc<[Region]>)>,
    layout_ids: FxHashMap<u64, u32>,
    candidates: FxHashSet<u64>,
    contexts: Vec<Arc<Context>>,
    context_ids: FxHashMap<u64, u32>,
    context_cache: FxHashMap<Addresses, CachedContext>,
    operations: Vec<Arc<Operation>>,
    operation_ids: FxHashMap<u64, u32>,
}

impl Interner {
    pub(crate) fn open(path: &Path) -> io::Result<Interner> {
        let mut dictionary = Dictionary::default();
        let file = DictionaryFile::open(path, |entry| dictionary.insert(entry))?;
        let mut interner = Interner {
            shared: SharedDictionary::default(),
            file,
            entries: dictionary.len() as u64,
            literal_bytes: dictionary.literal_bytes,
            layouts: Vec::new(),
            layout_ids: FxHashMap::default(),
            candidates: FxHashSet::default(),
            contexts: dictionary.contexts.clone(),
            context_ids: FxHashMap::default(),
            context_cache: FxHashMap::default(),
            operations: dictionary.operations.clone(),
            operation_ids: FxHashMap::default(),
        };
        for (id, layout) in (0..).zip(&dictionary.layouts) {
            interner.layout_ids.insert(layout.hash, id);
            interner
                .layouts
                .push((Arc::clone(layout), layout.regions().into()));
        }
        for (id, context) in (0..).zip(&interner.contexts) {
            interner.context_ids.insert(hash_context(context), id);
        }
        for (id, operation) in (0..).zip(&interner.operations) {
            interner
                .operation_ids
                .insert(hash_operation(&borrowed(operation)), id);
        }
        interner.shared = Arc::new(RwLock::new(dictionary));
        if interner.layouts.is_empty() {
            let id = interner.add_layout(Layout::whole())?;
            debug_assert_eq!(id, WHOLE);
        }
        Ok(interner)
    }

    pub(crate) fn shared(&self) -> &SharedDictionary {
        &self.shared
    }

    /// How many entries there are, of all kinds.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The record's layout; `split` then holds the variables that go with it.
    pub(crate) fn layout(
        &mut self,
        record: &Record,
        split: &mut Split,
    ) -> io::Result<(u32, Arc<[Region]>)> {
        let id = match self.fine_layout(record, split)? {
            Some(id) => id,
            None => match self.coarse_layout(record, split)? {
                Some(id) => id,
                None => {
                    split.whole(record);
                    WHOLE
                }
            },
        };
        Ok((id, Arc::clone(&self.layouts[id as usize].1)))
    }

    fn fine_layout(&mut self, record: &Record, split: &mut Split) -> io::Result<Option<u32>> {
        if !split.fine(record) {
            return Ok(None);
        }
        if let Some(id) = self.layout_ids.get(&split.hash) {
            let fits = split.fits(record, &self.layouts[*id as usize].0);
            return Ok(fits.then_some(*id));
        }
        if self.candidates.len() >= MAX_CANDIDATES {
            self.candidates.clear();
        }
        // Many texts are never seen again; only what repeats earns an entry.
        if self.candidates.insert(split.hash) || !self.has_room(MAX_LAYOUTS / 2) {
            return Ok(None);
        }
        self.candidates.remove(&split.hash);
        self.new_layout(record, split)
    }

    fn coarse_layout(&mut self, record: &Record, split: &mut Split) -> io::Result<Option<u32>> {
        if !split.coarse(record) {
            return Ok(None);
        }
        if let Some(id) = self.layout_ids.get(&split.hash) {
            let fits = split.fits(record, &self.layouts[*id as usize].0);
            return Ok(fits.then_some(*id));
        }
        if !self.has_room(MAX_LAYOUTS) {
            return Ok(None);
        }
        self.new_layout(record, split)
    }

    fn has_room(&self, max: usize) -> bool {
        self.layouts.len() < max && self.literal_bytes < MAX_LITERAL_BYTES
    }

    fn new_layout(&mut self, record: &Record, split: &Split) -> io::Result<Option<u32>> {
        let Some(layout) = split.layout(record) else {
            return Ok(None);
        };
        let id = self.add_layout(layout)?;
        self.layout_ids.insert(split.hash, id);
        Ok(Some(id))
    }

    fn add_layout(&mut self, layout: Layout) -> io::Result<u32> {
        let layout = Arc::new(layout);
        self.add(Entry::Layout(Arc::clone(&layout)))?;
        self.literal_bytes += layout.pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let regions = layout.regions().into();
        self.layouts.push((layout, regions));
        Ok(self.layouts.len() as u32 - 1)
    }

    pub(crate) fn context(&mut self, record: &Record) -> io::Result<u32> {
        let key = (
            Arc::as_ptr(&record.resource) as usize,
            Arc::as_ptr(&record.stream).cast::<u8>() as usize,
            record.format.map_or(0, |format| format.as_ptr() as usize),
        );
        if let Some((_, _, id)) = self.context_cache.get(&key) {
            return Ok(*id);
        }
        let id = self.find_context(record)?;
        if self.context_cache.len() >= MAX_CACHED_CONTEXTS {
            self.context_cache.clear();
        }
        let kept = (Arc::clone(&record.resource), Arc::clone(&record.stream), id);
        self.context_cache.insert(key, kept);
        Ok(id)
    }

    fn find_context(&mut self, record: &Record) -> io::Result<u32> {
        let resource = &record.resource;
        let mut context = Context {
            namespace: Arc::clone(&resource.service.namespace),
            service: Arc::clone(&resource.service.name),
            environment: Arc::clone(&resource.environment.name),
            instance: Arc::clone(&resource.instance),
            version: resource.version.clone(),
            format: record.format.map(Name::from),
            stream: Arc::clone(&record.stream),
        };
        if let Some(id) = self.known_context(&context) {
            return Ok(id);
        }
        if self.contexts.len() >= MAX_CONTEXTS {
            context.instance = OTHER.into();
            context.stream = OTHER.into();
            context.version = None;
            if self.contexts.len() >= 2 * MAX_CONTEXTS {
                context.namespace = OTHER.into();
                context.service = OTHER.into();
                context.environment = OTHER.into();
            }
            if let Some(id) = self.known_context(&context) {
                return Ok(id);
            }
        }
        let context = Arc::new(context);
        self.add(Entry::Context(Arc::clone(&context)))?;
        let id = self.contexts.len() as u32;
        self.context_ids.insert(hash_context(&context), id);
        self.contexts.push(context);
        Ok(id)
    }

    fn known_context(&self, context: &Context) -> Option<u32> {
        let id = *self.context_ids.get(&hash_context(context))?;
        (*self.contexts[id as usize] == *context).then_some(id)
    }

    pub(crate) fn operation(&mut self, record: &Record) -> io::Result<u32> {
        let facts = &record.facts;
        let wanted = Borrowed {
            kind: record.kind,
            severity: record.severity,
            names: [
                &facts.method,
                &facts.route,
                &facts.caller,
                &facts.callee,
                &facts.error_type,
            ]
            .map(|name| name.as_deref()),
            status: facts.status.filter(|status| *status != CallStatus::Unknown),
            present: present_fields(record),
        };
        if let Some(id) = self.known_operation(&wanted) {
            return Ok(id);
        }
        let coarser = Borrowed {
            names: wanted.names.map(|name| name.map(|_| OTHER)),
            status: None,
            ..wanted
        };
        let wanted = if self.operations.len() < MAX_OPERATIONS {
            wanted
        } else if let Some(id) = self.known_operation(&coarser) {
            return Ok(id);
        } else {
            coarser
        };
        let operation = Arc::new(wanted.to_owned());
        self.add(Entry::Operation(Arc::clone(&operation)))?;
        let id = self.operations.len() as u32;
        self.operation_ids.insert(hash_operation(&wanted), id);
        self.operations.push(operation);
        Ok(id)
    }

    fn known_operation(&self, wanted: &Borrowed<'_>) -> Option<u32> {
        let id = *self.operation_ids.get(&hash_operation(wanted))?;
        (borrowed(&self.operations[id as usize]) == *wanted).then_some(id)
    }

    fn add(&mut self, entry: Entry) -> io::Result<()> {
        self.file.append(&entry).map_err(io::Error::other)?;
        self.entries += 1;
        self.shared
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(entry);
        Ok(())
    }
}

/// An [`Operation`] before it is known to need storage of its own.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
struct Borrowed<'a> {
    kind: monitor_core::Kind,
    severity: Option<monitor_core::Severity>,
    /// Method, route, caller, callee, error type.
    names: [Option<&'a str>; 5],
    status: Option<CallStatus>,
    present: u16,
}

impl Borrowed<'_> {
    fn to_owned(self) -> Operation {
        let [method, route, caller, callee, error_type] =
            self.names.map(|name| name.map(Name::from));
        Operation {
            kind: self.kind,
            severity: self.severity,
            method,
            route,
            caller,
            callee,
            error_type,
            status: self.status,
            present: self.present,
        }
    }
}

fn borrowed(operation: &Operation) -> Borrowed<'_> {
    Borrowed {
        kind: operation.kind,
        severity: operation.severity,
        names: [
            &operation.method,
            &operation.route,
            &operation.caller,
            &operation.callee,
            &operation.error_type,
        ]
        .map(|name| name.as_deref()),
        status: operation.status,
        present: operation.present,
    }
}

fn present_fields(record: &Record) -> u16 {
    let (ids, facts) = (&record.ids, &record.facts);
    [
        (present::TRACE, ids.trace_id.is_some()),
        (present::SPAN, ids.span_id.is_some()),
        (present::PARENT, ids.parent_span_id.is_some()),
        (present::REQUEST, ids.request_id.is_some()),
        (present::CORRELATION, ids.correlation_id.is_some()),
        (present::PATH, facts.path.is_some()),
        (present::CLIENT, facts.client.is_some()),
        (
            present::DURATION,
            facts.duration.is_some() || record.span.is_some(),
        ),
    ]
    .iter()
    .filter(|(_, present)| *present)
    .fold(0, |bits, (bit, _)| bits | bit)
}

fn hash_context(context: &Context) -> u64 {
    let mut hasher = FxHasher::default();
    for name in [
        &context.namespace,
        &context.service,
        &context.environment,
        &context.instance,
        &context.stream,
    ] {
        name.hash(&mut hasher);
    }
    context.version.hash(&mut hasher);
    context.format.hash(&mut hasher);
    hasher.finish()
}

fn hash_operation(operation: &Borrowed<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    operation.hash(&mut hasher);
    hasher.finish()
}
