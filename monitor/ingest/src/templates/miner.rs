//! The online miner of one service.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_core::{Shape, TemplateId, TemplateMatch};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::family;
use super::hash::Hash;
use super::scan::{Token, scan};
use super::template::{Slot, Template, shape, spans};

/// What one miner may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Templates of a service; further ones are counted under the overflow template `<*>`. One
    /// layout may take up an eighth of them (64 at least), so that one stream of noise leaves
    /// place for the others.
    pub templates: usize,
    /// Exact layouts of one template (they differ in white space and in what was variable when);
    /// further messages of it are one variable.
    pub shapes_per_template: usize,
    /// Words and variables of a message; its tail is one variable.
    pub tokens: usize,
    /// Remembered message skeletons. They only save time: about 150 bytes each.
    pub cache: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            templates: 2_000,
            shapes_per_template: 32,
            tokens: 100,
            cache: 20_000,
        }
    }
}

/// Learns the templates of one service's messages; see the module for the method.
///
/// Serialising it keeps everything: a miner that was saved and restored answers as if it had never
/// stopped, with the same ids. The same messages in the same order give the same templates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Miner {
    limits: Limits,
    seed: u64,
    /// The first is the overflow template. A merged template stays, pointing to its survivor.
    templates: Vec<Template>,
    live: usize,
    /// Live templates by layout, each list in order of age.
    layouts: BTreeMap<u64, Vec<u32>>,
    #[serde(serialize_with = "in_order")]
    cache: FxHashMap<u64, Known>,
    #[serde(skip)]
    tokens: Vec<Token>,
}

/// Where a skeleton led the last time.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    template: u32,
    generation: u32,
    shape: Arc<Shape>,
    /// The shape's variables as inclusive ranges of tokens; `None`: the whole message.
    spans: Option<Box<[(u16, u16)]>>,
}

const OVERFLOW: u32 = 0;

impl Miner {
    /// `namespace_seed` is the service: the same first message has different ids in two services.
    pub fn new(namespace_seed: &str, limits: Limits) -> Miner {
        let seed = Hash::new().bytes(namespace_seed.as_bytes()).finish();
        let id = TemplateId(Hash::new().number(seed).finish());
        Miner {
            limits: Limits {
                // Token positions are kept in 16 bits.
                tokens: limits.tokens.clamp(1, 10_000),
                templates: limits.templates.max(1),
                shapes_per_template: limits.shapes_per_template.max(1),
                cache: limits.cache.max(1),
            },
            seed,
            templates: vec![Template {
                id,
                slots: vec![Slot::Variable],
                gaps: Arc::from(["".into(), "".into()]),
                count: 0,
                generation: 0,
                merged_into: None,
                shapes: vec![Arc::new(whole(id))],
            }],
            live: 1,
            layouts: BTreeMap::new(),
            cache: FxHashMap::default(),
            tokens: Vec::new(),
        }
    }

    /// The template of `message`; learns from it.
    ///
    /// One pass over the first line when its skeleton is known, without allocating for up to eight
    /// variables. Otherwise linear in the number of templates of the same layout.
    pub fn mine(&mut self, message: &str) -> TemplateMatch {
        self.mine_at(message).1
    }

    /// Also says which template it is; [`Miner::survivor`] tells later what became of it.
    pub(super) fn mine_at(&mut self, message: &str) -> (u32, TemplateMatch) {
        let mut tokens = std::mem::take(&mut self.tokens);
        scan(message, self.limits.tokens, &mut tokens);
        let key = skeleton(message, &tokens);
        let found = match self.recall(key, message, &tokens) {
            Some(found) => found,
            None => self.learn(key, message, &tokens),
        };
        self.templates[found.0 as usize].count += 1;
        self.tokens = tokens;
        found
    }

