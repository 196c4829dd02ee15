//! The batch as linking takes it: features in, one report after the other;
//! links out, one pair after the other, so that neither list need be held here.

use crate::error::Result;
use crate::features::Features;
use crate::link::record::PoolBuilder;
use crate::link::weights::Weights;
use crate::link::{Decisions, Group, Link, Linking, duplicates};

/// The reports of a batch that are to be linked.
#[derive(Default)]
pub(super) struct Batch {
    builder: PoolBuilder,
}

/// What linking a batch gives, its pairs apart.
#[derive(Debug)]
pub(super) struct Joined {
    /// Groups of two or more.
    pub groups: Vec<Group>,
    /// Pairs that were compared.
    pub compared: usize,
    /// Sets of reports whose texts are the same.
    pub duplicates: usize,
}

impl Batch {
    /// Takes a report in.
    pub fn add(&mut self, features: Features) {
        self.builder.extend(std::slice::from_ref(&features));
    }

    /// Links the reports; `each` gets every pair that is told.
    pub fn link(self, weights: &Weights, each: &mut dyn FnMut(&Link) -> Result<()>) -> Result<Joined> {
        let pool = self.builder.finish(None);
        let linking = Linking::new(&pool, weights, &Decisions::default());
        linking.told.iter().try_for_each(|pair| each(&linking.link(*pair)))?;
        Ok(Joined {
            groups: linking.groups.iter().map(|group| linking.group(group)).collect(),
            compared: linking.compared,
            duplicates: duplicates(&pool).len(),
        })
    }
}
