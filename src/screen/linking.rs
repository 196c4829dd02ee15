//! The batch as linking takes it: features in, one report after the other;
//! links out, one pair after the other, so that neither list need be held here.

use crate::error::Result;
use crate::features::Features;
use crate::link::weights::Weights;
use crate::link::{Group, Link, link};

/// The reports of a batch that are to be linked.
#[derive(Debug, Default)]
pub(super) struct Batch {
    features: Vec<Features>,
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
        self.features.push(features);
    }

    /// Links the reports; `each` gets every pair that is told.
    pub fn link(self, weights: &Weights, each: &mut dyn FnMut(&Link) -> Result<()>) -> Result<Joined> {
        let linked = link(&self.features, weights);
        drop(self.features);
        linked.links.iter().try_for_each(each)?;
        let duplicates = linked.duplicates.len();
        Ok(Joined { groups: linked.groups, compared: linked.compared, duplicates })
    }
}
