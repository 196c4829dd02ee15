//! Adding reports one by one, and keeping what people decide.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::counts::{self, Tally};
use super::fill::{bytes, place};
use super::{Store, failed, group, rows};
use crate::error::{Error, ErrorKind, Result};
use crate::features::Features;
use crate::link::frequency::{Class, Counted, Sort};
use crate::link::record::{Pool, PoolBuilder, Record};
use crate::link::weights::Weights;
use crate::link::{BEST, Decisions, Group, Link, Scorer, block, cluster, compare, neighbours};

/// Reports of a large block that are counted to weigh its key.
const COUNTED_MOST: u32 = 2000;

/// Cells whose vectors are compared with a new one.
const PROBES: usize = 3;

/// Vectors of a cell before it is cut in two.
const CELL_MOST: usize = 1200;

/// Pairs of a report with its course that are told at most.
const TOLD_MOST: usize = 40;

/// What became of one new report.
#[derive(Clone, Debug, PartialEq)]
pub struct Added {
    /// The report.
    pub report: String,
    /// Pairs with the course that it joined, and its best candidates, by the
    /// other's id.
    pub links: Vec<Link>,
    /// The course that it is in now, if any: its number and reports.
    pub course: Option<(i64, Group)>,
}

impl Store {
    /// Adds reports, in the order of their ids whatever order they come in.
    /// Each is linked with what the store holds; of the courses only those
    /// that it touches can change, and they can only grow.
    ///
    /// # Errors
    ///
    /// When the store holds one of the ids already or cannot be written; it
    /// is then as it was.
    pub fn add(&mut self, features: &[Features], weights: &Weights) -> Result<Vec<Added>> {
        let mut order: Vec<&Features> = features.iter().collect();
        order.sort_by(|a, b| a.id.cmp(&b.id));
        for (i, one) in order.iter().enumerate() {
            if self.holds(&one.id)? || i > 0 && order[i - 1].id == one.id {
                let what = format!("{}: the id {} is there already", self.path.display(), one.id);
                return Err(Error::new(ErrorKind::Arguments, what));
            }
        }
        let decisions = self.decisions()?;
        let path = self.path.clone();
        let fail = |error| failed(&path, error);
        let transaction = self.database.transaction().map_err(fail)?;
        let mut cells = Cells::read(&transaction).map_err(fail)?;
        let added = order
            .into_iter()
            .map(|f| add(&transaction, f, weights, &decisions, &mut cells))
            .collect::<rusqlite::Result<_>>()
            .map_err(fail)?;
        transaction.commit().map_err(fail)?;
        Ok(added)
    }

    /// Keeps a person's decision on two reports: that they are of one course
    /// (`true`), or are not. Their courses are joined or taken apart at once,
    /// and later runs keep to it. Gives the courses that the two are in now.
    ///
    /// # Errors
    ///
    /// When the store does not hold both reports, or cannot be written.
    pub fn decide(
        &mut self,
        a: &str,
        b: &str,
        together: bool,
        weights: &Weights,
    ) -> Result<[Option<(i64, Group)>; 2]> {
        for id in [a, b] {
            if !self.holds(id)? {
                let what = format!("{}: holds no report {id}", self.path.display());
                return Err(Error::new(ErrorKind::Arguments, what));
            }
        }
        if a == b {
            return Err(Error::new(
                ErrorKind::Arguments,
                format!("two reports are needed, given is {a} twice"),
            ));
        }
        let path = self.path.clone();
        let fail = |error| failed(&path, error);
        let transaction = self.database.transaction().map_err(fail)?;
        decide(&transaction, a, b, together, weights).map_err(fail)?;
        transaction.commit().map_err(fail)?;
        Ok([self.course_of(a)?, self.course_of(b)?])
    }
}

/// Centroids of the cells of near vectors.
struct Cells(Vec<(i64, Vec<i8>)>);

