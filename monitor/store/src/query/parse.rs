//! Recursive descent from the text of a query to its tree.
//!
//! ```text
//! or     = and { "OR" and }
//! and    = unary { [ "AND" ] unary }
//! unary  = ( "NOT" | "-" | "!" ) unary | "(" or ")" | [ field ":" ] value
//! value  = quoted | range | comparison | bare | "(" or ")"
//! ```

use super::{Bound, FieldMatch, Part, Position, Query, QueryError, Value};

/// Deeper nesting is nobody's question, and recursion must end.
const MAX_DEPTH: usize = 64;
/// Longest query, in characters.
const MAX_LENGTH: usize = 16_384;

pub(crate) fn parse(text: &str) -> Result<Query, QueryError> {
    let mut parser = Parser {
        characters: text.chars().collect(),
        at: 0,
        depth: 0,
        field: None,
    };
    if parser.characters.len() > MAX_LENGTH {
        return parser.fail(format!("a query has at most {MAX_LENGTH} characters"));
    }
    parser.skip_space();
    if parser.peek().is_none() {
        return Ok(Query::All);
    }
    let query = parser.or()?;
    match parser.peek() {
        None => Ok(query),
        Some(')') => parser.fail("this `)` closes nothing".to_owned()),
        Some(found) => parser.fail(format!("expected a term, found `{found}`")),
    }
}

struct Parser {
    characters: Vec<char>,
    at: usize,
    depth: usize,
    /// Inside `field:( … )`.
    field: Option<(String, Position)>,
}

impl Parser {
    fn or(&mut self) -> Result<Query, QueryError> {
        let mut all = vec![self.and()?];
        while self.keyword(&["OR", "||"]) {
            all.push(self.and()?);
        }
        Ok(join(all, Query::Or, |query| match query {
            Query::Or(inner) => Ok(inner),
            other => Err(other),
        }))
    }

    fn and(&mut self) -> Result<Query, QueryError> {
        let mut all = vec![self.unary()?];
        loop {
            if self.keyword(&["AND", "&&"]) {
                all.push(self.unary()?);
                continue;
            }
            match self.peek() {
                None | Some(')') => break,
                Some(_) if self.at_keyword("OR") || self.at_keyword("||") => break,
                Some(_) => all.push(self.unary()?),
            }
        }
        Ok(join(all, Query::And, |query| match query {
            Query::And(inner) => Ok(inner),
            other => Err(other),
        }))
    }

