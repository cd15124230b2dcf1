//! The life of every point as a pure function of the options: which points there are, where they lie, what changed.
//!
//! Nothing is remembered per point. A point is a number, the order of its insertion; its id, shard and segment are
//! drawn from it, and what a step does to it is decided by a coin drawn from (step, point).
//!
//! Words used here: a *build* is generation 0 or a step that rebuilds; the *era* of a generation runs from the last
//! build at or before it. Points alive at the build lie in optimized segments; whoever is touched later in the era
//! lies in an appendable segment, as Qdrant moves them there (format reference §5.2). A *vacuum* makes one optimized
//! segment anew from the rows that still count, and begins no era.

use super::noise::{Permutation, Role, below, draw, spell_uuid, uuid_v4};
use super::options::{CorpusOptions, IdKind, POINTS_PER_SEGMENT_MAX, Step};

/// Most points of one `upsert_points` operation; large rows make smaller batches.
const UPSERT_POINTS_MAX: u64 = 256;
/// An upsert operation is kept near this size, far below a WAL segment's 32 MiB.
const UPSERT_BYTES_TARGET: u64 = 4 << 20;
/// Points that one `set_payload` operation may choose among.
const PAYLOAD_RANGE_POINTS: u64 = 1 << 14;
/// Points that one `delete_points` operation may choose among.
const DELETE_RANGE_POINTS: u64 = 1 << 16;

/// A point's external id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PointId {
    /// An unsigned number.
    Number(u64),
    /// 16 bytes in canonical (big-endian) order.
    Uuid([u8; 16]),
}

impl PointId {
    /// Spells the id as the API does.
    pub(super) fn spell(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Uuid(uuid) => spell_uuid(uuid),
        }
    }
}

/// What one step does to one point. A deleted point is not changed in the same step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) born: bool,
    pub(super) payload: bool,
    pub(super) vector: bool,
    pub(super) deleted: bool,
}

impl Event {
    /// Whether the step writes a new version of the point.
    pub(super) fn writes(self) -> bool {
        self.born || self.payload || self.vector
    }
}

/// Where a point stands after some step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// The step that inserted it; 0 is the base.
    pub(super) born_step: u32,
    /// The step that deleted it.
    pub(super) died_step: Option<u32>,
    /// The step of its present vector; equal to `born_step` when it never changed.
    pub(super) vector_step: u32,
    /// The step of its present `reviewed` key; 0 when it has none.
    pub(super) payload_step: u32,
    /// Number of the last operation that touched it.
    pub(super) version: u64,
    /// The first step of the present era that wrote it: from then on it lies in an appendable segment.
    pub(super) moved_step: Option<u32>,
}

/// Numbers of the operations of one step: the first of each kind, in this order, and one past the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepOperations {
    pub(super) insert: u64,
    pub(super) payload: u64,
    pub(super) vector: u64,
    pub(super) delete: u64,
    pub(super) end: u64,
}

/// What one operation of a WAL does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// Insert or replace these points, as they are after this step.
    Upsert { step: u32, points: Vec<u64> },
    /// Set `reviewed` to the step's number.
    SetPayload { step: u32, points: Vec<u64> },
    /// Delete these points.
    Delete { points: Vec<u64> },
}

/// All points of a corpus over all generations.
#[derive(Debug)]
pub(super) struct Population<'o> {
    options: &'o CorpusOptions,
    /// Points ever inserted after each step; index 0 is the base.
    inserted: Vec<u64>,
    operations: Vec<StepOperations>,
    permutation: Permutation,
    segments_per_shard: u64,
    upsert_points: u64,
}

impl<'o> Population<'o> {
    /// Lays out the series; the options have been validated.
    pub(super) fn new(options: &'o CorpusOptions) -> Self {
        let mut inserted = vec![options.points];
        for step in &options.steps {
            let before = inserted[inserted.len() - 1];
            inserted.push(before + step.inserted(before));
        }
        let last = inserted[inserted.len() - 1];
        let bits = u64::BITS - (last.max(2) - 1).leading_zeros();
        let point_bytes = (options.dimensions * 5 + options.payload_bytes + 200) as u64;
        let upsert_points = (UPSERT_BYTES_TARGET / point_bytes).clamp(1, UPSERT_POINTS_MAX);
        // Hashing spreads points unevenly by a few standard deviations; an eighth more room covers it.
        let rows = last.div_ceil(u64::from(options.shards));
        let segments_needed = (rows + rows / 8).div_ceil(POINTS_PER_SEGMENT_MAX);
        let mut population = Self {
            options,
            inserted,
            operations: Vec::new(),
            permutation: Permutation::new(options.seed, bits),
            segments_per_shard: segments_needed.max(u64::from(options.segments_per_shard)),
            upsert_points,
        };
        population.number_operations();
        population
    }