impl Cells {
    fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut select = db.prepare_cached("SELECT number, centroid FROM cell ORDER BY number")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, signed(row.get_ref(1)?.as_blob()?))))?;
        Ok(Self(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// Cells in the order of how near their centroids are.
    fn nearest(&self, vector: &[i8]) -> Vec<i64> {
        let mut order: Vec<(Reverse<i32>, i64)> = self
            .0
            .iter()
            .filter(|(_, centroid)| centroid.len() == vector.len())
            .map(|(cell, centroid)| (Reverse(compare::dot(vector, centroid)), *cell))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, cell)| cell).collect()
    }

    /// Reports with vectors near to that of a new one, which is then put into
    /// its own cell.
    fn meet(&mut self, db: &Connection, number: i64, record: &Record) -> rusqlite::Result<Vec<i64>> {
        if record.norm == 0.0 {
            return Ok(Vec::new());
        }
        let mut order = self.nearest(&record.vector);
        if order.is_empty() {
            let cell = self.0.iter().map(|(cell, _)| cell + 1).max().unwrap_or(0);
            db.execute("INSERT INTO cell VALUES (?1, ?2)", params![cell, bytes(&record.vector)])?;
            self.0.push((cell, record.vector.to_vec()));
            order.push(cell);
        }
        let mut near: Vec<(i64, i64)> = Vec::new();
        let mut own = 0;
        let mut select = db.prepare_cached("SELECT report, vector FROM near WHERE cell = ?1")?;
        for (i, cell) in order.iter().take(PROBES).enumerate() {
            let mut rows = select.query([cell])?;
            while let Some(row) = rows.next()? {
                let vector = row.get_ref(1)?.as_blob()?;
                own += usize::from(i == 0);
                if vector.len() == record.vector.len() {
                    // Vectors have about one length: their product ranks them as the cosine does.
                    let pairs = record.vector.iter().zip(vector);
                    let dot: i32 = pairs.map(|(x, y)| i32::from(*x) * i32::from(y.cast_signed())).sum();
                    near.push((-i64::from(dot), row.get(0)?));
                }
            }
        }
        near.sort_unstable();
        near.truncate(neighbours::NEIGHBOURS);
        db.prepare_cached("INSERT INTO near VALUES (?1, ?2, ?3)")?.execute(params![
            order[0],
            number,
            bytes(&record.vector)
        ])?;
        if own >= CELL_MOST {
            self.cut(db, order[0])?;
        }
        Ok(near.into_iter().map(|(_, report)| report).collect())
    }

    /// Cuts a cell that has grown too large in two.
    fn cut(&mut self, db: &Connection, cell: i64) -> rusqlite::Result<()> {
        let mut select = db.prepare_cached("SELECT report, vector FROM near WHERE cell = ?1")?;
        let rows = select.query_map([cell], |row| Ok((row.get(0)?, signed(row.get_ref(1)?.as_blob()?))))?;
        let rows: Vec<(i64, Vec<i8>)> = rows.collect::<rusqlite::Result<_>>()?;
        let vectors: Vec<&[i8]> = rows.iter().map(|(_, vector)| vector.as_slice()).collect();
        let (centroids, sides) = neighbours::in_two(&vectors);
        let new = self.0.iter().map(|(cell, _)| cell + 1).max().unwrap_or(0);
        let mut moved = db.prepare_cached("UPDATE near SET cell = ?1 WHERE cell = ?2 AND report = ?3")?;
        for ((report, _), side) in rows.iter().zip(sides) {
            if side == 1 {
                moved.execute(params![new, cell, report])?;
            }
        }
        let [first, second] = centroids;
        db.execute("UPDATE cell SET centroid = ?1 WHERE number = ?2", params![bytes(&first), cell])?;
        db.execute("INSERT INTO cell VALUES (?1, ?2)", params![new, bytes(&second)])?;
        if let Some(own) = self.0.iter_mut().find(|(number, _)| *number == cell) {
            own.1 = first;
        }
        self.0.push((new, second));
        Ok(())
    }
}

fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|x| x.cast_signed()).collect()
}

