//! What a person says of types of journeys.

use monitor_api::JourneySettings;
use monitor_core::{JourneyTypeId, JourneyWish, Name};

use super::shorten;

/// Longer names are no names.
const LONGEST_NAME: usize = 200;

pub(super) fn understand(item: &JourneySettings) -> Result<JourneyWish, String> {
    let id = id("id", &item.id)?;
    let name = item.name.as_deref().map(str::trim);
    if name.is_some_and(|name| {
        name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control)
    }) {
        return Err(format!(
            "`name` is no name; write 1 to {LONGEST_NAME} bytes of visible text"
        ));
    }
    let same_as = (item.same_as.as_deref())
        .map(|other| self::id("same_as", other))
        .transpose()?;
    if same_as == Some(id) {
        return Err("`same_as` is the type itself".to_owned());
    }
    if name.is_none() && same_as.is_none() {
        return Err("it says nothing: set `name`, `same_as` or both".to_owned());
    }
    Ok(JourneyWish {
        id,
        name: name.map(Name::from),
        same_as,
    })
}

fn id(field: &str, text: &str) -> Result<JourneyTypeId, String> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.parse() {
        Ok(id) if is_id => Ok(id),
        _ => Err(format!(
            "`{field}` is `{}`, which is no type's id; write 16 hexadecimal digits, as \
             GET /api/v1/journeys/types tells them",
            shorten(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: &str, name: Option<&str>, same_as: Option<&str>) -> Result<JourneyWish, String> {
        understand(&JourneySettings {
            id: id.to_owned(),
            name: name.map(str::to_owned),
            same_as: same_as.map(str::to_owned),
        })
    }

    const ONE: &str = "00000000000000ab";

    #[test]
    fn a_type_has_a_name_and_may_be_a_part_of_another() {
        let wish = said(ONE, Some(" Buying "), Some("00000000000000cd"));
        let expected = JourneyWish {
            id: JourneyTypeId(0xab),
            name: Some("Buying".into()),
            same_as: Some(JourneyTypeId(0xcd)),
        };
        assert_eq!(wish, Ok(expected));
    }

    #[test]
    fn what_names_no_type_or_says_nothing_is_refused() {
        for (id, name, same_as) in [
            ("ab", Some("Buying"), None),
            ("+0000000000000ab", Some("Buying"), None),
            (ONE, None, None),
            (ONE, Some("  "), None),
            (ONE, Some("a\nb"), None),
            (ONE, None, Some(ONE)),
            (ONE, None, Some("Buying")),
        ] {
            assert!(
                said(id, name, same_as).is_err(),
                "{id} {name:?} {same_as:?}"
            );
        }
    }
}
