//! Which instructions the kernels use. Chosen once, at run time, from what the
//! machine can do; every path computes the same sums in the same order along
//! the inner width, so answers of two paths differ by rounding alone.

use std::sync::OnceLock;

/// A set of vector instructions that the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Plain loops, which the compiler vectorises with what every machine of
    /// the architecture has: SSE2 on x86-64, NEON on AArch64.
    Plain,
    /// AVX2 with FMA.
    Avx2,
    /// AVX2 with FMA and AVX-VNNI, the int8 products of recent desktop
    /// processors.
    Avx2Vnni,
    /// AVX-512 with VNNI.
    Avx512,
}

impl Path {
    /// Every path, the plainest first.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Avx2, Self::Avx2Vnni, Self::Avx512];

    /// Whether this machine can take the path.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            match self {
                Self::Plain => true,
                Self::Avx2 => avx2(),
                Self::Avx2Vnni => avx2() && is_x86_feature_detected!("avxvnni"),
                Self::Avx512 => {
                    avx2()
                        && is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512vnni")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Plain
        }
    }

    /// The best path of this machine.
    pub fn best() -> Self {
        static BEST: OnceLock<Path> = OnceLock::new();
        *BEST.get_or_init(|| Self::ALL.into_iter().rev().find(|path| path.available()).unwrap_or(Self::Plain))
    }

    /// Its name, for reports of measurements.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Avx2 => "avx2",
            Self::Avx2Vnni => "avx2-vnni",
            Self::Avx512 => "avx512-vnni",
        }
    }

    /// Runs plain loops compiled for this path's instructions. `f` must be a
    /// closure that the compiler can inline; what it calls must be marked
    /// `inline(always)`. It is told whether a multiplication and an addition
    /// are one instruction here, see [`super::rows::fma`].
    #[inline(always)]
    pub(super) fn run<R>(self, f: impl FnOnce(bool) -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512<R>(f: impl FnOnce(bool) -> R) -> R {
                f(true)
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2<R>(f: impl FnOnce(bool) -> R) -> R {
                f(true)
            }
            match self {
                Self::Plain => f(false),
                // SAFETY: a path is used only where `available` holds, which
                // every constructor of this room asserts; it tests exactly
                // these features.
                Self::Avx2 | Self::Avx2Vnni => unsafe { avx2(f) },
                // SAFETY: as above.
                Self::Avx512 => unsafe { avx512(f) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            f(cfg!(target_arch = "aarch64"))
        }
    }
}
