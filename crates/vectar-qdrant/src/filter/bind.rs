//! Tells a filter which fields have an index.

use std::sync::Arc;

use super::condition::{Clauses, Condition, FieldCondition};
use super::error::FilterError;
use super::index::FieldIndex;
use super::matching::{Match, TextKind};
use super::payload_path::PayloadPath;
use crate::collection_files::{PayloadField, PayloadSchema};

/// The indexed fields that conditions at some place can name.
#[derive(Clone)]
pub(super) struct IndexedFields(Vec<(PayloadPath, Indexes)>);

#[derive(Clone)]
struct Indexes {
    /// The key as the schema spells it.
    field: String,
    /// In the order they are asked, or what the field has that is not known here.
    list: Result<Arc<[FieldIndex]>, String>,
}

impl Indexes {
    fn list(&self) -> Result<&Arc<[FieldIndex]>, FilterError> {
        self.list.as_ref().map_err(|what| self.not_evaluated(what.clone()))
    }

    fn not_evaluated(&self, what: String) -> FilterError {
        FilterError::IndexNotEvaluated { field: self.field.clone(), what }
    }
}

impl IndexedFields {
    /// Fields whose name is no payload key are left out: no condition can name them.
    pub(super) fn of(schema: &PayloadSchema) -> Self {
        let field = |(name, field): (&String, &PayloadField)| {
            let list = FieldIndex::all_of(field).map(Arc::from);
            Some((PayloadPath::parse(name).ok()?, Indexes { field: name.clone(), list }))
        };
        Self(schema.iter().filter_map(field).collect())
    }

    /// The fields below an array, as a condition nested in it names them.
    fn below(&self, array: &PayloadPath) -> Self {
        let field = |(path, indexes): &(PayloadPath, Indexes)| Some((path.below(array)?, indexes.clone()));
        Self(self.0.iter().filter_map(field).collect())
    }

    fn of_path(&self, path: &PayloadPath) -> Option<&Indexes> {
        self.0.iter().find(|(indexed, _)| indexed == path).map(|(_, indexes)| indexes)
    }

    pub(super) fn bind(&self, clauses: &mut Clauses) -> Result<(), FilterError> {
        clauses.conditions_mut().try_for_each(|condition| match condition {
            Condition::Field(condition) => self.bind_field(condition),
            Condition::IsNull(condition) => {
                condition.is_indexed = self.of_path(&condition.path).map(Indexes::list).transpose()?.is_some();
                Ok(())
            }
            // Every index that is known answers as the payload does.
            Condition::IsEmpty(path) => self.of_path(path).map_or(Ok(()), |indexes| indexes.list().map(drop)),
            Condition::Filter(clauses) => self.bind(clauses),
            Condition::Nested(nested) => self.below(&nested.array).bind(&mut nested.clauses),
            Condition::HasId(_) | Condition::HasVector(_) | Condition::Slice(_) => Ok(()),
        })
    }

    fn bind_field(&self, condition: &mut FieldCondition) -> Result<(), FilterError> {
        condition.text_query = None;
        condition.indexes = Arc::from([]);
        let Some(indexes) = self.of_path(&condition.path) else { return Ok(()) };
        let list = indexes.list()?;
        condition.indexes = Arc::clone(list);
        let Some(Match::Text(text)) = &condition.clauses.matching else { return Ok(()) };
        let Some(FieldIndex::Text(index)) = list.iter().find(|index| matches!(index, FieldIndex::Text(_))) else {
            return Ok(());
        };
        let tokenizer = index.tokenizer.as_ref().map_err(|what| indexes.not_evaluated(what.clone()))?;
        if text.kind == TextKind::Phrase && !tokenizer.knows_phrases() {
            return Err(indexes.not_evaluated("a text index with the tokenizer \"prefix\", asked for a phrase".into()));
        }
        condition.text_query = Some(tokenizer.query(text.kind, &text.text));
        Ok(())
    }
}