    /// All templates that messages can still get, oldest first, with how many messages they had.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateId, String, u64)> {
        self.templates
            .iter()
            .filter(|template| template.merged_into.is_none() && template.count > 0)
            .map(|template| (template.id, template.text(|_| ""), template.count))
    }

    /// Messages that found no place of their own because the service has too many templates.
    pub fn overflowed(&self) -> u64 {
        self.templates[OVERFLOW as usize].count
    }

    /// The template that `index` has become part of.
    pub(super) fn survivor(&self, mut index: u32) -> u32 {
        while let Some(next) = self.templates[index as usize].merged_into {
            index = next;
        }
        index
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn template(&self, index: u32) -> &Template {
        &self.templates[index as usize]
    }

    fn recall(&self, key: u64, message: &str, tokens: &[Token]) -> Option<(u32, TemplateMatch)> {
        let known = self.cache.get(&key)?;
        if self.templates[known.template as usize].generation != known.generation {
            return None;
        }
        let variables = match &known.spans {
            None => everything(message),
            Some(spans) => {
                let mut variables = SmallVec::with_capacity(spans.len());
                for (from, to) in spans {
                    let from = tokens.get(usize::from(*from))?;
                    let to = tokens.get(usize::from(*to))?;
                    variables.push(from.start..to.end);
                }
                variables
            }
        };
        let found = TemplateMatch {
            shape: Arc::clone(&known.shape),
            variables,
        };
        // Two skeletons can have the same hash; a wrong answer would lose the message's text.
        fits(&found, message).then_some((known.template, found))
    }

    fn learn(&mut self, key: u64, message: &str, tokens: &[Token]) -> (u32, TemplateMatch) {
        let layout = layout(message, tokens);
        let index = self
            .best(layout, message, tokens)
            .unwrap_or_else(|| self.insert(layout, message, tokens));
        let (shape, spans) = self.shape(index, message, tokens);
        if self.cache.len() >= self.limits.cache {
            self.cache.clear();
        }
        let variables = match &spans {
            None => everything(message),
            Some(spans) => spans
                .iter()
                .map(|(from, to)| tokens[usize::from(*from)].start..tokens[usize::from(*to)].end)
                .collect(),
        };
        let known = Known {
            template: index,
            generation: self.templates[index as usize].generation,
            shape: Arc::clone(&shape),
            spans,
        };
        self.cache.insert(key, known);
        (index, TemplateMatch { shape, variables })
    }

    /// The most specific template of the layout that the tokens fit.
    fn best(&self, layout: u64, message: &str, tokens: &[Token]) -> Option<u32> {
        self.layouts
            .get(&layout)?
            .iter()
            .copied()
            .filter(|index| self.templates[*index as usize].matches(message, tokens))
            .max_by_key(|index| {
                (
                    self.templates[*index as usize].words(),
                    std::cmp::Reverse(*index),
                )
            })
    }

    /// Makes a template of the tokens, or generalises those they are a family with.
    fn insert(&mut self, layout: u64, message: &str, tokens: &[Token]) -> u32 {
        let mut slots: Vec<Slot> = tokens
            .iter()
            .map(|token| match token.variable {
                true => Slot::Variable,
                false => Slot::Word(token.text(message).into()),
            })
            .collect();
        let gaps = gaps(message, tokens);
        let id = TemplateId(self.name(layout, &slots));
        let peers = self.layouts.get(&layout).map_or(0, Vec::len);
        let full =
            self.live > self.limits.templates || peers >= (self.limits.templates / 8).max(64);
        // What still does not fit after so many templates hardly ever will: looking at all of them
        // for each message would cost more than it is worth.
        if full && !self.overflowed().is_multiple_of(64) {
            return OVERFLOW;
        }
        let mut survivor: Option<u32> = None;
        loop {
            let peers = self.layouts.get(&layout).map_or(&[][..], Vec::as_slice);
            let candidates = peers
                .iter()
                .filter(|index| Some(**index) != survivor)
                .map(|index| (*index, &self.templates[*index as usize]));
            let Some(family) = family::find(&slots, &gaps, candidates) else {
                break;
            };
            for (position, slot) in slots.iter_mut().enumerate() {
                let members = || {
                    family
                        .members
                        .iter()
                        .map(|index| &self.templates[*index as usize].slots[position])
                };
                if members().all(|member| member == slot) {
                    continue;
                }
                let units = family::generalised(slot) == Slot::Unit
                    && members().all(|member| family::generalised(member) == Slot::Unit);
                *slot = if units { Slot::Unit } else { Slot::Variable };
            }
            survivor = Some(self.unite(layout, &slots, family.members, survivor));
        }
        if let Some(survivor) = survivor {
            return survivor;
        }
        if full {
            return OVERFLOW;
        }
        let index = u32::try_from(self.templates.len()).unwrap_or(OVERFLOW);
        self.templates.push(Template {
            id,
            slots,
            gaps,
            count: 0,
            generation: 0,
            merged_into: None,
            shapes: Vec::new(),
        });
        self.live += 1;
        self.layouts.entry(layout).or_default().push(index);
        index
    }

    /// Folds the members (and the survivor so far) into the oldest of them.
    fn unite(
        &mut self,
        layout: u64,
        slots: &[Slot],
        mut members: Vec<u32>,
        survivor: Option<u32>,
    ) -> u32 {
        members.extend(survivor);
        members.sort_unstable();
        members.dedup();
        let oldest = members[0];
        let mut count = 0;
        for index in &members[1..] {
            let template = &mut self.templates[*index as usize];
            count += std::mem::take(&mut template.count);
            template.merged_into = Some(oldest);
            template.generation += 1;
            // Only its id lives on.
            template.slots = Vec::new();
            template.shapes = Vec::new();
        }
        self.live -= members.len() - 1;
        let template = &mut self.templates[oldest as usize];
        template.count += count;
        template.slots = slots.to_vec();
        template.generation += 1;
        if let Some(peers) = self.layouts.get_mut(&layout) {
            peers.retain(|index| *index == oldest || !members.contains(index));
        }
        oldest
    }

    /// The id of a template that begins with these slots.
    fn name(&self, layout: u64, slots: &[Slot]) -> u64 {
        slots
            .iter()
            .fold(
                Hash::new().number(self.seed).number(layout),
                |hash, slot| match slot {
                    Slot::Word(word) => hash.bytes(word.as_bytes()),
                    Slot::Variable | Slot::Unit => hash.number(0),
                },
            )
            .finish()
    }

    /// The shape that the message has as one of template `index`, and its variables as tokens.
    #[expect(
        clippy::type_complexity,
        reason = "two halves of one answer, used once"
    )]
    fn shape(
        &mut self,
        index: u32,
        message: &str,
        tokens: &[Token],
    ) -> (Arc<Shape>, Option<Box<[(u16, u16)]>>) {
        let limit = self.limits.shapes_per_template;
        let template = &mut self.templates[index as usize];
        if index == OVERFLOW {
            return (Arc::clone(&template.shapes[0]), None);
        }
        let spans = spans(&template.slots, |slot| {
            let (before, after) = (tokens[slot - 1], tokens[slot]);
            &message.as_bytes()[before.end as usize..after.start as usize]
        });
        let mut pieces = Vec::with_capacity(spans.ranges().len() + 1);
        let mut end = 0;
        for (from, to) in spans.ranges() {
            pieces.push(slice(message, end, tokens[*from].start));
            end = tokens[*to].end;
        }
        pieces.push(slice(
            message,
            end,
            u32::try_from(message.len()).unwrap_or(u32::MAX),
        ));
        let shape = shape(template.id, pieces);
        if let Some(known) = template.shapes.iter().find(|known| known.id == shape.id) {
            return (Arc::clone(known), Some(narrow(spans.ranges())));
        }
        if template.shapes.len() >= limit {
            return (Arc::new(whole(template.id)), None);
        }
        let shape = Arc::new(shape);
        template.shapes.push(Arc::clone(&shape));
        (shape, Some(narrow(spans.ranges())))
    }
}