    fn unary(&mut self) -> Result<Query, QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("more than {MAX_DEPTH} levels of nesting"));
        }
        let query = self.unary_inner()?;
        self.depth -= 1;
        self.skip_space();
        Ok(query)
    }

    fn unary_inner(&mut self) -> Result<Query, QueryError> {
        if self.keyword(&["NOT"]) {
            return Ok(Query::Not(Box::new(self.unary()?)));
        }
        match self.peek() {
            Some('-' | '!') if self.starts_term(self.at + 1) => {
                self.at += 1;
                Ok(Query::Not(Box::new(self.unary()?)))
            }
            Some('(') => self.group(),
            Some(')') => self.fail("expected a term before this `)`".to_owned()),
            None => self.fail("expected a term, found the end".to_owned()),
            Some(_) => {
                for word in ["AND", "OR", "&&", "||"] {
                    if self.at_keyword(word) {
                        return self.fail(format!("expected a term before `{word}`"));
                    }
                }
                self.clause()
            }
        }
    }

    fn group(&mut self) -> Result<Query, QueryError> {
        let open = self.at;
        self.at += 1;
        self.skip_space();
        let query = self.or()?;
        if self.peek() != Some(')') {
            self.at = open;
            return self.fail("this `(` is never closed".to_owned());
        }
        self.at += 1;
        Ok(query)
    }

    fn clause(&mut self) -> Result<Query, QueryError> {
        if self.field.is_none()
            && let Some((name, colon)) = self.field_name()
        {
            let at = Position(self.at + 1);
            self.at = colon + 1;
            if self.peek() == Some('(') {
                self.field = Some((name, at));
                let query = self.group();
                self.field = None;
                return query;
            }
            return self.field_value(name, at);
        }
        match self.field.clone() {
            Some((name, at)) => self.field_value(name, at),
            None => self.value().map(Query::Text),
        }
    }

    /// A name before a colon that has a value after it: letters, digits, `_ - . / @`, beginning
    /// with a letter, `_` or `@`. A scheme (`http://…`) is not one.
    fn field_name(&self) -> Option<(String, usize)> {
        let first = self.peek()?;
        if !(first.is_alphabetic() || matches!(first, '_' | '@')) {
            return None;
        }
        let length = self.characters[self.at..]
            .iter()
            .position(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@')))?;
        let colon = self.at + length;
        if self.characters[colon] != ':' || self.characters[colon + 1..].starts_with(&['/', '/']) {
            return None;
        }
        Some((self.characters[self.at..colon].iter().collect(), colon))
    }

    fn field_value(&mut self, name: String, at: Position) -> Result<Query, QueryError> {
        let matches = match self.peek() {
            None | Some(')') => {
                return self.fail(format!("expected a value after `{name}:`"));
            }
            Some(c) if c.is_whitespace() => {
                return self.fail(format!("expected a value after `{name}:`"));
            }
            Some('[' | '{') => self.range()?,
            Some('>' | '<') => self.comparison()?,
            Some(_) => match self.value()? {
                Value::Bare(parts) if parts == [Part::AnyRun] => FieldMatch::Exists,
                value => FieldMatch::Is(value),
            },
        };
        Ok(Query::Field { name, at, matches })
    }

    /// `[low TO high]`, `{` and `}` excluding; `*` for an open end.
    fn range(&mut self) -> Result<FieldMatch, QueryError> {
        let open = self.at;
        let low_inclusive = self.peek() == Some('[');
        self.at += 1;
        self.skip_space();
        let low = self.bound()?;
        self.skip_space();
        if !self.keyword(&["TO"]) {
            return self.fail("expected `TO` between the ends of the range".to_owned());
        }
        let high = self.bound()?;
        self.skip_space();
        let high_inclusive = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            None => {
                self.at = open;
                return self.fail("this range is never closed by `]` or `}`".to_owned());
            }
            Some(_) => return self.fail("expected `]` or `}`".to_owned()),
        };
        self.at += 1;
        let bound =
            |value: Option<String>, inclusive| value.map(|value| Bound { value, inclusive });
        let (low, high) = (bound(low, low_inclusive), bound(high, high_inclusive));
        if low.is_none() && high.is_none() {
            return Ok(FieldMatch::Exists);
        }
        Ok(FieldMatch::Range { low, high })
    }

    fn bound(&mut self) -> Result<Option<String>, QueryError> {
        if self.peek() == Some('"') {
            return self.quoted().map(Some);
        }
        let start = self.at;
        let mut value = String::new();
        while let Some(found) = self.peek() {
            match found {
                ']' | '}' | '[' | '{' | '(' | ')' | '"' => break,
                '\\' => value.push(self.escaped()?),
                found if found.is_whitespace() => break,
                found => {
                    value.push(found);
                    self.at += 1;
                }
            }
        }
        if self.at == start {
            return self.fail("expected an end of the range, or `*`".to_owned());
        }
        let open = self.at - start == 1 && value == "*";
        Ok((!open).then_some(value))
    }

    /// `>value`, `>=value`, `<value`, `<=value`.
    fn comparison(&mut self) -> Result<FieldMatch, QueryError> {
        let greater = self.peek() == Some('>');
        self.at += 1;
        let inclusive = self.peek() == Some('=');
        self.at += usize::from(inclusive);
        let start = self.at;
        let value = match self.peek() {
            Some('"') => self.quoted()?,
            Some(c) if !c.is_whitespace() && !matches!(c, '(' | ')') => {
                let mut value = String::new();
                for part in self.bare()? {
                    let Part::Literal(text) = part else {
                        self.at = start;
                        return self.fail("a comparison takes no wildcards".to_owned());
                    };
                    value.push_str(&text);
                }
                value
            }
            _ => return self.fail("expected a value to compare with".to_owned()),
        };
        let bound = Some(Bound { value, inclusive });
        Ok(if greater {
            FieldMatch::Range {
                low: bound,
                high: None,
            }
        } else {
            FieldMatch::Range {
                low: None,
                high: bound,
            }
        })
    }

    fn value(&mut self) -> Result<Value, QueryError> {
        if self.peek() == Some('"') {
            self.quoted().map(Value::Quoted)
        } else {
            self.bare().map(Value::Bare)
        }
    }

    fn quoted(&mut self) -> Result<String, QueryError> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    self.at = open;
                    return self.fail("this `\"` is never closed".to_owned());
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') => text.push(self.escaped()?),
                Some(found) => {
                    text.push(found);
                    self.at += 1;
                }
            }
        }
    }

    fn bare(&mut self) -> Result<Vec<Part>, QueryError> {
        let mut parts: Vec<Part> = Vec::new();
        while let Some(found) = self.peek() {
            let literal = match found {
                '(' | ')' | '"' => break,
                found if found.is_whitespace() => break,
                '*' | '?' => {
                    self.at += 1;
                    let part = if found == '*' {
                        Part::AnyRun
                    } else {
                        Part::AnyOne
                    };
                    if !(part == Part::AnyRun && parts.last() == Some(&part)) {
                        parts.push(part);
                    }
                    continue;
                }
                '\\' => self.escaped()?,
                found => {
                    self.at += 1;
                    found
                }
            };
            match parts.last_mut() {
                Some(Part::Literal(text)) => text.push(literal),
                _ => parts.push(Part::Literal(literal.to_string())),
            }
        }
        if parts.is_empty() {
            return self.fail("expected a term".to_owned());
        }
        Ok(parts)
    }

    fn escaped(&mut self) -> Result<char, QueryError> {
        match self.characters.get(self.at + 1) {
            Some(escaped) => {
                self.at += 2;
                Ok(*escaped)
            }
            None => self.fail("expected a character after `\\`".to_owned()),
        }
    }

    fn keyword(&mut self, words: &[&str]) -> bool {
        for word in words {
            if self.at_keyword(word) {
                self.at += word.len();
                self.skip_space();
                return true;
            }
        }
        false
    }

    /// A keyword stands alone: `ORDER` and `OR:x` are terms.
    fn at_keyword(&self, word: &str) -> bool {
        let rest = &self.characters[self.at..];
        rest.len() >= word.len()
            && rest.iter().zip(word.chars()).all(|(a, b)| *a == b)
            && rest
                .get(word.len())
                .is_none_or(|after| after.is_whitespace() || matches!(after, '(' | ')' | '"'))
    }

    fn starts_term(&self, at: usize) -> bool {
        self.characters
            .get(at)
            .is_some_and(|c| !c.is_whitespace() && *c != ')')
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, message: String) -> Result<T, QueryError> {
        Err(QueryError {
            message,
            position: self.at + 1,
        })
    }
}

/// One query, or `kind` of several with those of the same kind opened up.
fn join(
    mut all: Vec<Query>,
    kind: fn(Vec<Query>) -> Query,
    open: fn(Query) -> Result<Vec<Query>, Query>,
) -> Query {
    if all.len() == 1 {
        return all.remove(0);
    }
    let mut flat = Vec::with_capacity(all.len());
    for query in all {
        match open(query) {
            Ok(inner) => flat.extend(inner),
            Err(query) => flat.push(query),
        }
    }
    kind(flat)
}
