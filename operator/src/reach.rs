//! How far a policy or a window reaches: whoever may write in one namespace decides for that one.

/// The namespaces that a resource in `own` is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every one, also those to come.
    All,
    Only(Vec<String>),
}

/// One in the operator's own namespace may name any; others reach their own.
///
/// # Errors
///
/// A sentence for people, when others are named without that right.
pub(crate) fn reach(own: &str, operators: &str, named: &[String]) -> Result<Reach, String> {
    if own == operators {
        return Ok(match named {
            [] => Reach::All,
            named => Reach::Only(named.to_vec()),
        });
    }
    let foreign: Vec<&str> = named
        .iter()
        .map(String::as_str)
        .filter(|it| *it != own)
        .collect();
    if foreign.is_empty() {
        return Ok(Reach::Only(vec![own.to_owned()]));
    }
    Err(format!(
        "it names {}, and reaches only its own namespace {own}; put it into {operators} to reach \
         others",
        foreign.join(", ")
    ))
}

impl Reach {
    pub(crate) fn includes(&self, namespace: &str) -> bool {
        match self {
            Reach::All => true,
            Reach::Only(namespaces) => namespaces.iter().any(|it| it == namespace),
        }
    }

    /// As the monitor wants it: nothing named is everything.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Reach::All => Vec::new(),
            Reach::Only(namespaces) => namespaces.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_decides_for_a_namespace_of_others() {
        let named = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let in_shop = |names: &[&str]| reach("shop", "crosswatch", &named(names));
        assert_eq!(in_shop(&[]), Ok(Reach::Only(named(&["shop"]))));
        assert_eq!(in_shop(&["shop"]), Ok(Reach::Only(named(&["shop"]))));
        expect_test::expect![
            "it names bank, and reaches only its own namespace shop; put it into crosswatch to reach others"
        ]
        .assert_eq(&in_shop(&["shop", "bank"]).unwrap_err());
        let central = |names: &[&str]| reach("crosswatch", "crosswatch", &named(names));
        assert_eq!(central(&[]), Ok(Reach::All));
        assert_eq!(central(&["bank"]), Ok(Reach::Only(named(&["bank"]))));
    }
}
