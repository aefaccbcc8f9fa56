//! The cap under random schedules of calls: replies, tries that break off, refusals, and runs that are killed and
//! resumed from their record.

use proptest::prelude::*;

use super::*;
use crate::domain::money::LongPrice;

const PRICE: Price = Price { input: 3.0, cache_write: 3.75, cache_read: 0.3, output: 15.0, long: None };

fn model(price: Option<Price>) -> Rated {
    Rated { name: "m".into(), price }
}

fn under(cap: f64) -> Purse {
    Purse { bill: Mutex::default(), cap, by_day: false }
}

#[test]
fn a_call_that_could_pass_the_cap_is_refused_by_variable() {
    let purse = under(0.5);
    assert!(purse.reserve(Some(PRICE), 1_000, 16_000).is_ok());
    purse.book(Agent::Forge, &model(Some(PRICE)), Usage { output: 20_000, ..Usage::default() });
    let error = purse.reserve(Some(PRICE), 1_000, 16_000).unwrap_err();
    assert!(error.to_string().contains("PACE_MAX_RUN_COST_USD"), "{error}");
    let error = Purse { by_day: true, ..purse }.reserve(Some(PRICE), 1_000, 16_000).unwrap_err().to_string();
    assert!(error.contains("PACE_DAILY_BUDGET") && !error.contains("PACE_MAX_RUN"), "{error}");
}

#[test]
fn an_unknown_price_reserves_nothing() {
    assert!(under(0.0001).reserve(None, 500_000, 64_000).is_ok());
}

#[test]
fn every_try_is_reserved_and_an_uncounted_one_costs_its_reservation() {
    let purse = under(0.12);
    let call = purse.reserve(Some(PRICE), 2_000, 3_000).unwrap();
    call.lose(None);
    assert_eq!(call.may_try_again(), Ok(()));
    call.lose(None);
    let refused = call.may_try_again().unwrap_err();
    assert!(refused.contains("$0.1050 spent"), "{refused}");
    let worst = Usage { cache_write: 2_000, output: 3_000, ..Usage::default() };
    assert_eq!(call.lost_tries(), [worst, worst]);
}

/// One try of a call, as parts of its worst case in percent.
#[derive(Debug, Clone)]
enum Try {
    /// Refused, or never arrived.
    Free,
    /// Broke off after the provider had counted.
    Counted(u64, u64),
    /// Broke off uncounted; the provider bills this all the same.
    Uncounted(u64, u64),
    /// The run dies during it; the provider bills this all the same.
    Killed(u64, u64),
}

#[derive(Debug, Clone)]
struct Call {
    bytes: usize,
    output: u32,
    tries: Vec<Try>,
    reply: (u64, u64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let part = || (0..=100_u64, 0..=100_u64);
    let a_try = prop_oneof![
        3 => Just(Try::Free),
        3 => part().prop_map(|(i, o)| Try::Counted(i, o)),
        3 => part().prop_map(|(i, o)| Try::Uncounted(i, o)),
        1 => part().prop_map(|(i, o)| Try::Killed(i, o)),
    ];
    let tries = proptest::collection::vec(a_try, 0..4);
    let call = (0..2_000_000_usize, 1..32_000_u32, tries, part());
    let call = call.prop_map(|(bytes, output, tries, reply)| Call { bytes, output, tries, reply });
    proptest::collection::vec(call, 1..40)
}

fn prices() -> impl Strategy<Value = Price> {
    (0.01..10.0, 0.0..2.0, 0.0..1.0, 0.1..50.0, 1_000..800_000_u64, 0.5..3.0, any::<bool>()).prop_map(
        |(input, write, read, output, above, times, long)| Price {
            input,
            cache_write: input * write,
            cache_read: input * read,
            output,
            long: long.then_some(LongPrice {
                above,
                input: input * times,
                cache_write: input * write * times,
                cache_read: input * read * times,
                output: output * times,
            }),
        },
    )
}

/// The tokens that a try took, spread over the kinds of input.
fn took(call: &Call, (input, output): (u64, u64)) -> Usage {
    let prompt = call.bytes as u64 / 2 * input / 100;
    let (write, read) = (prompt / 3, prompt / 4);
    Usage {
        input: prompt - write - read,
        cache_write: write,
        cache_read: read,
        output: u64::from(call.output) * output / 100,
    }
}

/// What a call came to.
enum Made {
    Replied(Usage, Vec<Usage>),
    /// The cap forbade a further try.
    Held(Vec<Usage>),
    Killed(Vec<Usage>),
}

/// Makes the tries of `call` as the client does; `billed` is the provider's own count, in US dollars.
fn make(reserved: &Reservation<'_>, price: Price, call: &Call, billed: &mut f64) -> Made {
    for a_try in &call.tries {
        match *a_try {
            Try::Free => {}
            Try::Counted(i, o) => {
                let usage = took(call, (i, o));
                *billed += price.of(usage);
                reserved.lose(Some(usage));
            }
            Try::Uncounted(i, o) => {
                *billed += price.of(took(call, (i, o)));
                reserved.lose(None);
            }
            Try::Killed(i, o) => {
                *billed += price.of(took(call, (i, o)));
                // Whoever resumes books what was under way at its reservation, after the tries before it.
                reserved.lose(None);
                return Made::Killed(reserved.lost_tries());
            }
        }
        if reserved.may_try_again().is_err() {
            return Made::Held(reserved.lost_tries());
        }
    }
    let usage = took(call, call.reply);
    *billed += price.of(usage);
    Made::Replied(usage, reserved.lost_tries())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_billed_never_passes_the_cap_and_is_never_under_recorded(
        calls in calls(),
        price in prices(),
        cap in 0.001..40.0_f64,
    ) {
        let model = model(Some(price));
        let mut purse = under(cap);
        let mut billed = 0.0;
        for call in &calls {
            let Ok(reserved) = purse.reserve(model.price, uncounted(call.bytes), call.output) else { continue };
            let (usages, killed) = match make(&reserved, price, call, &mut billed) {
                Made::Replied(usage, lost) => (lost.into_iter().chain([usage]).collect(), false),
                Made::Held(lost) => (lost, false),
                Made::Killed(lost) => (lost, true),
            };
            for usage in usages {
                purse.book(Agent::Forge, &model, usage);
            }
            if killed {
                // The next run takes the bill from the record.
                let recorded = serde_json::to_string(&purse.bill()).unwrap();
                purse = Purse { bill: Mutex::new(serde_json::from_str(&recorded).unwrap()), ..under(cap) };
            }
            let recorded = purse.bill().cost(|_| true).unwrap();
            prop_assert!(billed <= cap * (1.0 + 1e-9), "billed {billed} of {cap}");
            prop_assert!(billed <= recorded * (1.0 + 1e-9) + 1e-12, "billed {billed}, recorded {recorded}");
        }
    }
}
