//! Which parts of a chunk are variable by their looks alone.
//!
//! The conventions are those that people who label logs agree on (Khan et al., "Guidelines for
//! Assessing the Accuracy of Log Message Template Identification Techniques", ICSE 2022): numbers,
//! ids, addresses, paths, times and truth values are variables, together with the word they are
//! part of.

use super::scan::{CLASS, DIGIT, DOT, LETTER, SLASH, Token};
use super::template::is_unit;

/// Words with digits that are names of things, not values.
const NAMES_WITH_DIGITS: [&str; 42] = [
    "2d", "3d", "amd64", "arm64", "b2b", "base64", "crc32", "e2e", "ec2", "ext2", "ext3", "ext4",
    "h2", "http2", "i18n", "i386", "i686", "iso8601", "ipv4", "ipv6", "k8s", "l10n", "l2", "l3",
    "log4j", "md5", "mp3", "mp4", "oauth2", "p2p", "rfc3164", "rfc5424", "s3", "sha1", "sha256",
    "sha512", "ssh2", "utf16", "utf8", "win32", "x64", "x86",
];

/// A word of letters alone that is a value whatever stands around it.
pub(super) fn is_literal_value(word: &[u8]) -> bool {
    match word.len() {
        4 => word.eq_ignore_ascii_case(b"true") || word.eq_ignore_ascii_case(b"null"),
        5 => word.eq_ignore_ascii_case(b"false"),
        // A mask or hash without digits: `ffffffff`.
        8 | 16 | 32 | 40 | 64 => word.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

/// The end of a value that runs over hard delimiters, when the chunk `start..end` begins one:
/// a URL, a Windows path, an IPv6 or MAC address.
pub(super) fn spans_delimiters(line: &[u8], start: usize, end: usize, seen: u8) -> Option<usize> {
    if line.get(end) != Some(&b':') {
        return None;
    }
    let rest = &line[end + 1..];
    if rest.starts_with(b"//") && seen & LETTER != 0 && end - start >= 2 {
        return Some(until(line, end + 3, |b| {
            b.is_ascii_whitespace()
                || matches!(
                    b,
                    b'"' | b'\''
                        | b'<'
                        | b'>'
                        | b'('
                        | b')'
                        | b'['
                        | b']'
                        | b'{'
                        | b'}'
                        | b','
                        | b'|'
                        | b';'
                )
        }));
    }
    if end - start == 1 && seen == LETTER && rest.first() == Some(&b'\\') {
        return Some(until(line, end + 1, |b| {
            b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>' | b',' | b';' | b'|')
        }));
    }
    if end - start <= 4 && line[start..end].iter().all(u8::is_ascii_hexdigit) {
        return address(line, start);
    }
    None
}

/// The end of the value that starts at `from`, without punctuation that closes a sentence.
fn until(line: &[u8], from: usize, stop: impl Fn(u8) -> bool) -> usize {
    let mut end = from;
    while end < line.len() && !stop(line[end]) {
        end += 1;
    }
    while end > from && matches!(line[end - 1], b'.' | b':' | b'?' | b'!') {
        end -= 1;
    }
    end
}

/// The end of an IPv6 or MAC address: hex groups, at least five colons or a double one.
fn address(line: &[u8], start: usize) -> Option<usize> {
    let mut end = start;
    let (mut group, mut colons, mut digits, mut double) = (0, 0, 0, false);
    while let Some(byte) = line.get(end) {
        match byte {
            b':' => {
                double |= end > start && line[end - 1] == b':';
                colons += 1;
                group = 0;
            }
            b if b.is_ascii_hexdigit() => {
                group += 1;
                digits += usize::from(b.is_ascii_digit());
                if group > 4 {
                    return None;
                }
            }
            _ => break,
        }
        end += 1;
    }
    if line[end - 1] == b':' && !double {
        end -= 1;
        colons -= 1;
    }
    let whole = line
        .get(end)
        .is_none_or(|b| CLASS[usize::from(*b)] & (LETTER | SLASH) == 0 || *b == b'/');
    (whole && digits > 0 && (colons >= 5 || double && colons >= 2)).then_some(end)
}

/// The end of `key="some value"`, unless the key says that words of the program stand there.
pub(super) fn quoted_value(line: &[u8], from: usize, key: Option<&Token>) -> Option<usize> {
    let key = key.filter(|key| key.end as usize + 2 == from)?;
    let name = &line[key.start as usize..key.end as usize];
    let prose = [
        &b"msg"[..],
        b"message",
        b"event",
        b"error",
        b"err",
        b"reason",
        b"description",
        b"text",
        b"title",
        b"log",
        b"summary",
        b"detail",
    ]
    .iter()
    .any(|prose| {
        name.len() >= prose.len() && name[name.len() - prose.len()..].eq_ignore_ascii_case(prose)
    });
    let length = line[from..].iter().take(256).position(|b| *b == b'"')?;
    (!prose && length > 0).then_some(from + length)
}

/// Reports the tokens of a chunk that holds something else than letters, left to right.
pub(super) fn parts(
    line: &[u8],
    start: usize,
    end: usize,
    seen: u8,
    report: &mut impl FnMut(usize, usize, bool),
) {
    let (start, end) = trim(line, start, end);
    let text = &line[start..end];
    if text.is_empty() {
        return;
    }
    if seen & SLASH != 0 && is_path(text, seen) || is_host(text, seen) || is_mail(text) {
        return report(start, end, true);
    }
    if seen & DIGIT == 0 {
        return report(start, end, is_literal_value(text));
    }
    if is_number(text) || is_hex(text) || is_version(text) || has_port(line, text, end) {
        return report(start, end, true);
    }
    if text.starts_with(b"HTTP/") {
        return report(start, end, false);
    }
    // `shop.Cart@6e0771c9`: a name and a value, each judged by itself.
    if let Some(at) = text.iter().rposition(|b| *b == b'@')
        && at > 1
        && at + 1 < text.len()
    {
        parts(line, start, start + at, seen, report);
        return parts(line, start + at + 1, end, seen, report);
    }
    pieces(line, start, end, report);
}

/// `v1.2.3`.
fn is_version(text: &[u8]) -> bool {
    text.len() > 3
        && matches!(text[0], b'v' | b'V')
        && text[1..].contains(&b'.')
        && text[1..].iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

/// The host of `db-7:5432`: digits or dashes, and a port behind.
fn has_port(line: &[u8], text: &[u8], end: usize) -> bool {
    let port = line.get(end + 1..).unwrap_or_default();
    let digits = port.iter().take_while(|b| b.is_ascii_digit()).count();
    line.get(end) == Some(&b':')
        && (2..=5).contains(&digits)
        && port
            .get(digits)
            .is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b':')
        && text
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// Without the punctuation around it: `#3` is a mark and a number, `done...` ends a sentence.
fn trim(line: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end {
        let byte = line[start];
        // A sign belongs to its number, a slash to its path.
        let sign = matches!(byte, b'-' | b'+')
            && line.get(start + 1).is_some_and(u8::is_ascii_digit)
            || matches!(byte, b'/' | b'\\' | b'~') && end - start > 1
            || byte == b'.'
                && line
                    .get(start + 1)
                    .is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'/')
            || byte == b'_';
        if sign || CLASS[usize::from(byte)] & (LETTER | DIGIT) != 0 {
            break;
        }
        start += 1;
    }
    while end > start {
        let byte = line[end - 1];
        if CLASS[usize::from(byte)] & (LETTER | DIGIT) != 0
            || matches!(byte, b'/' | b'\\' | b'_') && end - start > 1
            || byte == b'*' && end - start > 1 && line[end - 2] == b'/'
        {
            break;
        }
        end -= 1;
    }
    (start, end)
}

fn is_path(text: &[u8], seen: u8) -> bool {
    if text.len() < 2 {
        return false;
    }
    let slashes = text.iter().filter(|b| matches!(b, b'/' | b'\\')).count();
    match text[0] {
        b'/' => true,
        b'~' | b'.' => slashes > 0,
        _ if text.starts_with(b"HTTP/") => false,
        _ => {
            seen & DIGIT != 0 && (slashes > 1 || seen & DOT != 0)
                || slashes > 2
                || text.iter().filter(|b| **b == b'.').count() > 2
        }
    }
}

/// A host name: lower-case labels, at least two dots, ending in a word; not a package name.
fn is_host(text: &[u8], seen: u8) -> bool {
    if seen & DOT == 0 || seen & SLASH != 0 || text.iter().filter(|b| **b == b'.').count() < 2 {
        return false;
    }
    let mut labels = text.split(|b| *b == b'.');
    let first = labels.next().unwrap_or_default();
    let last = text.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let package = matches!(
        first,
        b"org"
            | b"com"
            | b"java"
            | b"javax"
            | b"io"
            | b"net"
            | b"sun"
            | b"jdk"
            | b"scala"
            | b"kotlin"
            | b"edu"
            | b"gov"
            | b"dev"
            | b"de"
            | b"cn"
    );
    !package
        && (2..=6).contains(&last.len())
        && last.iter().all(u8::is_ascii_lowercase)
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && (first.contains(&b'-') || !text.iter().any(u8::is_ascii_uppercase))
        && (seen & DIGIT != 0
            || matches!(
                last,
                b"com"
                    | b"net"
                    | b"org"
                    | b"edu"
                    | b"gov"
                    | b"io"
                    | b"local"
                    | b"internal"
                    | b"lan"
                    | b"arpa"
                    | b"info"
                    | b"biz"
                    | b"mil"
                    | b"dev"
                    | b"cloud"
            )
            || last.len() == 2)
}

fn is_mail(text: &[u8]) -> bool {
    let mut halves = text.splitn(2, |b| *b == b'@');
    let (Some(user), Some(host)) = (halves.next(), halves.next()) else {
        return false;
    };
    !user.is_empty()
        && host.contains(&b'.')
        && host
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && host.last().is_some_and(u8::is_ascii_lowercase)
}

/// Digits with marks of numbers between, and at most a short unit behind: `-3.5e-7`, `64172MB`.
fn is_number(text: &[u8]) -> bool {
    let first = usize::from(matches!(text[0], b'-' | b'+' | b'.'));
    if !text.get(first).is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let digits = text[first..]
        .iter()
        .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'/' | b'+' | b'_'))
        .count();
    let unit = &text[first + digits..];
    let letters = unit.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let exponent = letters == 1
        && matches!(unit[0], b'e' | b'E')
        && unit[1..]
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+'));
    (unit.len() <= 3 && letters == unit.len() || exponent || unit == b"\xc2\xb5s") && !is_name(text)
}

