//! What a single line looks like, and what a stack trace under way expects next.

/// Shapes of lines, as far as joining cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Blank,
    /// Begins a record: a timestamp or a level is at its start.
    Start,
    /// Begins a record and is all of it.
    Whole,
    /// Begins with white space.
    Indented,
    /// Not indented, yet cannot stand alone: `Caused by:`, `goroutine 7 [running]:`, `}`.
    Continuation,
    /// `java.lang.IllegalStateException: closed`, `TypeError: x is not a function`.
    Exception,
    Plain,
}

/// Stack traces with lines that only make sense within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    None,
    /// Indented frames came; in Python one line with the exception follows them.
    PythonFrames,
    /// Frames come as `package.function(…)` and `\t/file.go:12`.
    Go,
    /// `thread 'main' panicked at src/main.rs:2:5:` was the last line; the message is the next.
    RustMessage,
    /// Frames come as `#0 /app/index.php(3): run()`.
    Php,
    /// Some other trace: exceptions belong to it.
    Other,
}

impl Trace {
    /// The state after `line` became part of the record.
    pub(super) fn after(self, line: &str, kind: LineKind) -> Trace {
        match kind {
            LineKind::Continuation if line.starts_with("Traceback (most") => Trace::PythonFrames,
            LineKind::Continuation if line.starts_with("goroutine ") => Trace::Go,
            LineKind::Continuation if line == "Stack trace:" => Trace::Php,
            LineKind::Plain if self == Trace::PythonFrames => Trace::Other,
            LineKind::Plain if self == Trace::RustMessage => Trace::Other,
            LineKind::Exception if self == Trace::PythonFrames => Trace::Other,
            LineKind::Plain | LineKind::Start if is_rust_panic(line) => Trace::RustMessage,
            LineKind::Exception => Trace::Other,
            _ => self,
        }
    }

    /// Whether a line that says nothing by itself is expected here.
    pub(super) fn expects(self, line: &str, after_blank: bool) -> bool {
        match self {
            Trace::PythonFrames | Trace::RustMessage => !after_blank,
            Trace::Go => is_go_frame(line),
            Trace::Php => is_php_frame(line),
            Trace::None | Trace::Other => false,
        }
    }
}

pub(super) fn classify(line: &str) -> LineKind {
    let trimmed = line.trim_start();
    let bytes = trimmed.as_bytes();
    let Some(first) = bytes.first() else {
        return LineKind::Blank;
    };
    let indented = trimmed.len() < line.len();
    if starts_with_time(bytes) {
        return LineKind::Start;
    }
    if indented {
        return LineKind::Indented;
    }
    match first {
        b'{' if bytes.len() > 1 => LineKind::Whole,
        b'{' => LineKind::Start,
        b'}' | b']' | b')' if bytes.len() <= 3 => LineKind::Continuation,
        _ if starts_with_level(trimmed) || starts_with_pair(trimmed) => LineKind::Start,
        _ if is_access_log(trimmed) => LineKind::Whole,
        _ if is_continuation(trimmed) => LineKind::Continuation,
        _ if is_exception(trimmed) => LineKind::Exception,
        _ => LineKind::Plain,
    }
}

/// Whether a record that begins so has a level at which nobody logs exceptions.
pub(super) fn is_quiet(line: &str) -> bool {
    let head = &line[..line.floor_char_boundary(100)];
    let dotnet = ["info:", "dbug:", "trce:"];
    if dotnet.iter().any(|level| line.starts_with(level)) {
        return true;
    }
    [
        "INFO",
        "DEBUG",
        "TRACE",
        "[info",
        "[debug",
        "level=info",
        "level=debug",
    ]
    .iter()
    .any(|level| head.contains(level))
}

/// `9` stands for a digit, `A` for a letter, `_` for a blank; everything else for itself.
fn fits(pattern: &[u8], bytes: &[u8]) -> bool {
    bytes.len() >= pattern.len()
        && pattern.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphabetic(),
            b'_' => *byte == b' ',
            literal => literal == byte,
        })
}

/// Beginnings of timestamps, whatever follows.
const TIMES: &[&[u8]] = &[
    b"9999-99-99",
    b"9999/99/99",
    b"9999.99.99",
    b"99:99:99",
    b"99/AAA/9999",
    b"99-AAA-9999",
    b"99_AAA_9999",
    b"99/99/9999",
    b"99.99.9999",
    b"99-99-9999",
    b"99/99/99_",
    b"99-99_99:99",
    b"AAA__9_99:99:99",
    b"AAA_99_99:99:99",
    b"AAA_9_99:99:99",
    b"AAA_99,_9999",
    b"AAA,_99_AAA",
    b"AAA_AAA_99_99:99",
    b"AAA_AAA__9_99:99",
    b"AAA_AAA_9_99:99",
    b"A9999_99:99:99",
    b"99999999T999999",
    b"999999_99:99:99",
    b"9999999999.9",
    b"9999999999_",
    b"9999999999999_",
];

