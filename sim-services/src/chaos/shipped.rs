//! The experiments that come with the project: one file a scenario, for the topology `shop`.

/// `(name, YAML)` of each, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    SHIPPED
}

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../../chaos/", $name, ".yaml"))),)*]
    };
}

const SHIPPED: &[(&str, &str)] = files!["demo",];
