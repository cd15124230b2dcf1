//! What the engine is asked about a shard that it has loaded, held against what the files say: how many points, which, and of some what they
//! hold.

use std::{collections::HashMap, slice};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vectar_qdrant::{PointId, QdrantErrorKind};

use super::{
    ShardDrill,
    compare::compare_point,
    dialogue::{Dialogue, Wrong},
    process::Silence,
    shard::{Halt, Place},
};
use crate::{
    error::Error,
    inside::Inside,
    points::{Point, PointQuery, count, scroll},
    words::hex,
};

/// Points asked for at once.
const POINTS_AT_ONCE: usize = 16;

/// The questions about a shard, and what came of them.
pub(super) struct Questions<'q> {
    pub(super) inside: &'q Inside<'q, 'q>,
    pub(super) dialogue: Dialogue<'q>,
    pub(super) place: &'q Place<'q>,
    pub(super) drill: &'q mut ShardDrill,
}

impl Questions<'_> {
    /// Compares how many points there are. `false` when nothing else can be compared.
    pub(super) fn counts(&mut self) -> Result<bool, Halt> {
        self.drill.points = count(self.inside, &PointQuery::default(), self.place.subject.cancel)?;
        let (held, counted) = (self.drill.points, self.drill.points_in_engine.unwrap_or_default());
        let entries: u64 = self.inside.wal_tails(None, None)?.iter().map(|tail| tail.entries).sum();
        if entries > 0 {
            self.drill.notes.push(format!(
                "points were not compared: its write-ahead log holds {entries} operations that no segment has, and the engine applied them \
                 ({held} points in the segments, {counted} in the engine)"
            ));
            return Ok(false);
        }
        match counted == held {
            true => Ok(true),
            false => Err(Halt::Problem(format!("the engine counts {counted} points, the files hold {held}"))),
        }
    }

    /// Compares all ids, and returns the points of the sample as the files say they are.
    pub(super) fn sample(&mut self) -> Result<Vec<Point>, Halt> {
        let subject = self.place.subject;
        let stride = self.drill.points.div_ceil(subject.options.sample_points.max(1)).max(1);
        let first = subject.seed % stride;
        let (mut hasher, mut index, mut ids) = (Sha256::new(), 0, Vec::new());
        let query = PointQuery { without_payload: true, ..PointQuery::default() };
        scroll(self.inside, &query, subject.cancel, |point| {
            hasher.update(format!("{}\n", point.id));
            if index % stride == first {
                ids.push(point.id);
            }
            index += 1;
            Ok(())
        })?;
        let said = self.dialogue.ids();
        let (counted, digest) = said.map_err(|wrong| self.place.halt("list its ids", wrong))?;
        if (counted, digest) != (index, hex(&hasher.finalize())) {
            return Err(Halt::Problem("the engine lists other ids than the files hold".to_owned()));
        }
        self.drill.agreed.ids = index;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.read(ids)
    }

    fn read(&mut self, ids: Vec<PointId>) -> Result<Vec<Point>, Halt> {
        let query = PointQuery { ids: Some(ids.into_iter().collect()), with_vectors: true, ..PointQuery::default() };
        let cancel = self.place.subject.cancel;
        let scrolled = |query: &PointQuery| {
            let mut points = Vec::new();
            scroll(self.inside, query, cancel, |point| {
                points.push(point);
                Ok(())
            })
            .map(|_| points)
        };
        match scrolled(&query) {
            Err(Error::NotReadable { source, .. }) if source.kind() == QdrantErrorKind::Unsupported => {
                let points = scrolled(&PointQuery { with_vectors: false, ..query })?;
                self.drill.notes.push(format!("vectors and searches were not compared: {source}"));
                Ok(points)
            }
            points => Ok(points?),
        }
    }

    /// Compares payloads and vectors. What is too long together is asked for one by one.
    pub(super) fn points(&mut self, sample: &[Point]) -> Result<(), Halt> {
        for some in sample.chunks(POINTS_AT_ONCE) {
            if self.compares(some)? {
                continue;
            }
            for point in some {
                if !self.compares(slice::from_ref(point))? {
                    let note = format!("point {} was not compared: the engine's answer about it is too long", point.id);
                    self.drill.notes.push(note);
                }
            }
        }
        Ok(())
    }

    /// Whether these points were compared: not when the answer about them is longer than any that is taken.
    fn compares(&mut self, some: &[Point]) -> Result<bool, Halt> {
        let ids: Vec<Value> = some.iter().map(|point| json!(point.id)).collect();
        let said = match self.dialogue.points(&ids) {
            Err(Wrong::Silence(Silence::Endless)) => return Ok(false),
            said => said.map_err(|wrong| self.place.halt("give its points back", wrong))?,
        };
        let said: HashMap<String, &Value> = said.iter().map(|point| (point["id"].to_string(), point)).collect();
        for (point, id) in some.iter().zip(&ids) {
            let Some(said) = said.get(&id.to_string()) else {
                return Err(Halt::Problem(format!("point {} is in the files and not in the engine", point.id)));
            };
            self.drill.agreed.vectors += compare_point(point, said).map_err(Halt::Problem)?.vectors;
            self.drill.agreed.payloads += 1;
        }
        Ok(true)
    }
}
