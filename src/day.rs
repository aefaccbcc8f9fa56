//! The day as a reader would tell it: the agents in order, retries, the books, the publishing. Works through
//! traits only and prints nothing.

mod announce;
pub(crate) mod bodies;
pub(crate) mod books;
pub(crate) mod merge;
pub(crate) mod publish;
mod push;
pub(crate) mod round;
pub(crate) mod sprint;
pub(crate) mod stage;
pub(crate) mod start;

use std::time::Duration;

use crate::agent::{AgentError, Desk, prime, tampering};
use crate::domain::Agent;
use crate::domain::artifact::{
    Attempt, ConduitReport, GateReport, Handoff, Outcome, SentinelReport, StoryCard,
};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Level};
use crate::domain::hold::{Cause, Hold};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::llm::ModelError;
use crate::platform::Platform;
use crate::report::view::DayView;
use crate::store::artifacts::Store;
use stage::{HandOff, Handed};
use start::Start;

/// Time for what ends by itself to end in order.
const GRACE: Duration = Duration::from_secs(2);

/// A day about to run.
pub(crate) struct Day<'a> {
    pub start: &'a Start,
    pub desk: Desk<'a>,
    pub store: &'a Store,
    pub platform: &'a Platform,
    pub stage: Stage,
    /// What a working job handed over, in a publishing one.
    pub handed: Option<&'a Handed>,
}

/// How a day ended.
pub(crate) enum Ended {
    /// Judged, written down and published: the picture of the day.
    Decided(Box<DayView>),
    /// A dry run: the card is all there is.
    Card(StoryCard),
    /// A working job: judged for the time being, to be published by another job.
    HandedOff(Box<DayView>, HandOff),
}

/// What the rounds of a run came to.
pub(crate) struct Verdict {
    pub decision: Decision,
    /// Why, on HOLD.
    pub hold: Option<Hold>,
    pub card: StoryCard,
    /// Artifacts of the last round, as far as it came.
    pub reports: Reports,
    /// HOLDs of this run that went back to FORGE.
    pub earlier_holds: Vec<Hold>,
    /// SCRIBE came to its report.
    pub documented: bool,
    /// The platform's answers, once there are some.
    pub review_url: Option<String>,
    pub issue_url: Option<String>,
    /// Where people open the review themselves, after the platform did not.
    pub compare_url: Option<String>,
}

impl Verdict {
    fn new(card: StoryCard, reports: Reports, hold: Option<Hold>, earlier_holds: Vec<Hold>) -> Self {
        let decision = reports.decision(hold.as_ref());
        Self {
            decision,
            hold,
            card,
            reports,
            earlier_holds,
            documented: false,
            review_url: None,
            issue_url: None,
            compare_url: None,
        }
    }
}

/// The artifacts of a round, in the order in which they appear.
#[derive(Default)]
pub(crate) struct Reports {
    pub handoff: Option<Handoff>,
    /// The forge has the handoff's commit.
    pub pushed: bool,
    /// What the proof of the red phase came to.
    pub red: Option<crate::evidence::red_phase::RedPhase>,
    pub observation: Option<crate::agent::gate::Observation>,
    pub gate: Option<GateReport>,
    pub sentinel: Option<SentinelReport>,
    pub conduit: Option<ConduitReport>,
}

/// Runs the day to its decision, writes it down and publishes it. A run without verdict is written down too.
pub(crate) async fn run(day: &Day<'_>) -> Result<Ended, Error> {
    let terms = day.desk.terms;
    day.desk.events.emit(Event::DayStarted {
        day: terms.day,
        theme: day.desk.plan.theme.clone(),
        attempt: day.start.attempt,
        branch: day.start.branch.name.clone(),
    });
    // What confines the model's commands is never silent, least of all what it lacks.
    let sandbox = format!("Sandbox: {}", terms.sandbox);
    day.desk.events.emit(Event::Notice { level: Level::Info, text: sandbox });
    match in_time(day, judge(day)).await {
        Ok(Judged::Card(card)) => Ok(Ended::Card(card)),
        Ok(Judged::Verdict(verdict)) => {
            let mut verdict = *verdict;
            let ended = publish::publish(day, &mut verdict).await;
            day.desk.events.emit(Event::Decided { decision: verdict.decision, hold: verdict.hold });
            ended
        }
        Err(error) => {
            let error = as_error(error);
            day.desk.events.emit(Event::Aborted);
            day.aborted(&error).await;
            Err(error)
        }
    }
}

/// The agents' work, within `PACE_RUN_TIMEOUT`. A model call ends by itself when time is over, with a record of what it
/// cost; what has not ended soon after is cut off.
async fn in_time(
    day: &Day<'_>,
    work: impl Future<Output = Result<Judged, AgentError>>,
) -> Result<Judged, AgentError> {
    let Some(until) = day.desk.until else { return work.await };
    tokio::time::timeout_at((until + GRACE).into(), work).await.unwrap_or_else(|_| {
        Err(AgentError::Other(anyhow::anyhow!("PACE_RUN_TIMEOUT: the run did not end in its time")))
    })
}

enum Judged {
    Verdict(Box<Verdict>),
    Card(StoryCard),
}

