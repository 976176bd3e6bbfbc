//! Questions asked at the same moment share one command. The first of them has it sent as soon as the tasks that are
//! ready to run have had their turn, with whatever they asked meanwhile: nobody waits for a timer, a lone question is
//! sent at once, and a crowd costs little more than one. What is asked is not known here.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::SetOnce;
use tokio::task::yield_now;

use crate::command::CommandError;

/// From so many askers on, whoever sends a batch looks for its answer some times before it sleeps: to fall asleep and be woken takes
/// longer than a server nearby.
const CROWD: usize = 8;
const LOOKS: usize = 20;

/// Collects questions of one kind.
#[derive(Debug)]
pub(crate) struct Batches<Q, A> {
    open: Arc<Open<Q, A>>,
    most: usize,
}

type Open<Q, A> = Mutex<Option<Arc<Batch<Q, A>>>>;

#[derive(Debug)]
struct Batch<Q, A> {
    asked: Mutex<Asked<Q>>,
    answer: SetOnce<Result<A, CommandError>>,
}

#[derive(Debug)]
struct Asked<Q> {
    questions: Vec<Q>,
    askers: usize,
}

/// A place in a batch.
#[derive(Debug)]
pub(crate) struct Place<Q, A> {
    batch: Arc<Batch<Q, A>>,
    /// Of the first of its questions among those of the batch.
    pub(crate) start: usize,
}

impl<Q: Send + 'static, A: Send + Sync + 'static> Batches<Q, A> {
    /// A batch is closed once it holds so many questions.
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most: most.max(1) }
    }

    /// Takes a place in the batch that goes next. Where there is none yet, `ask` will send it, in a task of its own: a
    /// caller that goes away takes nobody's answer along.
    pub(crate) fn join<F>(
        &self,
        questions: impl IntoIterator<Item = Q>,
        ask: impl FnOnce(Vec<Q>) -> F + Send + 'static,
    ) -> Place<Q, A>
    where
        F: Future<Output = Result<A, CommandError>> + Send + 'static,
    {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = open.is_none();
        let batch = Arc::clone(open.get_or_insert_with(Arc::default));
        let mut asked = batch.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let start = asked.questions.len();
        asked.questions.extend(questions);
        asked.askers += 1;
        if asked.questions.len() >= self.most {
            *open = None;
        }
        drop((asked, open));
        if is_first {
            let sending = Sending { open: Arc::clone(&self.open), batch: Arc::clone(&batch), answer: None };
            drop(tokio::spawn(sending.send(ask)));
        }
        Place { batch, start }
    }
}

impl<Q, A> Place<Q, A> {
    /// The answer to the whole batch.
    pub(crate) async fn answer(&self) -> Result<&A, CommandError> {
        self.batch.answer.wait().await.as_ref().map_err(CommandError::clone)
    }
}

impl<Q, A> Default for Batch<Q, A> {
    fn default() -> Self {
        Self { asked: Mutex::default(), answer: SetOnce::new() }
    }
}

impl<Q> Default for Asked<Q> {
    fn default() -> Self {
        Self { questions: Vec::new(), askers: 0 }
    }
}

/// Who sends a batch. Whatever happens to its task, even if it never begins, nobody waits for ever and nobody joins
/// any more.
struct Sending<Q, A> {
    open: Arc<Open<Q, A>>,
    batch: Arc<Batch<Q, A>>,
    answer: Option<Result<A, CommandError>>,
}

impl<Q, A> Sending<Q, A> {
    async fn send<F>(mut self, ask: impl FnOnce(Vec<Q>) -> F)
    where
        F: Future<Output = Result<A, CommandError>>,
    {
        yield_now().await;
        let asked = self.close();
        // On the heap at once: the client library's futures have kilobytes, and a task is moved several times as it begins.
        let mut asking = Box::pin(ask(asked.questions));
        let looks = if asked.askers >= CROWD { LOOKS } else { 0 };
        for _ in 0..looks {
            if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context))).await {
                self.answer = Some(answer);
                return;
            }
            yield_now().await;
        }
        self.answer = Some(asking.await);
    }

    /// From now on nobody joins it.
    fn close(&self) -> Asked<Q> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, &self.batch)) {
            *open = None;
        }
        std::mem::take(&mut *self.batch.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<Q, A> Drop for Sending<Q, A> {
    fn drop(&mut self) {
        let _unanswered = self.close();
        let answer = self.answer.take().unwrap_or(Err(CommandError::Unavailable));
        let _only_this_sets_it = self.batch.answer.set(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Batches<u32, Vec<u32>>;

    async fn echo(questions: Vec<u32>) -> Result<Vec<u32>, CommandError> {
        Ok(questions)
    }

    #[tokio::test]
    async fn what_is_asked_at_once_goes_together_and_finds_its_own_answer() {
        let batches = Numbers::new(6);
        let places: Vec<_> = (0..5).map(|n| batches.join([n, n + 10], echo)).collect();
        let starts: Vec<usize> = places.iter().map(|place| place.start).collect();
        assert_eq!(starts, [0, 2, 4, 0, 2], "closed when full");
        for (n, place) in (0..5).zip(&places) {
            let answer = place.answer().await.unwrap();
            assert_eq!(answer[place.start..place.start + 2], [n, n + 10]);
        }
        assert_eq!(places[0].answer().await.unwrap().len(), 6);
        let later = batches.join([7], echo);
        assert_eq!((later.start, later.answer().await.unwrap().len()), (0, 1), "what was sent is closed");
    }

    #[tokio::test]
    async fn a_crowd_is_answered_however_long_it_takes() {
        for turns in [0, 1, LOOKS - 1, LOOKS, LOOKS * 3] {
            let batches = Numbers::new(100);
            let slow = move |asked| async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                Ok(asked)
            };
            let places: Vec<_> = (0..CROWD as u32).map(|n| batches.join([n], slow)).collect();
            for (n, place) in (0..).zip(&places) {
                assert_eq!(place.answer().await.unwrap()[place.start], n, "{turns} turns");
            }
        }
    }

    #[tokio::test]
    async fn an_error_and_a_lost_sender_reach_everybody() {
        let batches = Numbers::new(100);
        let cold = |_| async { Err(CommandError::Cold) };
        let places = [batches.join([1], cold), batches.join([2], cold)];
        for place in &places {
            assert!(matches!(place.answer().await, Err(CommandError::Cold)));
        }
        let panics = |_| async { panic!("as a test") };
        let places = [batches.join([1], panics), batches.join([2], panics)];
        for place in &places {
            assert!(matches!(place.answer().await, Err(CommandError::Unavailable)));
        }
        assert!(batches.join([3], echo).answer().await.is_ok(), "the next ones are not held up");
    }

    #[test]
    fn a_runtime_that_ends_before_it_sends_holds_up_nobody() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let batches = Numbers::new(100);
        let first = runtime();
        let lost = first.block_on(async { batches.join([1], echo) });
        drop(first);
        let second = runtime();
        assert!(matches!(second.block_on(lost.answer()), Err(CommandError::Unavailable)));
        assert!(second.block_on(async { batches.join([2], echo).answer().await.is_ok() }));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_takes_nobodys_answer_along() {
        let batches = Numbers::new(100);
        let first = batches.join([1], echo);
        let second = batches.join([2], echo);
        drop(first);
        assert_eq!(second.answer().await.unwrap()[second.start], 2);
    }
}