/// The shape of a message that is one variable.
fn whole(template: TemplateId) -> Shape {
    shape(template, vec!["".into(), "".into()])
}

fn everything(message: &str) -> SmallVec<[std::ops::Range<u32>; 8]> {
    let mut variables = SmallVec::new();
    variables.push(0..u32::try_from(message.len()).unwrap_or(u32::MAX));
    variables
}

fn slice(message: &str, from: u32, to: u32) -> Box<str> {
    message
        .get(from as usize..to as usize)
        .unwrap_or_default()
        .into()
}

fn narrow(spans: &[(usize, usize)]) -> Box<[(u16, u16)]> {
    let narrow = |slot: usize| u16::try_from(slot).unwrap_or(u16::MAX);
    spans
        .iter()
        .map(|(from, to)| (narrow(*from), narrow(*to)))
        .collect()
}

/// Whether the shape's pieces are what stands between the variables.
fn fits(found: &TemplateMatch, message: &str) -> bool {
    let pieces = &found.shape.pieces;
    let bytes = message.as_bytes();
    let mut end = 0;
    pieces.len() == found.variables.len() + 1
        && found.variables.iter().zip(pieces).all(|(variable, piece)| {
            let gap = bytes.get(end..variable.start as usize);
            end = variable.end as usize;
            gap == Some(piece.as_bytes())
        })
        && bytes.get(end..) == pieces.last().map(|piece| piece.as_bytes())
}

/// The hash of everything but the masked variables.
fn skeleton(message: &str, tokens: &[Token]) -> u64 {
    let bytes = message.as_bytes();
    let mut hash = Hash::new();
    let mut end = 0;
    for token in tokens.iter().filter(|token| token.variable) {
        hash = hash.bytes(&bytes[end..token.start as usize]);
        end = token.end as usize;
    }
    hash.bytes(&bytes[end..]).finish()
}

/// The hash of the gaps: messages of one layout can be compared word by word.
fn layout(message: &str, tokens: &[Token]) -> u64 {
    gaps(message, tokens)
        .iter()
        .fold(Hash::new(), |hash, gap| hash.bytes(gap.as_bytes()))
        .finish()
}

/// What stands between the tokens, with runs of white space as one space.
fn gaps(message: &str, tokens: &[Token]) -> Arc<[Box<str>]> {
    let mut end = 0;
    let mut gaps: Vec<Box<str>> = Vec::with_capacity(tokens.len() + 1);
    for token in tokens {
        gaps.push(one_space(&slice(message, end, token.start)));
        end = token.end;
    }
    gaps.push(one_space(
        message.get(end as usize..).unwrap_or_default().trim_end(),
    ));
    gaps.into()
}

fn one_space(gap: &str) -> Box<str> {
    let mut text = String::with_capacity(gap.len());
    for c in gap.chars() {
        if !c.is_whitespace() {
            text.push(c);
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
    }
    text.into_boxed_str()
}

/// Sorted, so that equal miners have equal bytes.
fn in_order<S: serde::Serializer>(
    cache: &FxHashMap<u64, Known>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    cache
        .iter()
        .collect::<BTreeMap<_, _>>()
        .serialize(serializer)
}
