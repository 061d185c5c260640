//! What is different between two statuses: something that happened, or numbers that moved.
//!
//! What happened is written at once. Numbers move all the time: they are written now and then, so
//! that a thousand workloads at rest cost the API server next to nothing.

use crds::MonitoredApiStatus;
use crds::monitored_api::RouteStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    None,
    /// Only numbers, and words that hold numbers.
    Numbers,
    /// Only whether the monitor answers: true of all resources at the same moment.
    Standing,
    Substance,
}

pub(crate) fn difference(old: &MonitoredApiStatus, new: &MonitoredApiStatus) -> Difference {
    if old == new {
        return Difference::None;
    }
    let (old, new) = (without_numbers(old), without_numbers(new));
    if old == new {
        return Difference::Numbers;
    }
    if without_standing(old) == without_standing(new) {
        return Difference::Standing;
    }
    Difference::Substance
}

fn without_numbers(status: &MonitoredApiStatus) -> MonitoredApiStatus {
    let mut status = status.clone();
    status.score = None;
    status.baseline = None;
    status.rate = None;
    status.error_percent = None;
    status.p99 = None;
    status.last_log = None;
    // A sentence about numbers moves with them; what it is about is in the conditions.
    status.reason = None;
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    for condition in status.bindings.iter_mut().flat_map(|it| &mut it.conditions) {
        condition.message.clear();
    }
    // Which five are the worst changes with numbers as well, but for those in trouble.
    let calm = |route: &RouteStatus| matches!(&*route.state, "ok" | "learning" | "paused");
    status.routes.retain(|route| !calm(route));
    status
        .routes
        .sort_by(|a, b| (&a.route, &a.environment).cmp(&(&b.route, &b.environment)));
    for route in &mut status.routes {
        *route = RouteStatus {
            route: std::mem::take(&mut route.route),
            environment: route.environment.take(),
            state: std::mem::take(&mut route.state),
            ..RouteStatus::default()
        };
    }
    status
}

fn without_standing(mut status: MonitoredApiStatus) -> MonitoredApiStatus {
    status.bindings.clear();
    status.conditions.retain(|it| it.type_ != "Ready");
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::monitored_api::{Binding, BindingCondition, PodCounts};

    #[test]
    fn numbers_move_and_states_happen() {
        let old = MonitoredApiStatus {
            state: Some("ok".to_owned()),
            score: Some("0.4".to_owned()),
            pods: Some(PodCounts { total: 3, ready: 3 }),
            ..MonitoredApiStatus::default()
        };
        let with = |change: &dyn Fn(&mut MonitoredApiStatus)| {
            let mut new = old.clone();
            change(&mut new);
            difference(&old, &new)
        };
        assert_eq!(with(&|_| ()), Difference::None);
        assert_eq!(
            with(&|it| it.score = Some("0.5".into())),
            Difference::Numbers
        );
        assert_eq!(
            with(&|it| it.reason = Some("p99 is 3 s".into())),
            Difference::Numbers
        );
        assert_eq!(
            with(&|it| it.state = Some("silent".into())),
            Difference::Substance
        );
        assert_eq!(with(&|it| it.pods = None), Difference::Substance);
        let away = Binding {
            name: "http://monitor".into(),
            conditions: vec![BindingCondition::default()],
        };
        assert_eq!(
            with(&|it| it.bindings = vec![away.clone()]),
            Difference::Standing
        );
        let calm = RouteStatus {
            route: "GET /a".into(),
            state: "ok".into(),
            ..Default::default()
        };
        assert_eq!(
            with(&|it| it.routes = vec![calm.clone()]),
            Difference::Numbers
        );
        let bad = RouteStatus {
            state: "anomalous".into(),
            ..calm.clone()
        };
        assert_eq!(
            with(&|it| it.routes = vec![bad.clone()]),
            Difference::Substance
        );
    }
}