    fn number_operations(&mut self) {
        // Operation 0 is the empty upsert with which Qdrant opens a new shard's WAL.
        let mut next = 1;
        for step in 0..self.inserted.len() {
            let before = if step == 0 { 0 } else { self.inserted[step - 1] };
            let ranges = |rate: u32, points: u64| {
                if rate == 0 { 0 } else { before.div_ceil(points) }
            };
            let rates = step.checked_sub(1).map(|index| &self.options.steps[index]);
            let insert = next;
            let payload = insert + (self.inserted[step] - before).div_ceil(self.upsert_points);
            let vector = payload + ranges(rates.map_or(0, |r| r.payload_permille), PAYLOAD_RANGE_POINTS);
            let delete = vector + ranges(rates.map_or(0, |r| r.vector_permille), self.upsert_points);
            let end = delete + ranges(rates.map_or(0, |r| r.delete_permille), DELETE_RANGE_POINTS);
            self.operations.push(StepOperations { insert, payload, vector, delete, end });
            next = end;
        }
    }

    pub(super) fn options(&self) -> &'o CorpusOptions {
        self.options
    }

    /// Points ever inserted up to and including a generation.
    pub(super) fn inserted(&self, generation: u32) -> u64 {
        self.inserted[generation as usize]
    }

    /// Optimized segments of each shard, the same in every generation.
    pub(super) fn segments_per_shard(&self) -> u64 {
        self.segments_per_shard
    }

    /// Number of the last operation up to and including a generation.
    pub(super) fn last_operation(&self, generation: u32) -> u64 {
        self.operations[generation as usize].end - 1
    }

    /// The last step at or before a generation that has operations; 0 is the base.
    pub(super) fn last_written_step(&self, generation: u32) -> u32 {
        let writes = |step: &u32| {
            let operations = self.operations[*step as usize];
            operations.end > operations.insert
        };
        (0..=generation).rev().find(writes).unwrap_or(0)
    }

    /// The last build at or before a generation.
    pub(super) fn build_of(&self, generation: u32) -> u32 {
        (1..=generation).rev().find(|&step| self.step(step).rebuild).unwrap_or(0)
    }

    /// The last step at or before a generation that made the optimized segment of a slot: a build, or a vacuum.
    pub(super) fn made_of(&self, generation: u32, slot: u64) -> u32 {
        let makes = |step: &Step| step.rebuild || slot < u64::from(step.vacuum_segments);
        (1..=generation).rev().find(|&step| makes(self.step(step))).unwrap_or(0)
    }

    /// Appendable segments of each shard during the era of a generation: one, or as many as the era's writes need.
    pub(super) fn appendables_per_shard(&self, generation: u32) -> u64 {
        let build = self.build_of(generation);
        let end = (build + 1..=self.options.last_generation())
            .find(|&step| self.step(step).rebuild)
            .unwrap_or(self.options.last_generation() + 1);
        let touched: u64 = (build + 1..end)
            .map(|step| {
                let before = self.inserted(step - 1);
                let rate = u64::from(self.step(step).payload_permille + self.step(step).vector_permille);
                self.inserted(step) - before + before * rate / 1000
            })
            .sum();
        let rows = touched.div_ceil(u64::from(self.options.shards));
        (rows + rows / 8).div_ceil(POINTS_PER_SEGMENT_MAX).max(1)
    }

    /// The shard a point belongs to.
    pub(super) fn shard_of(&self, point: u64) -> u64 {
        below(draw(self.options.seed, Role::Shard, point, 0), u64::from(self.options.shards))
    }

    /// The optimized segment of its shard a point belongs to.
    pub(super) fn slot_of(&self, point: u64) -> u64 {
        below(draw(self.options.seed, Role::Slot, point, 0), self.segments_per_shard)
    }

    /// The appendable segment of its shard, out of `appendables`, a moved point belongs to.
    pub(super) fn appendable_of(&self, point: u64, appendables: u64) -> u64 {
        below(draw(self.options.seed, Role::Appendable, point, 0), appendables)
    }

    /// A point's id. The order of UUIDs is the order of the permuted point numbers, which is how they can be listed
    /// in order without being sorted.
    pub(super) fn id(&self, point: u64) -> PointId {
        if self.is_number(point) {
            return PointId::Number(point);
        }
        let rank = self.permutation.apply(point);
        let shift = u64::BITS - self.permutation.domain().trailing_zeros();
        let noise = draw(self.options.seed, Role::PointUuid, point, 0);
        let tail = draw(self.options.seed, Role::PointUuid, point, 1);
        PointId::Uuid(uuid_v4((rank << shift) | (noise >> (u64::BITS - shift)), tail))
    }

    fn is_number(&self, point: u64) -> bool {
        match self.options.ids {
            IdKind::Numeric => true,
            IdKind::Uuid => false,
            IdKind::Mixed => point.is_multiple_of(2),
        }
    }

    /// Lists the points inserted up to a generation, dead ones too, ascending by id: numbers, then UUIDs by bytes.
    pub(super) fn in_id_order(&self, generation: u32) -> impl Iterator<Item = u64> + '_ {
        let inserted = self.inserted(generation);
        let (numbers, ranks) = match self.options.ids {
            IdKind::Numeric => (inserted, 0),
            IdKind::Uuid => (0, self.permutation.domain()),
            IdKind::Mixed => (inserted, self.permutation.domain()),
        };
        let numbers = (0..numbers).filter(|&point| self.is_number(point));
        let uuids = (0..ranks)
            .map(|rank| self.permutation.invert(rank))
            .filter(move |&point| point < inserted && !self.is_number(point));
        numbers.chain(uuids)
    }

    /// What a step (1 or later) does to a point that is alive before it, or inserts.
    pub(super) fn event(&self, point: u64, step: u32) -> Event {
        let mut event = Event { born: false, payload: false, vector: false, deleted: false };
        if point >= self.inserted(step - 1) {
            event.born = point < self.inserted(step);
            return event;
        }
        let rates = self.step(step);
        event.deleted = self.coin(Role::DeleteCoin, point, step, rates.delete_permille);
        event.payload = !event.deleted && self.coin(Role::PayloadCoin, point, step, rates.payload_permille);
        event.vector = !event.deleted && self.coin(Role::VectorCoin, point, step, rates.vector_permille);
        event
    }

    fn coin(&self, role: Role, point: u64, step: u32, permille: u32) -> bool {
        permille > 0 && below(draw(self.options.seed, role, point, u64::from(step)), 1000) < u64::from(permille)
    }

    /// Where a point stands after a generation; `None` when it is not inserted yet.
    pub(super) fn life(&self, point: u64, generation: u32) -> Option<Life> {
        let born_step = (0..=generation).find(|&step| point < self.inserted(step))?;
        let before = if born_step == 0 { 0 } else { self.inserted(born_step - 1) };
        let version = self.operations[born_step as usize].insert + (point - before) / self.upsert_points;
        let stays = born_step > 0 && !self.step(born_step).rebuild;
        let mut life = Life {
            born_step,
            died_step: None,
            vector_step: born_step,
            payload_step: 0,
            version,
            moved_step: stays.then_some(born_step),
        };
        for step in born_step + 1..=generation {
            self.live_through(point, step, &mut life);
            if life.died_step.is_some() {
                break;
            }
        }
        Some(life)
    }

    fn live_through(&self, point: u64, step: u32, life: &mut Life) {
        let event = self.event(point, step);
        let operations = self.operations[step as usize];
        if event.payload {
            life.payload_step = step;
            life.version = operations.payload + point / PAYLOAD_RANGE_POINTS;
        }
        if event.vector {
            life.vector_step = step;
            life.version = operations.vector + point / self.upsert_points;
        }
        if event.writes() {
            life.moved_step = life.moved_step.or(Some(step));
        }
        if event.deleted {
            life.died_step = Some(step);
            life.version = operations.delete + point / DELETE_RANGE_POINTS;
        } else if self.step(step).rebuild {
            life.moved_step = None;
        }
    }

    /// What operation `number` (1 or later) does in a shard. Its points may be none.
    pub(super) fn operation(&self, number: u64, shard: u64) -> Operation {
        let step = self.operations.partition_point(|operations| operations.end <= number);
        let operations = self.operations[step];
        let step = u32::try_from(step).expect("a series has at most 1000 steps");
        let before = if step == 0 { 0 } else { self.inserted(step - 1) };
        if number < operations.payload {
            let first = before + (number - operations.insert) * self.upsert_points;
            let last = (first + self.upsert_points).min(self.inserted(step));
            let points = (first..last).filter(|&point| self.shard_of(point) == shard).collect();
            Operation::Upsert { step, points }
        } else if number < operations.vector {
            let points = self.chosen(number - operations.payload, PAYLOAD_RANGE_POINTS, step, shard, |e| e.payload);
            Operation::SetPayload { step, points }
        } else if number < operations.delete {
            let points = self.chosen(number - operations.vector, self.upsert_points, step, shard, |e| e.vector);
            Operation::Upsert { step, points }
        } else {
            let points = self.chosen(number - operations.delete, DELETE_RANGE_POINTS, step, shard, |e| e.deleted);
            Operation::Delete { points }
        }
    }

    /// The points of one range of a shard that were alive before a step and to which it does what `wanted` asks.
    fn chosen(&self, range: u64, points: u64, step: u32, shard: u64, wanted: impl Fn(Event) -> bool) -> Vec<u64> {
        let first = range * points;
        let last = (first + points).min(self.inserted(step - 1));
        (first..last)
            .filter(|&point| self.shard_of(point) == shard && wanted(self.event(point, step)))
            .filter(|&point| self.life(point, step - 1).is_some_and(|life| life.died_step.is_none()))
            .collect()
    }

    fn step(&self, step: u32) -> &Step {
        &self.options.steps[step as usize - 1]
    }
}
