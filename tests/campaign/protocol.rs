//! A model of the commit protocol and of prune, and a search through everything that two ingests and two prunes can do to each other.
//!
//! Each actor is a list of steps, each step one call to the storage. Between any two steps every other actor may take any number of
//! its own, and any actor may stop for good at any step: that it does is the case in which the others go on without it. Clocks do
//! not exist: a grace is always over, and an ingest can be taken for dead at any moment. What is searched for is a state in which a
//! published record needs a chunk that no pack holds.
//!
//! There is one chunk. It lies in pack 0, which no record needs at the start; every ingest stores a snapshot that needs it.
//!
//! A model that finds nothing proves little unless it finds something where there is something to find: [`Wrong`] lists protocols that
//! look nearly right, each of which must be caught.

use std::collections::{HashMap, VecDeque};

/// A way in which the protocol would be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// A prune takes marks back when a record needs what lies in the pack.
    MarksTakenBack,
    /// An ingest does not announce what it relies on.
    NoPending,
    /// A pack with the same chunks has the same name as one that was removed.
    RecurringNames,
    /// The pending object of an ingest that is taken for dead goes, and it may publish all the same.
    NoVoid,
    /// Before it removes, a prune lists records first and pending objects after them.
    RecordsBeforePending,
    /// An ingest looks at the marks before it announces what it relies on, and not after.
    MarksBeforePending,
    /// A prune removes without asking again who needs something.
    NoSecondLook,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MarksTakenBack,
        Self::NoPending,
        Self::RecurringNames,
        Self::NoVoid,
        Self::RecordsBeforePending,
        Self::MarksBeforePending,
        Self::NoSecondLook,
    ];
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cast {
    /// Ingests, at most two.
    pub ingests: usize,
    /// Prunes that run beside each other.
    pub prunes: usize,
    /// How often each prune runs, one time after the other.
    pub rounds: u8,
    /// Whether pack 0 is marked at the start.
    pub is_marked: bool,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// States that were seen.
    pub states: usize,
    /// The history that leads to a record without its chunk, one step a line.
    pub dangling: Option<Vec<String>>,
}

/// A set of packs, one bit each.
type Packs = u8;

/// Names of packs there are at most; an actor that would need another one stops.
const NAMES: u8 = 8;

/// How often an ingest copies out before it gives up.
const ATTEMPTS_MAX: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Storage {
    present: Packs,
    marked: Packs,
    next_name: u8,
    /// What the ingest's pending object names; 0 is none.
    pending: [Packs; 2],
    record: [bool; 2],
    void: [bool; 2],
}

/// Where an ingest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ingest {
    LooksUp,
    Announces { needs: Packs, attempt: u8 },
    ListsMarks { needs: Packs, attempt: u8 },
    ListsPacks { needs: Packs, marked: Packs, attempt: u8 },
    CopiesOut { attempt: u8 },
    Publishes,
    Withdraws,
    Over,
}

/// Where a prune is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Prune {
    ListsMarks,
    ListsPacks { marked: Packs },
    ListsRecords { marked: Packs, packs: Packs },
    Voids { plan: Plan, ingest: u8 },
    Buries { plan: Plan, ingest: u8 },
    ListsPendingAgain { plan: Plan },
    ListsRecordsAgain { plan: Plan, named: Packs },
    LooksAgain { plan: Plan, is_needed: bool },
    Removes { plan: Plan },
    Unmarks { plan: Plan, left: Packs },
    Rewrites { plan: Plan },
    Marks { condemned: Packs },
    Over,
}

/// What a prune decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Plan {
    remove: Packs,
    condemn: Packs,
    /// The pack that is needed and would be rewritten; 0 is none.
    rewrite: Packs,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    storage: Storage,
    ingests: Vec<Ingest>,
    /// Where each prune is, and how often it will begin anew.
    prunes: Vec<(Prune, u8)>,
}

