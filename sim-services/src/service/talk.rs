//! What a service has to say on an ordinary day, beside one line a request.

use std::time::Duration;

use crate::random::Dice;
use crate::topology::Level;

/// Of one kind of service.
#[derive(Debug)]
pub(super) struct Talk {
    /// In a route's or a queue's name.
    about: &'static str,
    pub(super) logger: &'static str,
    lines: &'static [Said],
}

/// `{id}`, `{n}` (a small number) and `{ms}` are filled in.
#[derive(Debug)]
struct Said {
    share: f64,
    level: Level,
    text: &'static str,
}

const fn said(share: f64, level: Level, text: &'static str) -> Said {
    Said { share, level, text }
}

/// The first whose `about` is in the service's or the route's name speaks.
static TALKS: &[Talk] = &[
    Talk {
        about: "/stock",
        logger: "StockService",
        lines: &[
            said(0.02, Level::Warn, "stock level low for item {id}, {n} left"),
            said(
                0.05,
                Level::Info,
                "stock of item {id} read from replica {n}",
            ),
            said(0.3, Level::Debug, "item {id} looked up in {ms} ms"),
        ],
    },
    Talk {
        about: "cart",
        logger: "CartService",
        lines: &[
            said(0.1, Level::Info, "cart {id} has {n} items"),
            said(0.01, Level::Info, "cart {id} merged after login"),
            said(0.3, Level::Debug, "cart {id} loaded in {ms} ms"),
        ],
    },
    Talk {
        about: "/payments",
        logger: "PaymentService",
        lines: &[
            said(0.3, Level::Info, "payment {id} authorised by acquirer"),
            said(0.02, Level::Info, "payment {id} needs a second factor"),
            said(0.2, Level::Debug, "risk score of payment {id} is {n}"),
        ],
    },
    Talk {
        about: "checkout",
        logger: "CheckoutService",
        lines: &[
            said(0.3, Level::Info, "checkout of cart {id} complete"),
            said(0.05, Level::Info, "voucher applied to cart {id}"),
        ],
    },
    Talk {
        about: "/orders",
        logger: "OrderService",
        lines: &[
            said(0.2, Level::Info, "order {id} is in state {n}"),
            said(0.2, Level::Debug, "order {id} mapped in {ms} ms"),
        ],
    },
    Talk {
        about: "Catalog",
        logger: "CatalogServer",
        lines: &[
            said(0.03, Level::Info, "price of product {id} refreshed"),
            said(0.2, Level::Debug, "product {id} assembled in {ms} ms"),
        ],
    },
    Talk {
        about: "search",
        logger: "Searcher",
        lines: &[
            said(0.05, Level::Info, "search returned {n} hits in {ms} ms"),
            said(
                0.01,
                Level::Warn,
                "search without hits, tried {n} spellings",
            ),
        ],
    },
    Talk {
        about: "recommend",
        logger: "Recommender",
        lines: &[
            said(0.05, Level::Info, "ranked {n} candidates in {ms} ms"),
            said(
                0.01,
                Level::Info,
                "no profile for visitor {id}, using bestsellers",
            ),
        ],
    },
    Talk {
        about: "order-events",
        logger: "ParcelPlanner",
        lines: &[
            said(
                0.3,
                Level::Info,
                "parcel for order {id} handed to carrier {n}",
            ),
            said(0.02, Level::Warn, "address of order {id} is ambiguous"),
        ],
    },
    Talk {
        about: "parcel-events",
        logger: "Mailer",
        lines: &[
            said(0.3, Level::Info, "mail for parcel {id} queued"),
            said(0.02, Level::Warn, "mailbox of parcel {id} is full"),
        ],
    },
    Talk {
        about: "/parcels",
        logger: "ParcelService",
        lines: &[said(0.1, Level::Info, "parcel {id} is at hub {n}")],
    },
    Talk {
        about: "Ledger",
        logger: "Ledger",
        lines: &[
            said(0.1, Level::Info, "posted entry to account {id} in {ms} ms"),
            said(0.01, Level::Info, "journal rotated after {n} segments"),
        ],
    },
    Talk {
        about: "/statements",
        logger: "StatementRenderer",
        lines: &[said(
            0.2,
            Level::Info,
            "statement {id} rendered with {n} pages",
        )],
    },
    Talk {
        about: "/cgi-bin",
        logger: "BOOK",
        lines: &[
            said(0.2, Level::Info, "BOOK01I ENTRY {id} BOOKED SEGMENT {n}"),
            said(0.01, Level::Warn, "BOOK07W SPOOL {n} NEARLY FULL"),
        ],
    },
    Talk {
        about: "",
        logger: "Application",
        lines: &[said(0.02, Level::Debug, "request about {id} took {ms} ms")],
    },
];

pub(super) fn of(service: &str, route: &str) -> &'static Talk {
    let fits = |talk: &&Talk| route.contains(talk.about) || service.contains(talk.about);
    TALKS.iter().find(fits).unwrap_or(quiet())
}

/// Of who passes on and knows nothing.
pub(super) fn quiet() -> &'static Talk {
    &TALKS[TALKS.len() - 1]
}

impl Talk {
    /// Perhaps something about a request that is done.
    pub(super) fn line(
        &self,
        id: &str,
        took: Duration,
        wants: impl Fn(Level) -> bool,
        dice: &mut Dice,
    ) -> Option<(Level, String)> {
        // One draw whatever is wanted: a louder level must not change what else happens.
        let mut left = dice.unit();
        let said = self.lines.iter().find(|said| {
            left -= said.share;
            left < 0.0
        })?;
        let number = dice.between(1, 9);
        wants(said.level).then(|| {
            let text = said
                .text
                .replace("{id}", id)
                .replace("{n}", &number.to_string())
                .replace("{ms}", &took.as_millis().to_string());
            (said.level, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn shares_leave_room_for_silence() {
        for talk in TALKS {
            let all: f64 = talk.lines.iter().map(|said| said.share).sum();
            assert!(all < 0.6, "{}", talk.logger);
        }
    }

    #[test]
    fn services_of_the_shop_speak_of_their_own_matters() {
        let shop = Topology::shop();
        for (name, service) in &shop.services {
            for route in service.routes.keys() {
                let talk = of(name, route);
                let spoken = !talk.about.is_empty();
                assert!(
                    spoken || ["edge", "web"].contains(&name.as_str()),
                    "{route}"
                );
            }
        }
        let mut dice = Dice::new(1, "talk");
        let lines: Vec<_> = (0..1000)
            .filter_map(|_| {
                let cart = of("cart", "GET /cart/{id}");
                cart.line(
                    "4711",
                    Duration::from_millis(3),
                    |level| level > Level::Debug,
                    &mut dice,
                )
            })
            .collect();
        assert!((60..200).contains(&lines.len()), "{}", lines.len());
        assert!(lines.iter().all(|(_, text)| text.starts_with("cart 4711 ")));
    }
}
