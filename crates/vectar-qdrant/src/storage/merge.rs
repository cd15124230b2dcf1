//! Several lists of points as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::point_id::PointId;

/// Something that is listed by the id of a point.
pub trait ById {
    /// The id.
    fn id(&self) -> PointId;
}

/// Merges lists that ascend by id: the items of all of them with the place of their list, ascending; of equal ids that of the earlier list
/// first. An error ends its own list only, and comes as soon as it is met.
///
/// One item of each list is held; a step costs as many comparisons as the count of lists has bits.
#[derive(Debug)]
pub struct Merge<I, T, E> {
    lists: Vec<I>,
    /// The next item of each list.
    items: Vec<Option<T>>,
    /// The ids of these, the lowest on top.
    heads: BinaryHeap<Reverse<(PointId, usize)>>,
    failed: Vec<E>,
}

impl<I: Iterator<Item = Result<T, E>>, T: ById, E> Merge<I, T, E> {
    /// Reads the first item of each list.
    pub fn new(lists: impl IntoIterator<Item = I>) -> Self {
        let lists: Vec<I> = lists.into_iter().collect();
        let items = lists.iter().map(|_| None).collect();
        let mut merge = Self { heads: BinaryHeap::with_capacity(lists.len()), lists, items, failed: Vec::new() };
        for index in 0..merge.lists.len() {
            if let Some(id) = merge.refill(index) {
                merge.heads.push(Reverse((id, index)));
            }
        }
        merge
    }

    /// The next item if it is of this id. Does not wait for errors to be taken: they belong to other ids.
    pub fn next_of(&mut self, id: PointId) -> Option<(usize, T)> {
        let Reverse((next, _)) = self.heads.peek()?;
        if *next == id { self.pop() } else { None }
    }

    fn pop(&mut self) -> Option<(usize, T)> {
        let Reverse((_, index)) = *self.heads.peek()?;
        let item = self.items[index].take().expect("an id in the heap has its item");
        let following = self.refill(index);
        let mut top = self.heads.peek_mut().expect("it was looked at above");
        match following {
            Some(id) => *top = Reverse((id, index)),
            None => drop(PeekMut::pop(top)),
        }
        Some((index, item))
    }

    /// Reads the next item of a list and returns its id.
    fn refill(&mut self, index: usize) -> Option<PointId> {
        match self.lists[index].next() {
            Some(Ok(item)) => Some(self.items[index].insert(item).id()),
            Some(Err(error)) => {
                self.failed.push(error);
                None
            }
            None => None,
        }
    }
}

impl<I: Iterator<Item = Result<T, E>>, T: ById, E> Iterator for Merge<I, T, E> {
    type Item = Result<(usize, T), E>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.failed.pop() {
            Some(error) => Some(Err(error)),
            None => self.pop().map(Ok),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Item(u64);

    impl ById for Item {
        fn id(&self) -> PointId {
            PointId::Number(self.0)
        }
    }

    type Listed = Result<Item, &'static str>;

    fn merged(lists: &[&[Result<u64, &'static str>]]) -> Vec<Result<(usize, u64), &'static str>> {
        let lists =
            lists.iter().map(|list| list.iter().map(|item| item.map(Item)).collect::<Vec<Listed>>().into_iter());
        Merge::new(lists).map(|item| item.map(|(list, item)| (list, item.0))).collect()
    }

    #[test]
    fn items_of_all_lists_ascend_and_equal_ones_keep_the_order_of_the_lists() {
        let found = merged(&[&[Ok(1), Ok(4)], &[], &[Ok(1), Ok(2), Ok(9)], &[Ok(4)]]);
        assert_eq!(found, [Ok((0, 1)), Ok((2, 1)), Ok((2, 2)), Ok((0, 4)), Ok((3, 4)), Ok((2, 9))]);
        assert_eq!(merged(&[]), []);
    }

    #[test]
    fn an_error_ends_its_own_list_only() {
        let found = merged(&[&[Ok(1), Err("first")], &[Err("second")], &[Ok(2)]]);
        assert_eq!(found, [Err("second"), Ok((0, 1)), Err("first"), Ok((2, 2))]);
    }

    #[test]
    fn items_of_one_id_come_together_whatever_failed() {
        let lists = [vec![Listed::Ok(Item(3)), Err("end")], vec![Ok(Item(3)), Ok(Item(4))]];
        let mut merge = Merge::new(lists.map(Vec::into_iter));
        let id = PointId::Number(3);
        assert_eq!(merge.next(), Some(Ok((0, Item(3)))));
        assert_eq!((merge.next_of(id), merge.next_of(id)), (Some((1, Item(3))), None));
        assert_eq!(merge.collect::<Vec<_>>(), [Err("end"), Ok((1, Item(4)))]);
    }
}
