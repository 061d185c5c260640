//! Who may write and read: bearer tokens.
//!
//! On a loopback address nothing is asked unless tokens are given; on any other address tokens are
//! required, and the monitor refuses to start without one.

use std::fmt;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::reply::{Failure, Style};

/// Decides whether a request may pass. Cloning is cheap.
#[derive(Clone)]
pub struct Auth {
    /// Empty: everyone may.
    tokens: Arc<[String]>,
}

/// The configuration would leave the door open, or nobody could ever open it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthConfigError {
    #[error(
        "refusing to listen on {bind} without a token, because anyone who can reach it could read \
         and write logs: set one with --token-file FILE or CROSSWATCH_TOKEN, or listen on a \
         loopback address such as 127.0.0.1:{}", bind.port()
    )]
    TokenRequired { bind: SocketAddr },
    #[error(
        "token {number} is empty or has blanks or characters outside of ASCII, which no \
         Authorization header can carry"
    )]
    UnusableToken { number: usize },
}

impl Auth {
    /// Everyone may. For tests and for wiring that has decided otherwise.
    pub fn open() -> Auth {
        Auth {
            tokens: Arc::new([]),
        }
    }

    /// What an address needs: nothing on loopback, a token elsewhere; given tokens always count.
    ///
    /// # Errors
    ///
    /// A sentence for the person who configured it.
    pub fn decide(bind: SocketAddr, tokens: Vec<String>) -> Result<Auth, AuthConfigError> {
        let usable =
            |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(index) = tokens.iter().position(|token| !usable(token)) {
            return Err(AuthConfigError::UnusableToken { number: index + 1 });
        }
        if tokens.is_empty() && !bind.ip().to_canonical().is_loopback() {
            return Err(AuthConfigError::TokenRequired { bind });
        }
        Ok(Auth {
            tokens: tokens.into(),
        })
    }

    /// Puts the check in front of every route of `router`.
    pub fn protect(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, guard))
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let Some(given) = headers.get(AUTHORIZATION) else {
            return Err(Failure::Unauthenticated(
                "a token is needed: send the header `Authorization: Bearer TOKEN`",
            ));
        };
        let bytes = given.as_bytes();
        let token = match bytes.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => {
                return Err(Failure::Unauthenticated(
                    "the Authorization header is not of the form `Bearer TOKEN`",
                ));
            }
        };
        let token = token.trim_ascii();
        // Every token is compared, so that the time taken does not say which one came close.
        let mut found = false;
        for known in self.tokens.iter() {
            found |= black_box(equal_in_constant_time(known.as_bytes(), token));
        }
        if found {
            Ok(())
        } else {
            Err(Failure::Unauthenticated("the token is not known here"))
        }
    }
}

/// Says whether tokens are set, never which.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("tokens", &self.tokens.len())
            .finish()
    }
}

/// Takes as long for tokens that differ in the first byte as for those that differ in the last.
/// The length is not a secret.
fn equal_in_constant_time(known: &[u8], given: &[u8]) -> bool {
    let mut difference = u8::from(known.len() != given.len());
    for (index, byte) in given.iter().enumerate() {
        let known = known.get(index % known.len().max(1)).copied().unwrap_or(0);
        difference |= black_box(known ^ byte);
    }
    black_box(difference) == 0
}

/// The middleware; refuses in the form the request's protocol expects.
pub(super) async fn guard(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    match auth.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.respond(Style::of(request.headers())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(bind: &str, tokens: &[&str]) -> Result<Auth, AuthConfigError> {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        Auth::decide(bind.parse().unwrap(), tokens)
    }

    #[test]
    fn loopback_is_open_and_everything_else_needs_a_token() {
        for bind in [
            "127.0.0.1:4317",
            "127.9.9.9:1",
            "[::1]:4317",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(decide(bind, &[]).is_ok(), "{bind}");
        }
        for bind in ["0.0.0.0:4317", "[::]:4317", "10.0.0.7:4317"] {
            let error = decide(bind, &[]).unwrap_err().to_string();
            assert!(
                error.contains(bind) && error.contains("CROSSWATCH_TOKEN"),
                "{error}"
            );
            assert!(decide(bind, &["s3cret"]).is_ok(), "{bind}");
        }
    }

    #[test]
    fn tokens_that_cannot_be_sent_are_refused_at_the_start() {
        for token in ["", "two words", "tab\t", "schlüssel"] {
            assert_eq!(
                decide("127.0.0.1:1", &["fine", token]).unwrap_err(),
                AuthConfigError::UnusableToken { number: 2 }
            );
        }
    }

    #[test]
    fn the_header_is_read_as_rfc_6750_writes_it() {
        let auth = decide("0.0.0.0:1", &["first", "second"]).unwrap();
        let passes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            auth.check(&headers).is_ok()
        };
        assert!(passes("Bearer first") && passes("bearer second") && passes("BEARER  second"));
        for value in [
            "Bearer",
            "Bearer ",
            "first",
            "Basic first",
            "Bearer firs",
            "Bearer firstf",
        ] {
            assert!(!passes(value), "{value}");
        }
        assert!(auth.check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn tokens_are_never_printed() {
        let auth = decide("0.0.0.0:1", &["hunter2"]).unwrap();
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