/// `0x…`, or at least six hex digits (dashes allowed, as in a UUID) with a digit among them.
fn is_hex(text: &[u8]) -> bool {
    if let Some(digits) = text
        .strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
    {
        return digits.iter().all(u8::is_ascii_hexdigit);
    }
    text.len() >= 6
        && text.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
        && text.iter().any(u8::is_ascii_digit)
}

fn is_name(text: &[u8]) -> bool {
    text.len() <= 8
        && NAMES_WITH_DIGITS
            .iter()
            .any(|name| name.as_bytes().eq_ignore_ascii_case(text))
}

/// Splits at `.`, `-`, `@`, `#`, `$`, `%`, `&`, `+`, `/` and judges each piece.
///
/// A leading word stays (`core.2275` is `core.` and a number); otherwise the chunk is one variable
/// when half of its pieces are (`R02-M1-N0-C`).
fn pieces(line: &[u8], start: usize, end: usize, report: &mut impl FnMut(usize, usize, bool)) {
    let splits = |at: usize| {
        matches!(
            line[at],
            b'.' | b'-' | b'@' | b'#' | b'$' | b'%' | b'&' | b'+' | b'/' | b'*'
        ) && (at == start || line[at - 1] != b'_')
    };
    let (mut variable, mut all) = (0usize, 0usize);
    let mut leading_word = None;
    each_piece(start, end, splits, &mut |from, to| {
        all += 1;
        let is_variable = piece(&line[from..to]);
        variable += usize::from(is_variable);
        if all == 1 && !is_variable && to - from > 1 {
            leading_word = Some(to);
        }
    });
    if variable == 0 {
        return report(start, end, false);
    }
    if variable == all {
        return report(start, end, true);
    }
    if variable * 2 >= all && leading_word.is_none() {
        return report(start, end, true);
    }
    // `mesh-worker-07`: a machine of a group.
    let machine = variable == 1
        && all > 2
        && line[end - 1].is_ascii_digit()
        && line[start..end]
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if machine {
        return report(start, end, true);
    }
    if let Some(word_end) = leading_word
        && variable * 2 >= all - 1
    {
        report(start, word_end, false);
        let mut from = word_end;
        while from < end && splits(from) {
            from += 1;
        }
        return report(from, end, true);
    }
    // Runs of literal pieces stay one word.
    let mut word: Option<(usize, usize)> = None;
    each_piece(start, end, splits, &mut |from, to| {
        if piece(&line[from..to]) {
            if let Some((from, to)) = word.take() {
                report(from, to, false);
            }
            report(from, to, true);
        } else {
            word = Some((word.map_or(from, |(from, _)| from), to));
        }
    });
    if let Some((from, to)) = word {
        report(from, to, false);
    }
}

