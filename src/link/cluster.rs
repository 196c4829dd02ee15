//! Groups out of pairs, guarded against chains. Two groups are joined when a
//! mix of the strongest link between them and the mean of all pairs between
//! them is high enough: one weak link among strangers does not do it, and one
//! strong link among silent pairs does.

use super::weights::MergeRule;

/// The least and most that one pair says in a mean, in bits.
const PAIR_LEAST: f64 = -8.0;
const PAIR_MOST: f64 = 12.0;

/// Nodes that hang together before the bar is raised and they are taken apart.
const PART_MOST: usize = 300;

/// Places of the members, sorted, and the strongest link of the weakest merge.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Members by place, sorted.
    pub members: Vec<usize>,
    /// The strongest link of the weakest merge, in bits.
    pub weakest_link_bits: f64,
    /// The lowest score of a merge, in bits.
    pub weakest_merge_bits: f64,
}

/// Groups of two or more among `n` nodes. `edges` are candidate pairs with
/// their bits, `bits` gives those of any pair; both must be symmetric.
pub fn groups(
    n: usize,
    edges: &[(u32, u32, f64)],
    rule: MergeRule,
    bits: &dyn Fn(usize, usize) -> f64,
) -> Vec<Group> {
    // A merge needs a link that lifts the score over the bar even when all
    // other pairs say the least.
    let least = rule.threshold_bits.min(0.0) - 1.0;
    let kept: Vec<(u32, u32, f64)> = edges.iter().copied().filter(|e| e.2 > least).collect();
    let mut result = Vec::new();
    let mut waiting = vec![((0..n).collect::<Vec<_>>(), kept, least)];
    while let Some((nodes, edges, bar)) = waiting.pop() {
        for (part, inside) in parts(&nodes, &edges) {
            if part.len() < 2 {
                continue;
            }
            if part.len() > PART_MOST {
                let higher: Vec<_> = inside.iter().copied().filter(|e| e.2 > bar + 2.0).collect();
                waiting.push((part, higher, bar + 2.0));
                continue;
            }
            result.extend(agglomerate(&part, rule, bits));
        }
    }
    result.sort_by(|a, b| a.members.cmp(&b.members));
    result
}

type Edges = Vec<(u32, u32, f64)>;