fn add(
    db: &Connection,
    f: &Features,
    weights: &Weights,
    decisions: &Decisions,
    cells: &mut Cells,
) -> rusqlite::Result<Added> {
    let mut builder = PoolBuilder::default();
    builder.extend(std::slice::from_ref(f));
    let before = Tally::new(db)?;
    let suspected = |surname: &str| before.count(Class::Part(Sort::Suspect), surname) > 0;
    counts::add(db, &builder.counted(&suspected))?;
    before.check()?;
    let number = rows::insert(db, f)?;
    let reports = super::reports(db)? + 1;
    db.prepare_cached("UPDATE about SET value = ?1 WHERE key = 'reports'")?.execute([reports.to_string()])?;

    let tally = Tally::new(db)?;
    let alone = builder.finish(Some(&tally));
    let record = &alone.records[0];
    let mut candidates = meet(db, number, &alone, record)?;
    candidates.extend(cells.meet(db, number, record)?);
    candidates.extend(decided_with(db, f, decisions)?);

    // The candidates, then also the courses of those that come near.
    let mut numbers: BTreeMap<String, i64> = BTreeMap::from([(f.id.clone(), number)]);
    let mut all = vec![f.clone()];
    load(db, &candidates, &mut all, &mut numbers)?;
    let mut pool = pool_of(&all, &tally);
    let touched = {
        let scorer = Scorer::with_decisions(&pool, weights, decisions);
        touched(&scorer, &f.id, &numbers, cluster::least_edge(weights.merge))
    };
    let mut courses: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut alone: Vec<i64> = Vec::new();
    for &report in &touched {
        match course_number(db, report)? {
            Some(course) => {
                if let std::collections::btree_map::Entry::Vacant(entry) = courses.entry(course) {
                    entry.insert(members(db, course)?);
                }
            }
            None => alone.push(report),
        }
    }
    let more: BTreeSet<i64> =
        courses.values().flatten().copied().filter(|n| !candidates.contains(n)).collect();
    if !more.is_empty() {
        load(db, &more, &mut all, &mut numbers)?;
        pool = pool_of(&all, &tally);
    }
    tally.check()?;

    let scorer = Scorer::with_decisions(&pool, weights, decisions);
    let place_of: BTreeMap<i64, usize> =
        numbers.iter().filter_map(|(id, number)| Some((*number, pool.place(id)?))).collect();
    let places =
        |reports: &[i64]| reports.iter().filter_map(|n| place_of.get(n).copied()).collect::<Vec<_>>();
    // Not sorted by number: numbers tell who came first, ids do not.
    let mut start: Vec<Vec<usize>> = courses.values().map(|members| places(members)).collect();
    start.extend(alone.iter().map(|report| places(&[*report])));
    start.push(places(&[number]));
    start.retain(|group| !group.is_empty());
    start.sort();
    let own = place_of.get(&number).copied();
    let joined =
        cluster::agglomerate(start, weights.merge, &|a, b| scorer.bits(a, b), &|a, b| scorer.decided(a, b))
            .into_iter()
            .find(|group| group.members.len() > 1 && own.is_some_and(|own| group.members.contains(&own)));

    let mut links = best(&scorer, own, joined.as_ref());
    if let Some(joined) = joined {
        let reports: Vec<i64> = joined
            .members
            .iter()
            .filter_map(|m| numbers.get(pool.records[*m].id.as_ref()).copied())
            .collect();
        let olds: Vec<i64> = courses
            .iter()
            .filter(|(_, members)| members.iter().any(|m| reports.contains(m)))
            .map(|(course, _)| *course)
            .collect();
        settle(db, &reports, &olds, joined.weakest_link_bits, joined.weakest_merge_bits)?;
    }
    for link in &links {
        let ends = [numbers.get(&link.a), numbers.get(&link.b)];
        if let [Some(a), Some(b)] = ends {
            db.prepare_cached("INSERT OR REPLACE INTO link VALUES (?1, ?2, ?3)")?.execute(params![
                a.min(b),
                a.max(b),
                link.bits
            ])?;
        }
    }
    links.sort_by(|x, y| (&x.a, &x.b).cmp(&(&y.a, &y.b)));
    let course = course_number(db, number)?
        .map(|course| group(db, course).map(|group| (course, group)))
        .transpose()?;
    Ok(Added { report: f.id.clone(), links, course })
}