fn each_piece(
    start: usize,
    end: usize,
    splits: impl Fn(usize) -> bool,
    visit: &mut impl FnMut(usize, usize),
) {
    let mut from = start;
    for at in start..end {
        if splits(at) {
            if at > from {
                visit(from, at);
            }
            from = at + 1;
        }
    }
    if end > from {
        visit(from, end);
    }
}

/// Whether a piece of letters, digits and underscores is a value.
fn piece(text: &[u8]) -> bool {
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    if is_name(text) {
        return false;
    }
    if digits >= 4 || digits == text.len() || is_hex(text) || is_number(text) {
        return true;
    }
    // `v2`, `V10`.
    if text.len() == digits + 1 && matches!(text[0], b'v' | b'V') {
        return false;
    }
    // `task_12_m`: a number set off by underscores.
    if text
        .split(|b| *b == b'_')
        .any(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
    {
        return true;
    }
    // `eth0`, `en1`: the name of a device.
    if digits == 1 && (text.len() > 2 || text[0].is_ascii_lowercase()) {
        return false;
    }
    if text.iter().any(u8::is_ascii_uppercase) {
        digits * 2 >= text.len()
    } else {
        digits * 10 > text.len() * 3
    }
}

/// `2026-11-21`, `21/11/2026`, `20261121`.
pub(super) fn is_date(text: &[u8]) -> bool {
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    (6..=8).contains(&digits)
        && text.len() >= 8
        && text.len() <= 10
        && (text.len() == digits
            || text
                .iter()
                .filter(|b| matches!(b, b'-' | b'/' | b'.'))
                .count()
                == 2)
        && text
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b'.'))
}