fn starts_with_time(bytes: &[u8]) -> bool {
    // A syslog priority, then brackets or quotes around the time.
    let bytes = match bytes {
        [b'<', rest @ ..] => match rest.iter().take(4).position(|byte| *byte == b'>') {
            Some(close) if close > 0 && rest[..close].iter().all(u8::is_ascii_digit) => {
                return true;
            }
            _ => return false,
        },
        [b'[' | b'(' | b'"', rest @ ..] => rest,
        whole => whole,
    };
    // No pattern begins with anything else.
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && TIMES.iter().any(|pattern| fits(pattern, bytes))
}

/// Levels as loggers write them: capitals, or anything within brackets.
const LEVELS: &[&str] = &[
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "ERR", "SEVERE", "FATAL",
    "CRITICAL", "CRIT", "ALERT", "EMERG", "FINE", "CONFIG", "PANIC",
];
/// .NET's console logger, which continues on indented lines.
const DOTNET: &[&str] = &["trce:", "dbug:", "info:", "warn:", "fail:", "crit:"];

fn starts_with_level(line: &str) -> bool {
    if DOTNET.iter().any(|level| line.starts_with(level)) {
        return true;
    }
    let (word, bracketed) = match line.strip_prefix(['[', '(', '<']) {
        Some(rest) => (rest.trim_start(), true),
        None => (line, false),
    };
    let end = word
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(word.len());
    let (word, rest) = word.split_at(end);
    let separated = rest.starts_with([' ', ':', ']', ')', '>', '|', ',', '\t', '[']);
    if bracketed {
        LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
    } else {
        separated && LEVELS.contains(&word)
    }
}

/// logfmt, whose first key is nearly always the time or the level.
fn starts_with_pair(line: &str) -> bool {
    [
        "time=",
        "ts=",
        "t=",
        "timestamp=",
        "level=",
        "lvl=",
        "severity=",
    ]
    .iter()
    .any(|key| line.starts_with(key))
}

/// `203.0.113.9 - - [21/Nov/2026:10:05:00 +0000] "GET …`
fn is_access_log(line: &str) -> bool {
    let Some((head, rest)) = line.split_once(" [") else {
        return false;
    };
    head.len() < 200 && head.split(' ').count() >= 3 && fits(b"99/AAA/9999:", rest.as_bytes())
}

fn is_continuation(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        // Java, Kotlin, Scala.
        "Caused by: ",
        "Suppressed: ",
        "Wrapped by: ",
        "at ",
        // .NET.
        "--- End of ",
        "---> ",
        // Python.
        "Traceback (most recent call last)",
        "During handling of the above exception",
        "The above exception was the direct cause",
        // Go.
        "created by ",
        "[signal ",
        "[recovered]",
        "exit status ",
        // Rust.
        "stack backtrace:",
        "note: ",
        // PHP.
        "Stack trace:",
    ];
    BEGINNINGS.iter().any(|start| line.starts_with(start))
        || is_java_omission(line)
        || is_goroutine(line)
        || is_ruby_frame(line)
}

/// `... 12 more`
fn is_java_omission(line: &str) -> bool {
    line.strip_prefix("... ")
        .and_then(|rest| rest.split_once(' '))
        .is_some_and(|(count, _)| count.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `goroutine 19 [running]:`
fn is_goroutine(line: &str) -> bool {
    line.strip_prefix("goroutine ")
        .and_then(|rest| rest.split_once(" ["))
        .is_some_and(|(id, _)| id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `app/models/cart.rb:10:in 'Cart#total'`; but not the line that names the error itself.
fn is_ruby_frame(line: &str) -> bool {
    line.split_once(".rb:").is_some_and(|(path, rest)| {
        !path.contains(' ') && rest.contains(":in ") && !rest.ends_with(')')
    })
}

/// A qualified name that ends in `Exception`, `Error` or the like, then a colon or nothing.
fn is_exception(line: &str) -> bool {
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$')))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let named = ["Exception", "Error", "Throwable", "Interrupt", "Exit"]
        .iter()
        .any(|suffix| name.ends_with(suffix));
    named && (rest.is_empty() || rest.starts_with(':') || rest.starts_with(" ["))
}

/// `thread 'main' panicked at src/main.rs:2:5:`, the form that has the message on the next line.
fn is_rust_panic(line: &str) -> bool {
    line.contains("' panicked at ") && line.ends_with(':')
        || line.contains(") panicked at ") && line.ends_with(':')
}

/// `main.(*Server).run(0xc000010000, {0x1, 0x2})`, or a header between goroutines.
fn is_go_frame(line: &str) -> bool {
    line.ends_with(')') && line.contains('.') && line.contains('(')
        || line.starts_with("panic(")
        || line.starts_with("main.")
}

/// `#0 /app/index.php(3): run()`, `#1 {main}`
fn is_php_frame(line: &str) -> bool {
    line.strip_prefix('#')
        .and_then(|rest| rest.split_once(' '))
        .is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
}
