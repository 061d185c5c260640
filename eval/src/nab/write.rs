//! Writes results in NAB's own format, so that its own tools can score them.

use std::fs;
use std::io;
use std::path::Path;

use super::read::Series;

/// `DIR/DETECTOR/CATEGORY/DETECTOR_FILE.csv`: timestamp, value, anomaly_score, label.
pub fn write(
    folder: &Path,
    detector: &str,
    series: &Series,
    scores: &[f64],
) -> Result<(), io::Error> {
    let (category, file) = series.name.split_once('/').unwrap_or(("", &series.name));
    let folder = folder.join(detector).join(category);
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join(format!("{detector}_{file}")),
        text(series, scores),
    )
}

fn text(series: &Series, scores: &[f64]) -> String {
    let mut text = String::from("timestamp,value,anomaly_score,label\n");
    for (row, (line, score)) in series.lines.iter().zip(scores).enumerate() {
        let label = u8::from(series.in_window(row).is_some());
        text.push_str(&format!("{line},{score},{label}\n"));
    }
    text
}