/// Searches all histories.
#[must_use]
pub fn search(cast: Cast, wrong: Option<Wrong>) -> Searched {
    let storage = Storage {
        present: 1,
        marked: u8::from(cast.is_marked),
        next_name: 1,
        pending: [0; 2],
        record: [false; 2],
        void: [false; 2],
    };
    let start = State {
        storage,
        ingests: vec![Ingest::LooksUp; cast.ingests],
        prunes: vec![(Prune::ListsMarks, cast.rounds - 1); cast.prunes],
    };
    // For each state the one before it and the step between them.
    let mut seen: HashMap<State, Option<(State, String)>> = HashMap::from([(start.clone(), None)]);
    let mut waiting = VecDeque::from([start]);
    while let Some(state) = waiting.pop_front() {
        for (step, next) in successors(&state, wrong) {
            if seen.contains_key(&next) {
                continue;
            }
            let dangles = next.storage.dangles();
            seen.insert(next.clone(), Some((state.clone(), step)));
            if dangles {
                return Searched { states: seen.len(), dangling: Some(history(&seen, &next)) };
            }
            waiting.push_back(next);
        }
    }
    Searched { states: seen.len(), dangling: None }
}

fn history(seen: &HashMap<State, Option<(State, String)>>, last: &State) -> Vec<String> {
    let mut steps = Vec::new();
    let mut state = last;
    while let Some(Some((before, step))) = seen.get(state) {
        steps.push(step.clone());
        state = before;
    }
    steps.reverse();
    steps
}

impl Storage {
    fn dangles(&self) -> bool {
        self.record.contains(&true) && self.present == 0
    }

    /// Writes a new pack that holds the chunk; `None` when the names are used up.
    fn write(&mut self, wrong: Option<Wrong>) -> Option<Packs> {
        let name = match wrong {
            Some(Wrong::RecurringNames) => 0,
            _ if self.next_name == NAMES => return None,
            _ => {
                self.next_name += 1;
                self.next_name - 1
            }
        };
        self.present |= 1 << name;
        Some(1 << name)
    }
}

/// The lowest pack of a set, as a set.
fn lowest(packs: Packs) -> Packs {
    packs & packs.wrapping_neg()
}

fn successors(state: &State, wrong: Option<Wrong>) -> Vec<(String, State)> {
    let mut next = Vec::new();
    for (number, ingest) in state.ingests.iter().enumerate() {
        let mut after = state.clone();
        if let Some(there) = step_ingest(*ingest, number, &mut after.storage, wrong) {
            after.ingests[number] = there;
            next.push((format!("ingest {number}: {ingest:?} -> {there:?}"), after));
        }
    }
    for (number, (prune, rounds)) in state.prunes.iter().enumerate() {
        for choice in [false, true] {
            let mut after = state.clone();
            if let Some(there) = step_prune(*prune, choice, &mut after.storage, wrong) {
                after.prunes[number] = match there {
                    Prune::Over if *rounds > 0 => (Prune::ListsMarks, rounds - 1),
                    there => (there, *rounds),
                };
                next.push((format!("prune {number}: {prune:?} -> {there:?}"), after));
            }
        }
    }
    next
}

/// Takes one step; `None` when there is none.
fn step_ingest(ingest: Ingest, number: usize, storage: &mut Storage, wrong: Option<Wrong>) -> Option<Ingest> {
    Some(match ingest {
        Ingest::LooksUp => {
            let sound = storage.present & !storage.marked;
            let needs = match sound {
                0 => storage.write(wrong)?,
                sound => lowest(sound),
            };
            match wrong {
                Some(Wrong::MarksBeforePending) => Ingest::ListsMarks { needs, attempt: 0 },
                _ => Ingest::Announces { needs, attempt: 0 },
            }
        }
        Ingest::Announces { needs, attempt } => {
            if wrong != Some(Wrong::NoPending) {
                storage.pending[number] = needs;
            }
            match wrong {
                Some(Wrong::MarksBeforePending) => Ingest::Publishes,
                _ => Ingest::ListsMarks { needs, attempt },
            }
        }
        Ingest::ListsMarks { needs, attempt } => Ingest::ListsPacks { needs, marked: storage.marked, attempt },
        Ingest::ListsPacks { needs, marked, attempt } => match needs & storage.present & !marked == needs {
            true if wrong == Some(Wrong::MarksBeforePending) => Ingest::Announces { needs, attempt },
            true => Ingest::Publishes,
            false if attempt == ATTEMPTS_MAX => Ingest::Withdraws,
            false => Ingest::CopiesOut { attempt: attempt + 1 },
        },
        Ingest::CopiesOut { attempt } => match storage.present {
            // Nothing to copy from: nothing is published.
            0 => Ingest::Withdraws,
            _ => Ingest::Announces { needs: storage.write(wrong)?, attempt },
        },
        Ingest::Publishes => {
            storage.record[number] = !storage.void[number];
            Ingest::Withdraws
        }
        Ingest::Withdraws => {
            storage.pending[number] = 0;
            Ingest::Over
        }
        Ingest::Over => return None,
    })
}

