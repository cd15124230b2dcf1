//! What the engine is asked about a shard that it has loaded, held against what the files say: how many points, which, and of some what they
//! hold.

use std::{
    collections::{BTreeSet, HashMap},
    slice,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vectar_qdrant::{PointId, QdrantErrorKind};

use super::{
    ShardDrill,
    compare::compare_point,
    dialogue::{Dialogue, Wrong},
    process::Silence,
    shard::{Halt, Place},
    tail::Tail,
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
    /// Compares how many points there are, and returns those that are not to be compared; `None` when none is.
    pub(super) fn counts(&mut self) -> Result<Option<BTreeSet<PointId>>, Halt> {
        self.drill.points = count(self.inside, &PointQuery::default(), self.place.subject.cancel)?;
        let (held, counted) = (self.drill.points, self.drill.points_in_engine.unwrap_or_default());
        let Tail { operations, touched } = Tail::of(self.inside)?;
        match touched {
            Err(why) => {
                let counts = format!("{held} in the segments, {counted} in the engine");
                self.drill.notes.push(format!("no points were compared: {why} ({counts})"));
                Ok(None)
            }
            Ok(touched) if touched.is_empty() && counted != held => {
                Err(Halt::Problem(format!("the engine counts {counted} points, the files hold {held}")))
            }
            Ok(touched) => {
                if !touched.is_empty() {
                    let points = touched.len();
                    self.drill.notes.push(format!(
                        "{points} points were not compared: {operations} operations in its write-ahead log, which no segment has and the engine \
                         applied, name them ({held} in the segments, {counted} in the engine)"
                    ));
                }
                Ok(Some(touched))
            }
        }
    }

    /// Compares all ids but those, and returns the points of the sample as the files say they are.
    pub(super) fn sample(&mut self, touched: &BTreeSet<PointId>) -> Result<Vec<Point>, Halt> {
        let subject = self.place.subject;
        let stride = self.drill.points.div_ceil(subject.options.sample_points.max(1)).max(1);
        let first = subject.seed % stride;
        let (mut hasher, mut index, mut ids) = (Sha256::new(), 0, Vec::new());
        let query = PointQuery { without_payload: true, ..PointQuery::default() };
        scroll(self.inside, &query, subject.cancel, |point| {
            if touched.contains(&point.id) {
                return Ok(());
            }
            hasher.update(format!("{}\n", point.id));
            if index % stride == first {
                ids.push(point.id);
            }
            index += 1;
            Ok(())
        })?;
        let said = self.dialogue.ids(touched);
        let (counted, digest) = said.map_err(|wrong| self.place.halt("list its ids", wrong))?;
        if (counted, digest) != (index, hex(&hasher.finalize())) {
            return Err(Halt::Problem("the engine lists other ids than the files hold".to_owned()));
        }
        let more = self.drill.points_in_engine.unwrap_or_default().checked_sub(index);
        if more.is_none_or(|more| more > touched.len() as u64) {
            return Err(Halt::Problem("the engine counts other points than it lists".to_owned()));
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
