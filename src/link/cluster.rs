//! Groups out of pairs, guarded against chains. Two groups are joined when a
//! mix of the strongest link between them and the mean of all pairs between
//! them is high enough: one weak link among strangers does not do it, and one
//! strong link among silent pairs does.

use rayon::prelude::*;

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

/// Bits above which a pair can matter to a merge: a merge needs a link that
/// lifts its score over the bar.
pub fn least_edge(rule: MergeRule) -> f64 {
    rule.threshold_bits.min(0.0) - 1.0
}

/// What people have decided of a pair: together, apart, or nothing.
pub type Decided<'a> = dyn Fn(usize, usize) -> Option<bool> + Sync + 'a;

/// Weight of any pair, in bits.
pub type Bits<'a> = dyn Fn(usize, usize) -> f64 + Sync + 'a;

/// Groups of two or more among `n` nodes. `edges` are candidate pairs with
/// their bits, `bits` gives those of any pair, `decided` what people have
/// decided; all must be symmetric. Nodes that were decided apart never stand
/// in one group; those decided together do, unless that would break a cut.
pub fn groups(
    n: usize,
    edges: &[(u32, u32, f64)],
    rule: MergeRule,
    bits: &Bits<'_>,
    decided: &Decided<'_>,
) -> Vec<Group> {
    let least = least_edge(rule);
    let kept: Edges = edges.iter().copied().filter(|e| e.2 > least).collect();
    let mut small: Vec<Vec<usize>> = Vec::new();
    let mut waiting = vec![((0..n).collect::<Vec<_>>(), kept, least)];
    while let Some((nodes, edges, bar)) = waiting.pop() {
        for (part, inside) in parts(&nodes, &edges) {
            if part.len() > PART_MOST {
                let higher: Edges = inside.iter().copied().filter(|e| e.2 > bar + 2.0).collect();
                waiting.push((part, higher, bar + 2.0));
            } else if part.len() > 1 {
                small.push(part);
            }
        }
    }
    let alone = |part: &[usize]| -> Vec<Vec<usize>> { part.iter().map(|&node| vec![node]).collect() };
    let mut result: Vec<Group> = small
        .par_iter()
        .flat_map_iter(|part| agglomerate(alone(part), rule, bits, decided))
        .filter(|group| group.members.len() > 1)
        .collect();
    result.sort_by(|a, b| a.members.cmp(&b.members));
    result
}

type Edges = Vec<(u32, u32, f64)>;