/// Reports that share keys with a new one, the most promising; the new one's
/// own keys are put in.
fn meet(db: &Connection, number: i64, pool: &Pool, record: &Record) -> rusqlite::Result<BTreeSet<i64>> {
    let own = place(record);
    let most = compare::many(pool.reports) as usize;
    let mut met: BTreeMap<i64, (u32, i64)> = BTreeMap::new();
    let mut first = db.prepare_cached("SELECT report, place FROM block WHERE key = ?1 LIMIT ?2")?;
    let mut count =
        db.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM block WHERE key = ?1 LIMIT ?2)")?;
    let mut earlier = db.prepare_cached(
        "SELECT report, place FROM block WHERE key = ?1 AND place < ?2 ORDER BY place DESC, report DESC LIMIT ?3",
    )?;
    let mut later = db.prepare_cached(
        "SELECT report, place FROM block WHERE key = ?1 AND place >= ?2 ORDER BY place, report LIMIT ?3",
    )?;
    let mut insert = db.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3)")?;
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    for key in block::keys(pool, record) {
        let whole = block::is_whole(key);
        let key = key.cast_signed();
        let mut block: Vec<(i64, i64)> = first
            .query_map(params![key, block::BLOCK_WHOLE as u32 + 1], pair)?
            .collect::<rusqlite::Result<_>>()?;
        let mut holding = block.len();
        if holding > block::BLOCK_WHOLE {
            holding = count.query_row(params![key, COUNTED_MOST], |row| row.get::<_, u32>(0))? as usize;
            block = earlier
                .query_map(params![key, own, block::WINDOW as u32], pair)?
                .chain(later.query_map(params![key, own, block::WINDOW as u32], pair)?)
                .collect::<rusqlite::Result<_>>()?;
        }
        insert.execute(params![key, own, number])?;
        if holding == 0 || whole && holding > most {
            continue;
        }
        let weight = block::weight(pool.reports, holding + 1);
        for (report, place) in block {
            met.entry(report).or_insert((0, place)).0 += weight;
        }
    }
    let mut order: Vec<(Reverse<u32>, i64, i64)> =
        met.into_iter().map(|(report, (weight, place))| (Reverse(weight), place, report)).collect();
    order.sort_unstable();
    Ok(order.into_iter().take(block::CANDIDATES_MOST).map(|(_, _, report)| report).collect())
}

/// Reports of which people have decided something together with this one.
fn decided_with(db: &Connection, f: &Features, decisions: &Decisions) -> rusqlite::Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for (a, b, _) in decisions.pairs().filter(|(a, b, _)| *a == f.id || *b == f.id) {
        let other = if a == f.id { b } else { a };
        numbers.extend(number_of(db, other)?);
    }
    Ok(numbers)
}

fn number_of(db: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT number FROM report WHERE id = ?1")?;
    select.query_row([id], |row| row.get(0)).optional()
}

fn course_number(db: &Connection, report: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT course FROM report WHERE number = ?1")?.query_row([report], |row| row.get(0))
}

fn members(db: &Connection, course: i64) -> rusqlite::Result<Vec<i64>> {
    let mut select = db.prepare_cached("SELECT number FROM report WHERE course = ?1 ORDER BY id")?;
    select.query_map([course], |row| row.get(0))?.collect()
}

/// Reads reports that were not read yet.
fn load(
    db: &Connection,
    wanted: &BTreeSet<i64>,
    all: &mut Vec<Features>,
    numbers: &mut BTreeMap<String, i64>,
) -> rusqlite::Result<()> {
    for &number in wanted {
        let features = rows::features(db, number)?;
        if !numbers.contains_key(&features.id) {
            numbers.insert(features.id.clone(), number);
            all.push(features);
        }
    }
    Ok(())
}

fn pool_of(features: &[Features], tally: &Tally<'_>) -> Pool {
    let mut builder = PoolBuilder::default();
    builder.extend(features);
    builder.finish(Some(tally))
}

/// Reports whose pair with the new one can matter to a merge.
fn touched(scorer: &Scorer<'_>, id: &str, numbers: &BTreeMap<String, i64>, least: f64) -> Vec<i64> {
    let Some(own) = scorer.pool.place(id) else { return Vec::new() };
    (0..scorer.pool.records.len())
        .filter(|&other| other != own)
        .filter(|&other| scorer.decided(own, other) == Some(true) || scorer.bits(own, other) > least)
        .filter_map(|other| numbers.get(scorer.pool.records[other].id.as_ref()).copied())
        .collect()
}

/// The pairs of a new report with those of its group, and its best candidates.
fn best(scorer: &Scorer<'_>, own: Option<usize>, joined: Option<&cluster::Group>) -> Vec<Link> {
    let Some(own) = own else { return Vec::new() };
    let is_joined = |other: usize| joined.is_some_and(|g| g.members.contains(&other));
    let mut order: Vec<(f64, usize)> = (0..scorer.pool.records.len())
        .filter(|&other| other != own)
        .map(|other| (scorer.bits(own, other), other))
        .collect();
    order.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
    let (mut told, mut of_group) = (Vec::new(), 0);
    for (i, (_, other)) in order.into_iter().enumerate() {
        let linked = is_joined(other);
        of_group += usize::from(linked);
        if i < BEST || linked && of_group <= TOLD_MOST {
            told.push(scorer.link(own, other, linked));
        }
    }
    told
}

