//! Seeded randomness. Every random number of the crate is drawn here, so that
//! one seed on one machine gives the same bytes twice.
//!
//! Two kinds are offered. [`Rng`] is a ChaCha8 stream for shuffles and initial
//! weights. [`mask_bits`] is a counter-based generator for dropout: the value
//! at an index depends on seed and index alone, so a backward pass can make
//! the mask of its forward pass again without storing it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A seeded stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A stream for one `purpose` under `seed`. Streams of different purposes
    /// are independent, so that a new use of randomness moves no other.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in purpose.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(hash);
        Self(rng)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits fill the mantissa of an f64.
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number in `[0, n)`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Multiply-shift: the bias is below n / 2^64.
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.unit();
        let v = self.unit();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Shuffles `items` in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// 32 random bits for position `index` under `seed` (a splitmix-style hash,
/// after Steele, Lea and Flood 2014).
#[inline(always)]
pub fn mask_bits(seed: u64, index: u64) -> u32 {
    let mut z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 32) as u32
}

/// Joins a seed with further numbers (step, layer, place) into a new seed.
pub fn mix(seed: u64, parts: &[u64]) -> u64 {
    let mut state = seed ^ 0x5851_f42d_4c95_7f2d;
    for &part in parts {
        let high = u64::from(mask_bits(state, part));
        let low = u64::from(mask_bits(state ^ 0xd1b5_4a32_d192_ed03, part));
        state = (high << 32) | low;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams_and_purposes_differ() {
        let draw = |seed, purpose: &str| {
            let mut rng = Rng::new(seed, purpose);
            (0..4).map(|_| rng.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, "init"), draw(7, "init"));
        assert_ne!(draw(7, "init"), draw(7, "shuffle"));
        assert_ne!(draw(7, "init"), draw(8, "init"));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(1, "moments");
        let n = 20_000;
        let unit = (0..n).map(|_| rng.unit()).sum::<f64>() / f64::from(n);
        assert!((unit - 0.5).abs() < 0.01, "mean of unit: {unit}");
        let square = (0..n).map(|_| rng.normal().powi(2)).sum::<f64>() / f64::from(n);
        assert!((square - 1.0).abs() < 0.05, "variance of normal: {square}");
        let kept = (0..n).filter(|&i| mask_bits(3, i as u64) > u32::MAX / 10).count();
        assert!((kept as f64 / f64::from(n) - 0.9).abs() < 0.01, "kept: {kept}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut rng = Rng::new(1, "shuffle");
        let mut items: Vec<usize> = (0..50).collect();
        rng.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(rng.below(0), 0);
    }
}
