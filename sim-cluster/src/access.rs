//! Who asks, and what they may: users, bearer tokens, and role-based access control.

pub mod rbac;
mod roles;
mod tokens;

pub(crate) use roles::populate;
pub(crate) use tokens::{Issued, Tokens};

use serde_json::{Value, json};

/// Somebody as the API knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub groups: Vec<String>,
}

impl User {
    /// With the groups that its name implies: every user but the anonymous one is authenticated, and
    /// service accounts are in the groups of all of them and of those of their namespace.
    pub fn named(name: &str) -> User {
        let mut groups = Vec::new();
        if let Some(rest) = name.strip_prefix("system:serviceaccount:") {
            groups.push("system:serviceaccounts".to_owned());
            if let Some((namespace, _)) = rest.split_once(':') {
                groups.push(format!("system:serviceaccounts:{namespace}"));
            }
        }
        if name.starts_with("system:node:") {
            groups.push("system:nodes".to_owned());
        }
        groups.push("system:authenticated".to_owned());
        User {
            name: name.to_owned(),
            groups,
        }
    }

    /// Who may do everything.
    pub fn admin() -> User {
        User {
            name: "kubernetes-admin".to_owned(),
            groups: vec![
                "system:masters".to_owned(),
                "system:authenticated".to_owned(),
            ],
        }
    }

    pub fn anonymous() -> User {
        User {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
        }
    }

    /// `userInfo` of reviews.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "username": self.name, "groups": self.groups })
    }
}