/// Makes reports one course: the lowest number of those that it grew out of,
/// or a new one.
fn settle(
    db: &Connection,
    reports: &[i64],
    olds: &[i64],
    weakest_link: f64,
    weakest_merge: f64,
) -> rusqlite::Result<()> {
    let (mut link, mut merge) = (weakest_link, weakest_merge);
    for old in olds {
        let mut select =
            db.prepare_cached("SELECT weakest_link_bits, weakest_merge_bits FROM course WHERE number = ?1")?;
        let (l, m): (f64, f64) = select.query_row([old], |row| Ok((row.get(0)?, row.get(1)?)))?;
        (link, merge) = (link.min(l), merge.min(m));
        db.prepare_cached("DELETE FROM course WHERE number = ?1")?.execute([old])?;
    }
    let number = match olds.iter().min() {
        Some(old) => *old,
        None => new_course(db)?,
    };
    db.prepare_cached("INSERT INTO course VALUES (?1, ?2, ?3)")?.execute(params![number, link, merge])?;
    let mut join = db.prepare_cached("UPDATE report SET course = ?1 WHERE number = ?2")?;
    for report in reports {
        join.execute(params![number, report])?;
    }
    Ok(())
}

/// A number that no course has or had.
fn new_course(db: &Connection) -> rusqlite::Result<i64> {
    let kept: Option<String> =
        db.query_row("SELECT value FROM about WHERE key = 'last_course'", [], |row| row.get(0)).optional()?;
    let kept: i64 = kept.and_then(|text| text.parse().ok()).unwrap_or(0);
    let most: Option<i64> = db.query_row("SELECT max(number) FROM course", [], |row| row.get(0))?;
    let new = kept.max(most.unwrap_or(0)) + 1;
    db.execute("INSERT OR REPLACE INTO about VALUES ('last_course', ?1)", [new.to_string()])?;
    Ok(new)
}

fn decide(db: &Connection, a: &str, b: &str, together: bool, weights: &Weights) -> rusqlite::Result<()> {
    db.execute("INSERT INTO decision VALUES (NULL, ?1, ?2, ?3)", params![a, b, together])?;
    let decisions = super::decisions(db)?;
    let mut olds: BTreeSet<i64> = BTreeSet::new();
    let mut wanted: BTreeSet<i64> = BTreeSet::new();
    for id in [a, b] {
        let Some(number) = number_of(db, id)? else { continue };
        wanted.insert(number);
        if let Some(course) = course_number(db, number)? {
            olds.insert(course);
            wanted.extend(members(db, course)?);
        }
    }
    let mut numbers = BTreeMap::new();
    let mut all = Vec::new();
    load(db, &wanted, &mut all, &mut numbers)?;
    let tally = Tally::new(db)?;
    let pool = pool_of(&all, &tally);
    tally.check()?;
    let scorer = Scorer::with_decisions(&pool, weights, &decisions);
    let groups = cluster::agglomerate(
        (0..pool.records.len()).map(|place| vec![place]).collect(),
        weights.merge,
        &|a, b| scorer.bits(a, b),
        &|a, b| scorer.decided(a, b),
    );
    for report in &wanted {
        db.prepare_cached("UPDATE report SET course = NULL WHERE number = ?1")?.execute([report])?;
    }
    for old in &olds {
        db.prepare_cached("DELETE FROM course WHERE number = ?1")?.execute([old])?;
    }
    // The old names go to the parts that come first; the others get new ones.
    let mut names = olds.into_iter();
    for group in groups.into_iter().filter(|g| g.members.len() > 1) {
        let number = match names.next() {
            Some(old) => old,
            None => new_course(db)?,
        };
        db.prepare_cached("INSERT INTO course VALUES (?1, ?2, ?3)")?.execute(params![
            number,
            group.weakest_link_bits,
            group.weakest_merge_bits
        ])?;
        for member in group.members {
            if let Some(report) = numbers.get(pool.records[member].id.as_ref()) {
                db.prepare_cached("UPDATE report SET course = ?1 WHERE number = ?2")?
                    .execute(params![number, report])?;
            }
        }
    }
    Ok(())
}