/// Accounts that every system has: whoever is named where they could be named is a variable.
const ACCOUNTS: [&str; 6] = [
    "root",
    "admin",
    "administrator",
    "guest",
    "nobody",
    "anonymous",
];

/// Words before an account's name.
const BEFORE_ACCOUNT: [&str; 9] = [
    "user", "username", "login", "account", "for", "by", "ruser", "uname", "owner",
];

/// Words between which and a name `user` stands: `session opened for user ana`.
const BEFORE_USER: [&str; 6] = ["for", "invalid", "illegal", "unknown", "as", "of"];

/// What only the words around a token tell: accounts, and the protocol behind a request's path.
pub(super) fn look_around(message: &str, tokens: &mut Vec<Token>) {
    let bytes = message.as_bytes();
    // `(root) CMD …`
    if let Some(first) = tokens.first_mut()
        && bytes.starts_with(b"(")
        && bytes.get(first.end as usize) == Some(&b')')
        && ACCOUNTS.contains(&first.text(message))
    {
        first.variable = true;
    }
    let mut at = 1;
    while at < tokens.len() {
        let (before, token) = (tokens[at - 1], tokens[at]);
        let gap = &bytes[before.end as usize..token.start as usize];
        if token.variable || !matches!(gap, [b' ' | b'=' | b','] | [b' ', b'\'']) {
            at += 1;
            continue;
        }
        // Words with commas and no spaces, where a value begins, are a list: `owners: ana,bruno`.
        if gap == b"," {
            let next = bytes.get(token.end as usize);
            let opening = bytes[..before.start as usize].trim_ascii_end().last();
            if !before.variable
                && matches!(opening, Some(b':' | b'=' | b'[' | b'(' | b'"'))
                && !matches!(next, Some(b'=' | b':' | b'('))
            {
                tokens[at - 1].end = token.end;
                tokens[at - 1].variable = true;
                tokens.remove(at);
            } else {
                at += 1;
            }
            continue;
        }
        if before.variable
            && gap == b" "
            && is_unit(token.text(message))
            && fold_quantity(bytes, message, tokens, at - 1)
        {
            continue;
        }
        if before.variable && gap == b" " && token.text(message).starts_with("HTTP/") {
            tokens[at - 1].end = token.end;
            tokens.remove(at);
            continue;
        }
        if !before.variable {
            let previous = before.text(message);
            let is = |words: &[&str], word: &str| {
                words.iter().any(|known| known.eq_ignore_ascii_case(word))
            };
            let length = token.end - token.start;
            let account = (4..=13).contains(&length)
                && is(&ACCOUNTS, token.text(message))
                && is(&BEFORE_ACCOUNT, previous);
            let user = gap == b" "
                && previous == "user"
                && at > 1
                && is(&BEFORE_USER, tokens[at - 2].text(message))
                && bytes[tokens[at - 2].end as usize..before.start as usize] == *b" ";
            if account || user {
                tokens[at].variable = true;
            }
        }
        at += 1;
    }
}