async fn judge(day: &Day<'_>) -> Result<Judged, AgentError> {
    day.set_earlier_round_aside()?;
    let card = match day.prime().await {
        Ok(card) if day.desk.terms.dry_run => return Ok(Judged::Card(card)),
        Ok(card) => card,
        Err(AgentError::CostCap(reason)) => return Ok(day.held_before_forge(reason)?),
        Err(error) => return Err(error),
    };
    let runners = tampering::begin(&day.desk).await?;
    let verdict = rounds(day, card, &runners).await;
    let ships = verdict.as_ref().is_ok_and(|verdict| verdict.decision != Decision::Hold);
    let ended = tampering::end(&day.desk, &runners, ships).await;
    let verdict = verdict?;
    ended?;
    Ok(Judged::Verdict(Box::new(verdict)))
}

/// FORGE and the reviewers, as often as a HOLD goes back to FORGE.
async fn rounds(day: &Day<'_>, card: StoryCard, runners: &tampering::Runners) -> Result<Verdict, AgentError> {
    let mut hold_reason = day.start.hold_reason.clone();
    let mut red_confirmed = false;
    let mut holds: Vec<Hold> = vec![];
    let mut rounds = 0;
    loop {
        rounds += 1;
        let inputs = round::Inputs {
            card: &card,
            hold_reason: hold_reason.as_deref(),
            red_confirmed,
            number: rounds,
            runners: Some(runners),
        };
        let (reports, hold) = round::run(day, &inputs).await?;
        let retries_left = (day.desk.terms.max_retries + 1).saturating_sub(rounds);
        match hold {
            Some(hold) if hold.cause == Cause::Code && retries_left > 0 => {
                day.desk.events.emit(Event::Held { hold: hold.clone(), retries_left });
                red_confirmed |= reports.handoff.as_ref().is_some_and(|h| h.tdd_red_phase_confirmed);
                hold_reason = Some(hold.to_string());
                holds.push(hold);
                day.set_earlier_round_aside()?;
                day.keep(&card)?;
            }
            hold => {
                return Ok(Verdict::new(card, reports, hold, holds));
            }
        }
    }
}

impl Reports {
    fn decision(&self, hold: Option<&Hold>) -> Decision {
        if hold.is_some() {
            return Decision::Hold;
        }
        let reviewers: Vec<_> = [
            self.gate.as_ref().map(|r| r.gate_decision),
            self.sentinel.as_ref().map(|r| r.sentinel_decision),
            self.conduit.as_ref().map(|r| r.conduit_decision),
        ]
        .into_iter()
        .map(|decision| decision.unwrap_or(Decision::Hold))
        .collect();
        crate::domain::decision::day(&reviewers)
    }
}

impl Day<'_> {
    async fn prime(&self) -> Result<StoryCard, AgentError> {
        self.desk.events.emit(Event::AgentStarted { agent: Agent::Prime, round: 1 });
        let card = prime::run(&self.desk).await?;
        if !self.desk.terms.dry_run {
            self.keep(&card)?;
        }
        self.desk.events.emit(Event::AgentFinished {
            agent: Agent::Prime,
            decision: None,
            summary: format!("{} criteria", card.criteria().count()),
        });
        Ok(card)
    }

    /// The cap was reached before FORGE could begin: the day is held on the plan's own criteria.
    fn held_before_forge(&self, reason: String) -> anyhow::Result<Judged> {
        let plan = self.desk.plan;
        let card = StoryCard {
            day: plan.day,
            agent: Agent::Prime,
            theme: plan.theme.clone(),
            stories: plan
                .stories
                .iter()
                .map(|s| crate::domain::artifact::StoryCardStory {
                    title: s.title.clone(),
                    acceptance_criteria: s.acceptance_criteria.clone(),
                    out_of_scope: s.out_of_scope.clone(),
                })
                .collect(),
            carried: vec![],
        };
        let hold = Hold { agent: Agent::Prime, cause: Cause::Outside, reason };
        let mut reports = Reports::default();
        self.hold_gate(&card, &hold, &mut reports)?;
        Ok(Judged::Verdict(Box::new(Verdict::new(card, reports, Some(hold), vec![]))))
    }

    /// Writes the run down that reached no verdict; a failure to do so is told, the first error stays.
    async fn aborted(&self, error: &Error) {
        let reason: String = format!("ABORT: {error}").split_whitespace().collect::<Vec<_>>().join(" ");
        let written = async {
            let attempt = Attempt {
                decision: None,
                hold_reason: Some(reason.chars().take(120).collect()),
                ..self.attempt(Outcome::Abort).await?
            };
            self.keep_attempt(&attempt)
        };
        if let Err(problem) = written.await {
            let text = format!("attempts.yaml could not be written: {problem:#}");
            self.desk.events.emit(Event::Notice { level: Level::Error, text });
        }
    }
}

fn as_error(error: AgentError) -> Error {
    match error {
        AgentError::Model(error @ ModelError::Credential { .. }) => Error::config(error.to_string()),
        AgentError::Model(error) => Error::Abort(error.into()),
        AgentError::Other(error) => Error::Abort(error),
        error => Error::Abort(error.into()),
    }
}
