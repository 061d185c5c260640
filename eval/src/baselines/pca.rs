//! Principal components of sub-sequences (Sub-PCA).
//!
//! M.-L. Shyu et al., "A novel anomaly detection scheme based on principal component classifier",
//! ICDM workshop 2003, in the form that PyOD and TSB-AD give it: the sum over all components of the
//! distance to the component over its share of the variance, so that what lies in directions in
//! which the series hardly ever varies weighs most.

use super::Windows;

/// Shares of variance below this are taken to be this.
const SMALLEST_SHARE: f64 = 1e-12;

/// One score a row; the higher, the less like the rest. O(rows · length² + length³).
pub fn scores(values: &[f64], length: usize) -> Vec<f64> {
    let windows = Windows::new(values, length);
    let length = windows.length;
    let (variances, components) = eigen(covariance(&windows), length);
    let total: f64 = variances.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let scores: Vec<f64> = windows
        .iter()
        .map(|row| {
            let square: f64 = row.iter().map(|v| v * v).sum();
            let components = components.chunks_exact(length).zip(&variances);
            components
                .map(|(component, variance)| {
                    let along: f64 = row.iter().zip(component).map(|(a, b)| a * b).sum();
                    let distance = (square + 1.0 - 2.0 * along).max(0.0).sqrt();
                    distance / (variance / total).max(SMALLEST_SHARE)
                })
                .sum()
        })
        .collect();
    windows.spread(&scores, values.len())
}

fn covariance(windows: &Windows) -> Vec<f64> {
    let length = windows.length;
    let mut sums = vec![0.0; length * length];
    for row in windows.iter() {
        for (sums, a) in sums.chunks_exact_mut(length).zip(row) {
            for (sum, b) in sums.iter_mut().zip(row) {
                *sum += a * b;
            }
        }
    }
    let count = windows.count().saturating_sub(1).max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

/// Eigenvalues and eigenvectors (one a row, the largest coordinate positive) of a symmetric matrix
/// by Jacobi's method (Golub and Van Loan, "Matrix computations", 8.5): rotations until nothing is
/// left off the diagonal.
fn eigen(mut matrix: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let scale: f64 = matrix.iter().map(|v| v * v).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n)
            .flat_map(|p| (p + 1..n).map(move |q| (p, q)))
            .map(|(p, q)| matrix[p * n + q].powi(2))
            .sum();
        if off <= scale * 1e-24 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut vectors, n, p, q);
            }
        }
    }
    for vector in vectors.chunks_exact_mut(n) {
        let largest = vector
            .iter()
            .copied()
            .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        if largest < 0.0 {
            vector.iter_mut().for_each(|v| *v = -*v);
        }
    }
    (
        (0..n).map(|i| matrix[i * n + i].max(0.0)).collect(),
        vectors,
    )
}

/// Makes `matrix[p][q]` zero. Only rows are touched where symmetry allows, which are contiguous.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let off = matrix[p * n + q];
    if off == 0.0 {
        return;
    }
    let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (t * t + 1.0).sqrt();
    let sine = t * cosine;
    for k in 0..n {
        let (a, b) = (matrix[k * n + p], matrix[k * n + q]);
        matrix[k * n + p] = cosine * a - sine * b;
        matrix[k * n + q] = sine * a + cosine * b;
    }
    turn(matrix, n, p, q, cosine, sine);
    turn(vectors, n, p, q, cosine, sine);
}

fn turn(matrix: &mut [f64], n: usize, p: usize, q: usize, cosine: f64, sine: f64) {
    let (before, from_q) = matrix.split_at_mut(q * n);
    let (row_p, row_q) = (&mut before[p * n..p * n + n], &mut from_q[..n]);
    for (a, b) in row_p.iter_mut().zip(row_q) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_of_a_small_matrix_are_right() {
        let (values, vectors) = eigen(vec![2.0, 1.0, 1.0, 2.0], 2);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        assert!((sorted[0] - 1.0).abs() < 1e-9 && (sorted[1] - 3.0).abs() < 1e-9);
        for (value, vector) in values.iter().zip(vectors.chunks_exact(2)) {
            assert!((2.0 * vector[0] + vector[1] - value * vector[0]).abs() < 1e-9);
        }
    }

    #[test]
    fn a_jump_in_a_smooth_wave_is_found() {
        let mut values: Vec<f64> = (0..1_000).map(|i| (f64::from(i) * 0.1).sin()).collect();
        values[500] += 5.0;
        let found = scores(&values, 10);
        let highest = (0..1_000)
            .max_by(|a, b| found[*a].total_cmp(&found[*b]))
            .unwrap();
        assert!((490..511).contains(&highest), "{highest}");
    }
}