/// Makes one variable of three or more in square brackets: how many there are varies too.
pub(super) fn fold_lists(message: &str, tokens: &mut Vec<Token>) {
    let bytes = message.as_bytes();
    let mut first = 0;
    while first < tokens.len() {
        let mut last = first;
        let start = tokens[first].start as usize;
        if tokens[first].variable && start > 0 && bytes[start - 1] == b'[' {
            while let Some(next) = tokens.get(last + 1)
                && next.variable
                && &bytes[tokens[last].end as usize..next.start as usize] == b", "
            {
                last += 1;
            }
            if last >= first + 2 && bytes.get(tokens[last].end as usize) == Some(&b']') {
                tokens[first].end = tokens[last].end;
                tokens.drain(first + 1..=last);
            }
        }
        first += 1;
    }
}

/// Makes one variable of a quantity that is written in two ways, `1165 bytes (1.13 KB)`, or as a
/// bound, `<1 sec`; the number is at `at`, its unit behind it. Says whether it did.
fn fold_quantity(bytes: &[u8], message: &str, tokens: &mut Vec<Token>, at: usize) -> bool {
    let between = |left: &Token, right: &Token| &bytes[left.end as usize..right.start as usize];
    let (number, unit) = (tokens[at], tokens[at + 1]);
    let next = bytes.get(unit.end as usize);
    if number.start > 0 && bytes[number.start as usize - 1] == b'<' && next != Some(&b'>') {
        tokens[at].start -= 1;
        tokens[at].end = unit.end;
        tokens.remove(at + 1);
        return true;
    }
    if let Some([again, unit_again]) = tokens.get(at + 2..at + 4)
        && again.variable
        && between(&unit, again) == b" ("
        && between(again, unit_again) == b" "
        && is_unit(unit_again.text(message))
        && bytes.get(unit_again.end as usize) == Some(&b')')
    {
        tokens[at].end = unit_again.end + 1;
        tokens.drain(at + 1..at + 4);
        return true;
    }
    false
}

/// Makes one variable of a date written in words: `Sat Jun 11 03:28:22 2005`, `11 Jun 2005 03:28`.
pub(super) fn join_dates(message: &str, tokens: &mut Vec<Token>) {
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        if !token.variable && token.end - token.start == 3 && is_month(token.text(message)) {
            join_date(message, tokens, at);
        }
        at += 1;
    }
}

fn join_date(message: &str, tokens: &mut Vec<Token>, month: usize) {
    let near = |a: &Token, b: &Token| b.start - a.end <= 2;
    let (mut first, mut last) = (month, month);
    let mut has_time = false;
    while let Some(next) = tokens.get(last + 1)
        && next.variable
        && last - month < 3
        && near(&tokens[last], next)
    {
        has_time |= next.text(message).contains(':');
        last += 1;
    }
    if last == month || !has_time {
        return;
    }
    // `Sat Jun 11 03:28:22 CEST 2005`, as `date` and Java write it.
    if let Some([zone, year]) = tokens.get(last + 1..last + 3)
        && !zone.variable
        && (3..=5).contains(&(zone.end - zone.start))
        && zone.text(message).bytes().all(|b| b.is_ascii_uppercase())
        && year.variable
        && year.end - year.start == 4
        && near(&tokens[last], zone)
        && near(zone, year)
    {
        last += 2;
    }
    while first > 0
        && near(&tokens[first - 1], &tokens[first])
        && (is_weekday(tokens[first - 1].text(message))
            || tokens[first - 1].variable && tokens[first - 1].end - tokens[first - 1].start <= 2)
    {
        first -= 1;
    }
    tokens[first].end = tokens[last].end;
    tokens[first].variable = true;
    tokens.drain(first + 1..=last);
}

fn is_month(text: &str) -> bool {
    matches!(
        text,
        "Jan"
            | "Feb"
            | "Mar"
            | "Apr"
            | "May"
            | "Jun"
            | "Jul"
            | "Aug"
            | "Sep"
            | "Oct"
            | "Nov"
            | "Dec"
    )
}

fn is_weekday(text: &str) -> bool {
    matches!(text, "Mon" | "Tue" | "Wed" | "Thu" | "Fri" | "Sat" | "Sun")
}
