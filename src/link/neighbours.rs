//! Near vectors: trees of centroids down to small cells, within which all
//! pairs are compared (an inverted file whose coarse quantiser is a tree;
//! Jégou, Douze and Schmid 2011; Muja and Lowe 2014). Several trees make up
//! for borders between cells.
//!
//! Own code rather than a crate: kept HNSW crates answer one query at a time
//! over f32, while here every vector is a query at once. Within a cell that is
//! a dense product of bytes, some hundred times cheaper than walks of a graph,
//! and it does not depend on the order in which reports came.

use pulp::Arch;
use rayon::prelude::*;

use super::compare::dot;
use super::record::Pool;
use crate::rng::{Rng, mix};

/// Near vectors that become candidates.
pub const NEIGHBOURS: usize = 8;

/// Vectors that are compared in full.
const CELL_MOST: usize = 600;

/// Centroids of one level of a tree.
const BRANCHES: usize = 16;

/// Trees, each with centroids of its own.
const TREES: u64 = 2;

/// Vectors from which the centroids of a level are learnt.
const SAMPLE: usize = 1024;

/// Rounds of k-means.
const ROUNDS: usize = 4;

/// Vectors of one length, end to end.
struct Vectors {
    width: usize,
    /// The reports that have a vector.
    reports: Vec<u32>,
    numbers: Vec<i8>,
    norms: Vec<f32>,
}

impl Vectors {
    fn of(pool: &Pool) -> Self {
        let width = pool.records.iter().map(|r| r.vector.len()).max().unwrap_or(0);
        let mut vectors = Self { width, reports: Vec::new(), numbers: Vec::new(), norms: Vec::new() };
        for (i, record) in pool.records.iter().enumerate() {
            if record.norm > 0.0 && record.vector.len() == width {
                vectors.reports.push(i as u32);
                vectors.numbers.extend(&record.vector);
                vectors.norms.push(record.norm);
            }
        }
        vectors
    }

    fn get(&self, row: u32) -> &[i8] {
        &self.numbers[row as usize * self.width..(row as usize + 1) * self.width]
    }
}

/// The nearest reports of each report by vector, at most [`NEIGHBOURS`] of
/// each tree.
pub fn neighbours(pool: &Pool) -> Vec<Vec<u32>> {
    let vectors = Vectors::of(pool);
    let mut near: Vec<Vec<u32>> = vec![Vec::new(); pool.records.len()];
    if vectors.width == 0 {
        return near;
    }
    let rows: Vec<u32> = (0..vectors.reports.len() as u32).collect();
    let trees = if rows.len() <= CELL_MOST { 1 } else { TREES };
    for tree in 0..trees {
        let found: Vec<(u32, Vec<u32>)> = cells(&vectors, rows.clone(), mix(tree, &[0]))
            .into_par_iter()
            .flat_map_iter(|cell| within(&vectors, &cell))
            .collect();
        for (report, others) in found {
            near[report as usize].extend(others);
        }
    }
    near
}

/// Cells of one tree, each with the centroid of its vectors and its reports by
/// place: what a store needs to find near vectors without reading them all.
pub fn cells_of(pool: &Pool) -> Vec<(Vec<i8>, Vec<u32>)> {
    let vectors = Vectors::of(pool);
    let rows: Vec<u32> = (0..vectors.reports.len() as u32).collect();
    if vectors.width == 0 || rows.is_empty() {
        return Vec::new();
    }
    let mut cells = cells(&vectors, rows, mix(0, &[0]));
    cells.sort_unstable();
    cells
        .into_iter()
        .map(|cell| {
            let mut sums = vec![0i64; vectors.width];
            for row in &cell {
                for (sum, x) in sums.iter_mut().zip(vectors.get(*row)) {
                    *sum += i64::from(*x);
                }
            }
            (bytes_of(&sums), cell.iter().map(|row| vectors.reports[*row as usize]).collect())
        })
        .collect()
}

/// Cuts vectors of one length in two by k-means: the centroids, and the side
/// of each vector. Vectors that are all alike are cut in the middle.
pub fn in_two(list: &[&[i8]]) -> ([Vec<i8>; 2], Vec<usize>) {
    let width = list.first().map_or(0, |vector| vector.len());
    let vectors = Vectors { width, reports: Vec::new(), numbers: list.concat(), norms: Vec::new() };
    let rows: Vec<u32> = (0..list.len() as u32).collect();
    let found = centroids(&vectors, &rows, 2, 1);
    let mut sides = nearest(&vectors, &rows, &found);
    if sides.iter().all(|side| *side == sides[0]) {
        sides = (0..list.len()).map(|i| usize::from(i >= list.len() / 2)).collect();
    }
    let mut found = found.into_iter();
    ([found.next().unwrap_or_default(), found.next().unwrap_or_default()], sides)
}

/// Numbers scaled to length 127, as bytes.
fn bytes_of(sums: &[i64]) -> Vec<i8> {
    let length = sums.iter().map(|x| (*x as f64).powi(2)).sum::<f64>().sqrt().max(1e-9);
    sums.iter().map(|x| (*x as f64 / length * 127.0).round() as i8).collect()
}