/// Connected parts of the nodes (which are sorted) and the edges inside each.
fn parts(nodes: &[usize], edges: &[(u32, u32, f64)]) -> Vec<(Vec<usize>, Edges)> {
    // Places among these nodes, so that a small part of a large pool is cheap.
    let place = |node: u32| nodes.partition_point(|other| *other < node as usize);
    let mut parent: Vec<usize> = (0..nodes.len()).collect();
    fn root(parent: &mut [usize], mut x: usize) -> usize {
        while parent[x] != x {
            parent[x] = parent[parent[x]];
            x = parent[x];
        }
        x
    }
    for &(a, b, _) in edges {
        let (a, b) = (root(&mut parent, place(a)), root(&mut parent, place(b)));
        if a != b {
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut number = vec![usize::MAX; nodes.len()];
    let mut result: Vec<(Vec<usize>, Edges)> = Vec::new();
    for (at, &node) in nodes.iter().enumerate() {
        let r = root(&mut parent, at);
        if number[r] == usize::MAX {
            number[r] = result.len();
            result.push((Vec::new(), Vec::new()));
        }
        result[number[r]].0.push(node);
    }
    for &edge in edges {
        let r = root(&mut parent, place(edge.0));
        result[number[r]].1.push(edge);
    }
    result
}

/// What is known of two living groups.
#[derive(Clone, Copy)]
struct Between {
    /// The strongest link between them, in bits.
    strongest: f64,
    /// The sum of clamped links between them, in bits.
    sum: f64,
    /// Whether some pair was decided to be of one course.
    together: bool,
    /// Whether some pair was decided not to be.
    apart: bool,
}

/// Joins groups, best merge first, until no merge reaches the threshold.
/// Starts from the groups given, which are never taken apart; gives them all,
/// joined or not, in the order of their first.
pub fn agglomerate(
    start: Vec<Vec<usize>>,
    rule: MergeRule,
    bits: &Bits<'_>,
    decided: &Decided<'_>,
) -> Vec<Group> {
    let n = start.len();
    let mut members = start;
    let mut between =
        vec![Between { strongest: f64::NEG_INFINITY, sum: 0.0, together: false, apart: false }; n * n];
    for i in 0..n {
        for j in i + 1..n {
            let mut cell = between[i * n + j];
            for &a in &members[i] {
                for &b in &members[j] {
                    let own = bits(a, b);
                    cell.strongest = cell.strongest.max(own);
                    cell.sum += own.clamp(PAIR_LEAST, PAIR_MOST);
                    match decided(a, b) {
                        Some(true) => cell.together = true,
                        Some(false) => cell.apart = true,
                        None => {}
                    }
                }
            }
            between[i * n + j] = cell;
            between[j * n + i] = cell;
        }
    }
    let mut weakest: Vec<(f64, f64)> = vec![(f64::INFINITY, f64::INFINITY); n];
    let mut living: Vec<usize> = (0..n).collect();
    loop {
        let mut best: Option<(bool, f64, usize, usize)> = None;
        for (x, &i) in living.iter().enumerate() {
            for &j in &living[x + 1..] {
                let cell = between[i * n + j];
                if cell.apart {
                    continue;
                }
                let pairs = (members[i].len() * members[j].len()) as f64;
                let strong = cell.strongest.min(PAIR_MOST);
                let score = rule.strongest_share * strong + (1.0 - rule.strongest_share) * cell.sum / pairs;
                let better = best.is_none_or(|(t, s, _, _)| (cell.together, score) > (t, s));
                if (cell.together || score >= rule.threshold_bits) && better {
                    best = Some((cell.together, score, i, j));
                }
            }
        }
        let Some((together, score, i, j)) = best else { break };
        let link = between[i * n + j].strongest;
        // A person's word is no weak merge.
        let score = if together { score.max(PAIR_MOST) } else { score };
        weakest[i] = (weakest[i].0.min(weakest[j].0).min(link), weakest[i].1.min(weakest[j].1).min(score));
        let moved = std::mem::take(&mut members[j]);
        members[i].extend(moved);
        living.retain(|&k| k != j);
        for &k in living.iter().filter(|k| **k != i) {
            let (x, y) = (between[i * n + k], between[j * n + k]);
            let joined = Between {
                strongest: x.strongest.max(y.strongest),
                sum: x.sum + y.sum,
                together: x.together || y.together,
                apart: x.apart || y.apart,
            };
            between[i * n + k] = joined;
            between[k * n + i] = joined;
        }
    }
    living
        .into_iter()
        .map(|i| {
            let mut places = std::mem::take(&mut members[i]);
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
        groups(n, links, RULE, &bits, &|_, _| None)
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

    #[test]
    fn what_people_decided_stands() {
        let links = [(0, 1, 9.0), (1, 2, 9.0), (0, 2, 9.0), (2, 3, -7.0)];
        let bits = |a: usize, b: usize| {
            let pair = (a.min(b) as u32, a.max(b) as u32);
            links.iter().find(|l| (l.0, l.1) == pair).map_or(-7.0, |l| l.2)
        };
        // 0 and 2 are cut: 1 goes with one of them, never with both.
        let cut = |a: usize, b: usize| ((a.min(b), a.max(b)) == (0, 2)).then_some(false);
        let groups_cut = groups(4, &links, RULE, &bits, &cut);
        assert_eq!(groups_cut[0].members, [0, 1]);
        // 2 and 3 are confirmed, whatever their bits; the others stay as they are.
        let confirmed = |a: usize, b: usize| ((a.min(b), a.max(b)) == (2, 3)).then_some(true);
        let edges: Vec<_> = links.iter().map(|l| (l.0, l.1, if l.0 == 2 { 93.0 } else { l.2 })).collect();
        let found = groups(4, &edges, RULE, &bits, &confirmed);
        assert!(found.iter().any(|g| g.members.contains(&2) && g.members.contains(&3)), "{found:?}");
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
