//! The three shapes of a plan: stories by id, days with stories, days with a target. Only what they say; that
//! a named day exists or may run is not decided here.

use std::collections::{BTreeMap, HashMap};

use crate::domain::plan::{DayPlan, Plan, Sprint, Story};
use crate::schema::yaml::{Entry, Node, Tree};

use super::clearance;
use super::notes::{Fields, MAX_DAY, Notes, Text, shown};

const ROOT: [&str; 3] = ["sprint", "stories", "days"];
const SPRINT: [&str; 3] = ["name", "goal", "duration_days"];
/// A story that is a day of its own.
const STORY_DAY: [&str; 9] = [
    "id",
    "title",
    "status",
    "shipped_at",
    "acceptance_criteria",
    "out_of_scope",
    "clearance",
    "human_gate",
    "notes",
];
/// A day, with stories or with a target.
const DAY: [&str; 11] = [
    "day",
    "theme",
    "target",
    "gate_criterion",
    "out_of_scope",
    "stories",
    "notes",
    "clearance",
    "human_gate",
    "status",
    "shipped_at",
];
/// A story below a day.
const STORY: [&str; 4] = ["title", "acceptance_criteria", "out_of_scope", "notes"];
const STATUS: [&str; 2] = ["pending", "shipped"];

/// The whole plan; complaints go to `notes`, and the result counts only where there is no problem among them.
pub(super) fn plan(root: &Node, notes: &mut Notes) -> Plan {
    let mut days = Days::default();
    let mut plan = Plan { sprint: Sprint::default(), days: BTreeMap::new() };
    if root.tree == Tree::Null {
        notes.problem(1, "", "the plan is empty; it needs stories or days");
        return plan;
    }
    let Some(fields) = notes.fields(root, String::new(), &ROOT) else {
        return plan;
    };
    plan.sprint = sprint(&fields, notes);
    match (fields.get("stories"), fields.get("days")) {
        (Some(stories), None) => by_id(stories, notes, &mut days),
        (None, Some(list)) => by_day(list, notes, &mut days),
        (Some(stories), Some(list)) => {
            let what = format!("stories are given on line {} too; keep one of the two", stories.line);
            notes.problem(list.line, "days", what);
        }
        (None, None) => notes.problem(root.line, "", "neither stories nor days is given"),
    }
    plan.days = days.checked(notes);
    plan
}

fn sprint(root: &Fields<'_>, notes: &mut Notes) -> Sprint {
    let Some(entry) = root.get("sprint") else {
        return Sprint::default();
    };
    let Some(fields) = notes.fields(&entry.node, "sprint".to_owned(), &SPRINT) else {
        return Sprint::default();
    };
    Sprint {
        name: notes.text(&fields, "name").map(|t| t.text),
        goal: notes.text(&fields, "goal").map(|t| t.text),
        duration_days: notes.count(&fields, "duration_days"),
    }
}

/// Days found so far, each with the line that names it.
#[derive(Default)]
struct Days(BTreeMap<u32, (u64, DayPlan)>);

impl Days {
    fn add(&mut self, line: u64, place: &str, day: DayPlan, notes: &mut Notes) {
        if let Some((first, _)) = self.0.get(&day.day) {
            notes.problem(line, place, format!("day {} is already on line {first}", day.day));
        } else {
            self.0.insert(day.day, (line, day));
        }
    }

    fn checked(self, notes: &mut Notes) -> BTreeMap<u32, DayPlan> {
        let mut expected = 1;
        for (day, (line, _)) in &self.0 {
            if *day > expected {
                notes.warning(*line, "", format!("day {day} follows, but there is no day {expected}"));
            }
            expected = day + 1;
        }
        self.0.into_iter().map(|(number, (_, day))| (number, day)).collect()
    }
}

/// Shape a: every story is the day that its id names.
fn by_id(stories: &Entry, notes: &mut Notes, days: &mut Days) {
    for (place, node) in items(stories, "stories", notes) {
        let Some(fields) = notes.fields(node, place, &STORY_DAY) else {
            continue;
        };
        let day = story_id(&fields, notes);
        let story = story(&fields, "title", "acceptance_criteria", notes);
        let mut plan = day_plan(&fields, vec![story], notes);
        plan.theme.clone_from(&plan.stories[0].title);
        if let Some((line, day)) = day {
            plan.day = day;
            days.add(line, &fields.place_of("id"), plan, notes);
        }
    }
}

/// Shapes b and c: every day names its number.
fn by_day(list: &Entry, notes: &mut Notes, days: &mut Days) {
    for (place, node) in items(list, "days", notes) {
        let Some(fields) = notes.fields(node, place, &DAY) else {
            continue;
        };
        if fields.get("day").is_none() {
            notes.problem(fields.line, &fields.place_of("day"), "missing");
        }
        let day = notes.count(&fields, "day");
        let stories = match (fields.get("stories"), fields.get("target")) {
            (Some(stories), None) => stories_of(stories, &fields, notes),
            (None, Some(_)) => vec![story(&fields, "target", "gate_criterion", notes)],
            (Some(stories), Some(target)) => {
                let what = format!("stories are given on line {} too; keep one of the two", stories.line);
                notes.problem(target.line, &fields.place_of("target"), what);
                continue;
            }
            (None, None) => {
                notes.problem(fields.line, &fields.place, "neither stories nor target is given");
                continue;
            }
        };
        let theme = notes.text(&fields, "theme").map(|t| t.text);
        let note = notes.text(&fields, "notes").map(|t| t.text);
        let mut plan = day_plan(&fields, stories, notes);
        plan.notes = note;
        plan.theme = theme.or_else(|| plan.stories.first().map(|s| s.title.clone())).unwrap_or_default();
        if let (Some(day), Some(entry)) = (day, fields.get("day")) {
            plan.day = day;
            days.add(entry.line, &fields.place_of("day"), plan, notes);
        }
    }
}