/// Takes one step. `choice` is what nobody can foresee: whether an ingest is taken for dead, whether a pack is worth rewriting.
fn step_prune(prune: Prune, choice: bool, storage: &mut Storage, wrong: Option<Wrong>) -> Option<Prune> {
    let any_record = |storage: &Storage| storage.record.contains(&true);
    Some(match prune {
        Prune::ListsMarks => Prune::ListsPacks { marked: storage.marked },
        Prune::ListsPacks { marked } => Prune::ListsRecords { marked, packs: storage.present },
        Prune::ListsRecords { marked, packs } => {
            let is_back = wrong == Some(Wrong::MarksTakenBack) && any_record(storage);
            if is_back {
                storage.marked &= !marked;
            }
            let marked = if is_back { 0 } else { marked };
            let candidates = packs & !marked;
            let needed = if any_record(storage) { lowest(candidates) } else { 0 };
            let rewrite = if choice { needed } else { 0 };
            Prune::Voids { plan: Plan { remove: marked, condemn: candidates & !needed, rewrite }, ingest: 0 }
        }
        Prune::Voids { plan, ingest } => take_for_dead(plan, ingest, choice, storage, wrong),
        Prune::Buries { plan, ingest } => {
            storage.pending[usize::from(ingest)] = 0;
            Prune::Voids { plan, ingest: ingest + 1 }
        }
        Prune::ListsPendingAgain { plan } if plan.remove == 0 => Prune::Rewrites { plan },
        Prune::ListsPendingAgain { plan } if wrong == Some(Wrong::NoSecondLook) => Prune::Removes { plan },
        // The wrong order: what is needed is looked at first, and the names of pending objects after it.
        Prune::ListsPendingAgain { plan } if wrong == Some(Wrong::RecordsBeforePending) => {
            Prune::LooksAgain { plan, is_needed: any_record(storage) }
        }
        Prune::ListsPendingAgain { plan } => {
            Prune::ListsRecordsAgain { plan, named: storage.pending[0] | storage.pending[1] }
        }
        Prune::ListsRecordsAgain { mut plan, named } => {
            plan.remove &= !named;
            Prune::LooksAgain { plan, is_needed: any_record(storage) }
        }
        Prune::LooksAgain { mut plan, is_needed } => {
            if wrong == Some(Wrong::RecordsBeforePending) {
                plan.remove &= !(storage.pending[0] | storage.pending[1]);
            }
            let sound = storage.present & !storage.marked;
            if is_needed && sound == 0 && plan.remove & storage.present != 0 {
                storage.write(wrong)?;
            }
            Prune::Removes { plan }
        }
        Prune::Removes { plan } => {
            storage.present &= !plan.remove;
            Prune::Unmarks { plan, left: plan.remove }
        }
        Prune::Unmarks { plan, left: 0 } => Prune::Rewrites { plan },
        Prune::Unmarks { plan, left } => {
            storage.marked &= !lowest(left);
            Prune::Unmarks { plan, left: left & !lowest(left) }
        }
        Prune::Rewrites { plan } if plan.rewrite & storage.present == 0 => Prune::Marks { condemned: plan.condemn },
        Prune::Rewrites { plan } => {
            storage.write(wrong)?;
            Prune::Marks { condemned: plan.condemn | plan.rewrite }
        }
        Prune::Marks { condemned: 0 } => Prune::Over,
        Prune::Marks { condemned } => {
            storage.marked |= lowest(condemned);
            Prune::Marks { condemned: condemned & !lowest(condemned) }
        }
        Prune::Over => return None,
    })
}

/// Goes through the pending objects; of each ingest `is_dead` says whether it is taken for dead.
fn take_for_dead(plan: Plan, ingest: u8, is_dead: bool, storage: &mut Storage, wrong: Option<Wrong>) -> Prune {
    match storage.pending.get(usize::from(ingest)) {
        None => Prune::ListsPendingAgain { plan },
        Some(&named) if named == 0 || !is_dead => Prune::Voids { plan, ingest: ingest + 1 },
        Some(_) => {
            let number = usize::from(ingest);
            if wrong != Some(Wrong::NoVoid) {
                storage.void[number] |= !storage.record[number];
            }
            Prune::Buries { plan, ingest }
        }
    }
}