/// Cuts rows into cells of at most [`CELL_MOST`].
fn cells(vectors: &Vectors, rows: Vec<u32>, seed: u64) -> Vec<Vec<u32>> {
    if rows.len() <= CELL_MOST {
        return vec![rows];
    }
    let branches = BRANCHES.min(rows.len().div_ceil(CELL_MOST / 2)).max(2);
    let centroids = centroids(vectors, &rows, branches, seed);
    let mut parts: Vec<Vec<u32>> = vec![Vec::new(); centroids.len()];
    let places: Vec<usize> =
        rows.par_chunks(1024).flat_map_iter(|rows| nearest(vectors, rows, &centroids)).collect();
    let total = rows.len();
    for (row, place) in rows.into_iter().zip(places) {
        parts[place].push(row);
    }
    parts
        .into_par_iter()
        .enumerate()
        .flat_map_iter(|(i, part)| {
            if part.len() == total {
                // All alike: cut in the order of ids.
                return part.chunks(CELL_MOST).map(<[u32]>::to_vec).collect();
            }
            cells(vectors, part, mix(seed, &[i as u64 + 1]))
        })
        .filter(|cell| !cell.is_empty())
        .collect()
}

/// Centroids of rows by spherical k-means (Dhillon and Modha 2001) over a sample, as bytes.
fn centroids(vectors: &Vectors, rows: &[u32], branches: usize, seed: u64) -> Vec<Vec<i8>> {
    let mut rng = Rng::new(seed, "cells");
    let sample: Vec<u32> = (0..SAMPLE.min(rows.len())).map(|_| rows[rng.below(rows.len())]).collect();
    let mut centroids: Vec<Vec<i8>> =
        (0..branches).map(|_| vectors.get(sample[rng.below(sample.len())]).to_vec()).collect();
    for _ in 0..ROUNDS {
        let mut sums = vec![vec![0i64; vectors.width]; branches];
        for (row, place) in sample.iter().zip(nearest(vectors, &sample, &centroids)) {
            for (sum, x) in sums[place].iter_mut().zip(vectors.get(*row)) {
                *sum += i64::from(*x);
            }
        }
        for (centroid, sum) in centroids.iter_mut().zip(&sums) {
            if sum.iter().any(|x| *x != 0) {
                *centroid = bytes_of(sum);
            }
        }
    }
    centroids
}

/// The nearest centroid of each row.
fn nearest(vectors: &Vectors, rows: &[u32], centroids: &[Vec<i8>]) -> Vec<usize> {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            rows.iter()
                .map(|row| {
                    let own = vectors.get(*row);
                    let mut best = (i32::MIN, 0);
                    for (place, centroid) in centroids.iter().enumerate() {
                        let score = dot(own, centroid);
                        if score > best.0 {
                            best = (score, place);
                        }
                    }
                    best.1
                })
                .collect()
        },
    )
}

/// Each report of a cell with its nearest.
fn within(vectors: &Vectors, cell: &[u32]) -> Vec<(u32, Vec<u32>)> {
    let n = cell.len();
    let mut cosines = vec![0.0f32; n * n];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (i, &x) in cell.iter().enumerate() {
                let own = vectors.get(x);
                for (j, &y) in cell.iter().enumerate().skip(i + 1) {
                    let cosine = dot(own, vectors.get(y)) as f32
                        / (vectors.norms[x as usize] * vectors.norms[y as usize]);
                    cosines[i * n + j] = cosine;
                    cosines[j * n + i] = cosine;
                }
            }
        },
    );
    (0..n)
        .map(|i| {
            let row = &cosines[i * n..(i + 1) * n];
            let mut best: Vec<usize> = Vec::with_capacity(NEIGHBOURS + 1);
            for j in (0..n).filter(|j| *j != i) {
                // Ties stay with the first.
                if best.len() < NEIGHBOURS || row[j] > row[best[NEIGHBOURS - 1]] {
                    let at = best.partition_point(|&k| row[k] >= row[j]);
                    best.insert(at, j);
                    best.truncate(NEIGHBOURS);
                }
            }
            let report = |i: usize| vectors.reports[cell[i] as usize];
            (report(i), best.into_iter().map(report).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn the_nearest_vectors_are_found_again() {
        let (mut features, _) = synthetic::pool(3000, 2);
        let mut rng = Rng::new(1, "vectors");
        for pair in features.chunks_mut(2) {
            let middle: Vec<f64> = (0..128).map(|_| rng.normal()).collect();
            for one in pair {
                one.vector = middle.iter().map(|x| (8.0 * (x + 0.6 * rng.normal())) as i8).collect();
            }
        }
        let ids: Vec<String> = features.iter().map(|f| f.id.clone()).collect();
        let pool = Pool::new(&features);
        let near = neighbours(&pool);
        let place = |id: &String| pool.place(id).unwrap();
        let found = ids.chunks(2).filter(|p| near[place(&p[0])].contains(&(place(&p[1]) as u32))).count();
        assert!(found * 100 >= 1500 * 75, "{found} of 1500");
    }

    #[test]
    fn vectors_that_are_all_alike_are_cut_into_cells() {
        let (mut features, _) = synthetic::pool(1500, 2);
        for one in &mut features {
            one.vector = vec![11; 128];
        }
        let near = neighbours(&Pool::new(&features));
        assert!(near.iter().all(|list| (1..=NEIGHBOURS * TREES as usize).contains(&list.len())));
    }
}
