//! The figures as a page for a browser: nothing is loaded from anywhere.

use std::fmt::Write as _;

use super::{Bin, Report};

const SIZE: f64 = 360.0;
const MARGIN: f64 = 44.0;

/// The whole page.
pub fn html(report: &Report) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Crosswatch: failures foreseen</title><style>\
         body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:48rem;padding:0 1rem;\
         color:#1b2430;background:#fff}}\
         div{{display:flex;flex-wrap:wrap}}figure{{margin:0}}\
         pre{{background:#f4f6f8;padding:1rem;overflow:auto;border-radius:6px}}\
         svg text{{font:12px system-ui,sans-serif;fill:#4a5766}}\
         @media(prefers-color-scheme:dark){{body{{color:#dde3ea;background:#12161c}}\
         pre{{background:#1b212a}}svg text{{fill:#9aa7b5}}}}</style></head><body>\
         <h1>Failures foreseen</h1>\
         <p>Once a minute each Api, and each type of journeys, is given a chance of failing within {horizon} \
         minutes. Of all minutes with a chance of about so much, this share was followed by a failure; on \
         the line, chances are as true as they say. A larger circle stands for more minutes.</p>\
         <div><figure><figcaption>Apis</figcaption>{apis}</figure>\
         <figure><figcaption>Types of journeys</figcaption>{journeys}</figure></div>\
         <pre>{text}</pre></body></html>\n",
        horizon = report.failures.horizon_seconds / 60,
        apis = diagram("Apis", &report.failures.reliability),
        journeys = diagram("types of journeys", &report.journeys.reliability),
        text = escaped(&report.text()),
    )
}

/// The reliability diagram of what fails, as SVG.
pub fn diagram(what: &str, bins: &[Bin]) -> String {
    let inner = SIZE - 2.0 * MARGIN;
    let x = |share: f64| MARGIN + share.clamp(0.0, 1.0) * inner;
    let y = |share: f64| SIZE - MARGIN - share.clamp(0.0, 1.0) * inner;
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"Reliability diagram of {what}: chances said against shares that came\" \
         width=\"{SIZE}\" height=\"{SIZE}\" viewBox=\"0 0 {SIZE} {SIZE}\">"
    );
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        // Writing to a string does not fail.
        _ = write!(
            svg,
            "<line x1=\"{x0:.1}\" x2=\"{x1:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#8884\"/>\
             <text x=\"{left:.1}\" y=\"{label:.1}\" text-anchor=\"end\">{percent} %</text>\
             <text x=\"{below:.1}\" y=\"{bottom:.1}\" text-anchor=\"middle\">{percent} %</text>",
            x0 = x(0.0),
            x1 = x(1.0),
            at = y(share),
            left = MARGIN - 6.0,
            label = y(share) + 4.0,
            below = x(share),
            bottom = SIZE - MARGIN + 18.0,
            percent = tenth * 10,
        );
    }
    _ = write!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#888\" \
         stroke-dasharray=\"4 4\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">said</text><text x=\"4\" y=\"16\">came</text>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0),
        x(0.5),
        SIZE - 6.0,
    );
    let seen: Vec<&Bin> = bins.iter().filter(|bin| bin.judged > 0).collect();
    let points: Vec<String> = seen
        .iter()
        .map(|bin| format!("{:.1},{:.1}", x(bin.said), y(bin.came)))
        .collect();
    _ = write!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2f7bd6\" stroke-width=\"1.5\"/>",
        points.join(" ")
    );
    for bin in seen {
        // By the logarithm: most minutes are those without any sign.
        let radius = 2.0 + ((bin.judged as f64).ln_1p() * 2.0).sqrt();
        _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"#2f7bd6\"><title>said {:.1} %, \
             came {:.1} % of {}</title></circle>",
            x(bin.said),
            y(bin.came),
            bin.said * 100.0,
            bin.came * 100.0,
            bin.judged,
        );
    }
    svg + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bin_that_was_used_is_a_point() {
        let bin = |judged, said, came| Bin { judged, said, came };
        let svg = diagram(
            "Apis",
            &[bin(1_000, 0.02, 0.01), bin(0, 0.0, 0.0), bin(40, 0.85, 0.9)],
        );
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("said 85.0 %, came 90.0 % of 40"));
        // A chance of 0.85 is drawn at 44 + 0.85 × 272.
        assert!(svg.contains("cx=\"275.2\""), "{svg}");
    }
}