/// Connected parts and the edges inside each.
fn parts(nodes: &[usize], edges: &[(u32, u32, f64)]) -> Vec<(Vec<usize>, Edges)> {
    let top = nodes.last().map_or(0, |last| last + 1);
    let mut parent: Vec<usize> = (0..top).collect();
    fn root(parent: &mut [usize], mut x: usize) -> usize {
        while parent[x] != x {
            parent[x] = parent[parent[x]];
            x = parent[x];
        }
        x
    }
    for &(a, b, _) in edges {
        let (a, b) = (root(&mut parent, a as usize), root(&mut parent, b as usize));
        if a != b {
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut place = vec![usize::MAX; top];
    let mut result: Vec<(Vec<usize>, Edges)> = Vec::new();
    for &node in nodes {
        let r = root(&mut parent, node);
        if place[r] == usize::MAX {
            place[r] = result.len();
            result.push((Vec::new(), Vec::new()));
        }
        result[place[r]].0.push(node);
    }
    for &edge in edges {
        let r = root(&mut parent, edge.0 as usize);
        result[place[r]].1.push(edge);
    }
    result
}

/// Joins groups, best merge first, until no merge reaches the threshold.
fn agglomerate(nodes: &[usize], rule: MergeRule, bits: &dyn Fn(usize, usize) -> f64) -> Vec<Group> {
    let n = nodes.len();
    let mut matrix = vec![0.0f64; n * n];
    for i in 0..n {
        for j in i + 1..n {
            let b = bits(nodes[i], nodes[j]);
            matrix[i * n + j] = b;
            matrix[j * n + i] = b;
        }
    }
    // Strongest link and sum of clamped links between two living groups.
    let mut strongest = matrix.clone();
    let mut sums: Vec<f64> = matrix.iter().map(|b| b.clamp(PAIR_LEAST, PAIR_MOST)).collect();
    let mut members: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
    let mut weakest: Vec<(f64, f64)> = vec![(f64::INFINITY, f64::INFINITY); n];
    let mut living: Vec<usize> = (0..n).collect();
    loop {
        let mut best: Option<(f64, usize, usize)> = None;
        for (x, &i) in living.iter().enumerate() {
            for &j in &living[x + 1..] {
                let pairs = (members[i].len() * members[j].len()) as f64;
                let mean = sums[i * n + j] / pairs;
                let strong = strongest[i * n + j].min(PAIR_MOST);
                let score = rule.strongest_share * strong + (1.0 - rule.strongest_share) * mean;
                if score >= rule.threshold_bits && best.is_none_or(|(s, _, _)| score > s) {
                    best = Some((score, i, j));
                }
            }
        }
        let Some((score, i, j)) = best else { break };
        let link = strongest[i * n + j];
        weakest[i] = (weakest[i].0.min(weakest[j].0).min(link), weakest[i].1.min(weakest[j].1).min(score));
        let moved = std::mem::take(&mut members[j]);
        members[i].extend(moved);
        living.retain(|&k| k != j);
        for &k in &living {
            if k != i {
                let strong = strongest[i * n + k].max(strongest[j * n + k]);
                let sum = sums[i * n + k] + sums[j * n + k];
                for at in [i * n + k, k * n + i] {
                    strongest[at] = strong;
                    sums[at] = sum;
                }
            }
        }
    }
    living
        .into_iter()
        .filter(|&i| members[i].len() > 1)
        .map(|i| {
            let mut places: Vec<usize> = members[i].iter().map(|&m| nodes[m]).collect();
            places.sort_unstable();
            Group { members: places, weakest_link_bits: weakest[i].0, weakest_merge_bits: weakest[i].1 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: MergeRule = MergeRule { strongest_share: 0.5, threshold_bits: 0.0 };

    fn run(n: usize, links: &[(u32, u32, f64)], silent: f64) -> Vec<Group> {
        let bits = |a: usize, b: usize| {
            let (a, b) = (a.min(b) as u32, a.max(b) as u32);
            links.iter().find(|l| (l.0, l.1) == (a, b)).map_or(silent, |l| l.2)
        };
        groups(n, links, RULE, &bits)
    }

    #[test]
    fn one_weak_link_does_not_join_two_groups() {
        // Two triangles of strong links, one weak link between them.
        let links =
            [(0, 1, 9.0), (0, 2, 9.0), (1, 2, 9.0), (3, 4, 9.0), (3, 5, 9.0), (4, 5, 9.0), (2, 3, 2.0)];
        let groups = run(6, &links, -6.0);
        assert_eq!(
            groups.iter().map(|g| g.members.clone()).collect::<Vec<_>>(),
            [vec![0, 1, 2], vec![3, 4, 5]]
        );
        assert_eq!(groups[0].weakest_link_bits, 9.0);
    }

    #[test]
    fn a_thin_report_joins_by_one_strong_link() {
        let groups = run(4, &[(0, 1, 10.0), (0, 2, 10.0), (1, 2, 10.0), (2, 3, 11.0)], -4.0);
        assert_eq!(groups[0].members, [0, 1, 2, 3]);
        assert_eq!(groups[0].weakest_link_bits, 10.0);
    }

    #[test]
    fn nothing_to_join_is_no_group() {
        assert!(run(0, &[], -5.0).is_empty());
        assert!(run(3, &[(0, 1, -3.0)], -5.0).is_empty());
    }

    proptest! {
        /// A node is in one group at most, and a group has two members.
        #[test]
        fn groups_are_apart(links in proptest::collection::vec((0u32..9, 0u32..9, -9.0f64..15.0), 0..30)) {
            let mut links: Vec<_> = links.into_iter().filter(|l| l.0 < l.1).collect();
            links.sort_by(|a, b| a.partial_cmp(b).unwrap());
            links.dedup_by_key(|l| (l.0, l.1));
            let groups = run(9, &links, -7.0);
            let mut all: Vec<usize> = groups.iter().flat_map(|g| g.members.clone()).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count);
            prop_assert!(groups.iter().all(|g| g.members.len() > 1 && g.weakest_merge_bits >= RULE.threshold_bits));
        }
    }
}
