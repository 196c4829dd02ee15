//! Metrics of ranked, classified and marked answers.
//!
//! Every metric takes a weight for each row. Weights do three jobs with one
//! mechanism: a bootstrap resample is a count for each row, a stated
//! prevalence is a weight for each class, and a selection is weights of 0.
//!
//! Ties in a ranking are taken together, so that no metric depends on the
//! order in which equal scores happen to stand. Where a metric does not exist
//! (no positive at all), the answer is `None`, never NaN.

pub mod agreement;
pub mod bootstrap;
pub mod calibration;
pub mod clusters;
pub mod overlap;
pub mod ranking;
pub mod tally;

pub use agreement::{cohen_kappa, krippendorff_alpha};
pub use bootstrap::{Interval, Resamples, bootstrap};
pub use calibration::{Bin, Calibration};
pub use clusters::{Clustering, adjusted_rand, b_cubed, pairwise};
pub use overlap::{Marks, token_marks};
pub use ranking::{AtThreshold, Ranked, Ranking, average_precision, recall_at_precision};
pub use tally::{Counts, Tally, at_prevalence};

#[cfg(test)]
pub(crate) mod close {
    /// Whether two numbers agree to within `tolerance`. A NaN agrees with
    /// nothing, and an expected 0 is compared like any other number.
    pub(crate) fn close(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance
    }

    #[test]
    fn the_comparison_fails_on_a_wrong_value() {
        assert!(close(0.5, 0.5 + 1e-10, 1e-9));
        assert!(!close(0.5, 0.5001, 1e-9));
        assert!(!close(0.001, 0.0, 1e-9));
        assert!(!close(0.0, 0.001, 1e-9));
        assert!(!close(f64::NAN, f64::NAN, 1e-9));
        assert!(!close(f64::NAN, 0.5, f64::INFINITY));
        assert!(!close(f64::INFINITY, 0.0, 1e9));
    }
}
