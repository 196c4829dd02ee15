//! The batch as linking takes it: features in, one report after the other;
//! links out, one pair after the other, so that neither list need be held here.
//! Beside the batch may stand what a store knows of other reports.

use std::collections::HashSet;

use crate::conduct::{self, Course};
use crate::error::Result;
use crate::features::Features;
use crate::link::record::PoolBuilder;
use crate::link::weights::Weights;
use crate::link::{Decisions, Group, Link, Linking, duplicates};

/// Takes features in rounds.
pub type Take<'a> = dyn FnMut(Vec<Features>) -> Result<()> + 'a;

/// Hands on what is known of reports beside the batch, and gives what people
/// have decided of them.
pub type Beside<'a> = &'a dyn Fn(&mut Take<'_>) -> Result<Decisions>;

/// Reports beside the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BesideCount {
    /// Reports that the batch was linked with.
    pub reports: usize,
    /// Reports that the batch holds, too: they count as of the batch alone.
    pub again: usize,
}

/// The reports of a batch that are to be linked.
#[derive(Default)]
pub(super) struct Batch {
    builder: PoolBuilder,
    own: HashSet<Box<str>>,
    decisions: Decisions,
    beside: BesideCount,
}

/// What linking a batch gives, its pairs apart.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Groups of two or more with a report of the batch.
    pub groups: Vec<Joint>,
    /// Pairs that were compared.
    pub compared: usize,
    /// Sets of reports whose texts are the same.
    pub duplicates: usize,
    /// Reports beside the batch.
    pub beside: BesideCount,
}

/// A group with a report of the batch.
#[derive(Debug)]
pub(super) struct Joint {
    /// The group.
    pub group: Group,
    /// Where not all of it is of the batch, its course as far as features tell.
    pub known: Option<Course>,
}

impl Batch {
    /// Takes a report of the batch in.
    pub fn add(&mut self, features: Features) {
        self.builder.extend(std::slice::from_ref(&features));
        self.own.insert(features.id.into());
    }

    /// Takes in what is known beside the batch, which must be whole by now.
    pub fn add_beside(&mut self, read: Beside<'_>) -> Result<()> {
        let Self { builder, own, beside, .. } = self;
        self.decisions = read(&mut |mut round| {
            let all = round.len();
            round.retain(|f| !own.contains(f.id.as_str()));
            beside.again += all - round.len();
            beside.reports += round.len();
            builder.extend(&round);
            Ok(())
        })?;
        Ok(())
    }

    /// Links the reports; `each` gets every pair that is told of a report of
    /// the batch.
    pub fn link(self, weights: &Weights, each: &mut dyn FnMut(&Link) -> Result<()>) -> Result<Joined> {
        let pool = self.builder.finish(None);
        let own: Vec<bool> = pool.records.iter().map(|record| self.own.contains(&record.id)).collect();
        let linking = Linking::new(&pool, weights, &self.decisions);
        let told = linking.told.iter().filter(|(a, b)| own[*a as usize] || own[*b as usize]);
        told.copied().try_for_each(|pair| each(&linking.link(pair)))?;
        let groups = linking
            .groups
            .iter()
            .filter(|group| group.members.iter().any(|&member| own[member]))
            .map(|members| {
                let group = linking.group(members);
                let all_own = members.members.iter().all(|&member| own[member]);
                let known = (!all_own).then(|| conduct::course_of_features(&group, &pool, weights));
                Joint { group, known }
            })
            .collect();
        let is_own = |id: &String| self.own.contains(id.as_str());
        Ok(Joined {
            groups,
            compared: linking.compared,
            duplicates: duplicates(&pool).iter().filter(|set| set.iter().any(is_own)).count(),
            beside: self.beside,
        })
    }
}