fn stories_of(stories: &Entry, day: &Fields<'_>, notes: &mut Notes) -> Vec<Told> {
    items(stories, &day.place_of("stories"), notes)
        .into_iter()
        .filter_map(|(place, node)| {
            let fields = notes.fields(node, place, &STORY)?;
            Some(story(&fields, "title", "acceptance_criteria", notes))
        })
        .collect()
}

/// The nodes of a list that must hold something.
fn items<'n>(entry: &'n Entry, place: &str, notes: &mut Notes) -> Vec<(String, &'n Node)> {
    let of = if place == "days" { "days" } else { "stories" };
    let items: Vec<_> = notes.list(entry, place, of).collect();
    if items.is_empty() && matches!(entry.node.tree, Tree::List(_)) {
        notes.problem(entry.line, place, "must not be empty");
    }
    items
}

/// A story and its criteria with their places.
struct Told {
    story: Story,
    criteria: Vec<Text>,
}

fn story(fields: &Fields<'_>, title: &str, criteria: &str, notes: &mut Notes) -> Told {
    let title_text = notes.required(fields, title);
    // A target has one criterion, a story a list of them; its day keeps the notes of a target.
    let by_target = title == "target";
    let given = if by_target {
        notes.text(fields, criteria).into_iter().collect()
    } else {
        notes.texts(fields, criteria)
    };
    if given.is_empty() && fields.get(criteria).is_none_or(|e| e.node.tree == Tree::List(Vec::new())) {
        let what = "none given; PRIME will write the criteria";
        notes.warning(fields.line, &fields.place_of(criteria), what);
    }
    let out_of_scope = notes.texts(fields, "out_of_scope");
    let note = if by_target { None } else { notes.text(fields, "notes") };
    Told {
        story: Story {
            title: title_text.map(|t| t.text).unwrap_or_default(),
            acceptance_criteria: given.iter().map(|c| c.text.clone()).collect(),
            out_of_scope: out_of_scope.into_iter().map(|t| t.text).collect(),
            notes: note.map(|t| t.text),
        },
        criteria: given,
    }
}

/// A day of `stories`, still without its number and theme.
fn day_plan(fields: &Fields<'_>, stories: Vec<Told>, notes: &mut Notes) -> DayPlan {
    let criteria: Vec<&Text> = stories.iter().flat_map(|s| &s.criteria).collect();
    let mut first: HashMap<&str, u64> = HashMap::new();
    for criterion in &criteria {
        if let Some(line) = first.get(criterion.text.as_str()) {
            let what = format!("the same criterion is already on line {line}");
            notes.problem(criterion.line, &criterion.place, what);
        } else {
            first.insert(&criterion.text, criterion.line);
        }
    }
    let said = criteria.iter().any(|c| clearance::speaks_of_it(&c.text));
    DayPlan {
        day: 0,
        theme: String::new(),
        notes: None,
        human_gate: notes.flag(fields, "human_gate").unwrap_or(false),
        clearance: notes.flag(fields, "clearance").unwrap_or(said),
        shipped: shipped(fields, notes),
        stories: stories.into_iter().map(|told| told.story).collect(),
    }
}

fn shipped(fields: &Fields<'_>, notes: &mut Notes) -> bool {
    if let Some(entry) = fields.get("shipped_at")
        && !matches!(entry.node.tree, Tree::Text(_))
    {
        let what = format!("expected a time stamp, found {}", shown(&entry.node));
        notes.problem(entry.line, &fields.place_of("shipped_at"), what);
    }
    let Some(status) = notes.text(fields, "status") else {
        return false;
    };
    if !STATUS.contains(&status.text.as_str()) {
        let what = format!("{:?} is not one of {}", status.text, STATUS.join(", "));
        notes.problem(status.line, &status.place, what);
    }
    status.text == "shipped"
}

/// The day that `id: story-N` names, with the line of the id.
fn story_id(fields: &Fields<'_>, notes: &mut Notes) -> Option<(u64, u32)> {
    let place = fields.place_of("id");
    let Some(entry) = fields.get("id") else {
        notes.problem(fields.line, &place, "missing; day 1 is `id: story-1`");
        return None;
    };
    let day = match &entry.node.tree {
        Tree::Text(id) => day_of(id),
        _ => None,
    };
    if day.is_none() {
        let what = format!("{} is not story-1 … story-{MAX_DAY}; day N is `id: story-N`", shown(&entry.node));
        notes.problem(entry.line, &place, what);
    }
    day.map(|day| (entry.line, day))
}

/// N of `story-N`, written without leading zeros.
pub(super) fn day_of(id: &str) -> Option<u32> {
    let digits = id.trim().strip_prefix("story-")?;
    let day = digits.parse::<u32>().ok()?;
    (day.to_string() == digits && (1..=MAX_DAY).contains(&day)).then_some(day)
}
