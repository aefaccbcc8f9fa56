//! Plans as data: `tests/data/plans/bad/*.yaml` with their messages, `tests/data/plans/good/*.yaml` with what
//! they mean; and hostile layouts for the edit that marks a day as shipped.

use std::fs;

use serde_json::Value;

use super::*;
use crate::schema;

mod marking;

/// The data files of a folder, read as YAML.
fn cases(folder: &str) -> Vec<(String, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plans").join(folder);
    let mut cases: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let case = yaml::parse(&fs::read_to_string(&path).unwrap());
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, case.unwrap().to_json())
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

fn list(case: &Value, key: &str) -> Vec<String> {
    serde_json::from_value(case[key].clone()).unwrap()
}

#[test]
fn bad_plans_say_what_is_wrong_and_where() {
    let cases = cases("bad");
    assert!(cases.len() >= 120, "only {} bad plans", cases.len());
    for (name, case) in cases {
        let found = parse("plan.yaml", case["plan"].as_str().unwrap());
        assert_eq!(found.expect_err(&name), list(&case, "problems"), "{name}");
    }
}

#[test]
fn good_plans_mean_what_they_say() {
    for (name, case) in cases("good") {
        let text = case["plan"].as_str().unwrap();
        let parsed = parse("plan.yaml", text).expect(&name);
        assert_eq!(serde_json::to_value(&parsed.plan).unwrap(), case["read"], "{name}");
        assert_eq!(parsed.warnings, list(&case, "warnings"), "{name}");
        let value = yaml::parse(text).unwrap().to_json();
        for shape in ["plan-stories", "plan-days", "plan-days-legacy"] {
            let fits = schema::validate(shape, &value).is_ok();
            assert_eq!(fits, case["schema"] == shape, "{name} against {shape}");
        }
    }
}

#[test]
fn a_bad_plan_fits_no_schema_unless_only_its_sense_is_wrong() {
    // What no schema can say: days or criteria that stand twice.
    let beyond = ["twice", "thrice", "three-times"];
    for (name, case) in cases("bad") {
        let Ok(root) = yaml::parse(case["plan"].as_str().unwrap()) else {
            continue;
        };
        let value = root.to_json();
        let fits = ["plan-stories", "plan-days", "plan-days-legacy"]
            .iter()
            .any(|shape| schema::validate(shape, &value).is_ok());
        assert_eq!(fits, beyond.iter().any(|b| name.contains(b)), "{name}");
    }
}

#[test]
fn the_plan_is_found_in_its_default_places_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let error = locate(root, None).unwrap_err().join("\n");
    for place in PLACES {
        assert!(error.contains(place), "{error}");
    }
    for place in PLACES.iter().rev() {
        let path = root.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(locate(root, None), Ok(path));
    }
}

#[test]
fn a_named_plan_is_the_only_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plan.yaml"), "").unwrap();
    fs::create_dir(dir.path().join("plans")).unwrap();
    for (wanted, message) in [
        ("plans", "plans: the plan must be a file"),
        ("missing.yaml", "missing.yaml: the plan cannot be read: "),
    ] {
        let error = locate(dir.path(), Some(Path::new(wanted))).unwrap_err();
        assert!(error[0].contains(message), "{error:?}");
    }
    let path = dir.path().join("plan.yaml");
    assert_eq!(locate(dir.path(), Some(Path::new("plan.yaml"))), Ok(path.clone()));
    assert_eq!(locate(Path::new("/nowhere"), Some(&path)), Ok(path.clone()), "absolute");
}

#[test]
fn a_plan_is_read_inside_and_outside_the_repository() {
    let (repo, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "stories:\n- id: story-1\n  title: A\n  status: done\n";
    let inside = repo.path().join("pace/plan.yaml");
    fs::create_dir(repo.path().join("pace")).unwrap();
    fs::write(&inside, text).unwrap();
    let outside = other.path().join("plan.yaml");
    fs::write(&outside, text.replace("done", "shipped")).unwrap();

    let error = load(repo.path(), &inside).unwrap_err();
    assert_eq!(error, ["pace/plan.yaml:4: stories[0].status: \"done\" is not one of pending, shipped"]);
    assert!(load(repo.path(), &outside).unwrap().plan.days[&1].shipped);

    fs::remove_file(&inside).unwrap();
    assert_eq!(load(repo.path(), &inside).unwrap_err(), ["pace/plan.yaml: the plan is not there"]);
    std::os::unix::fs::symlink(&outside, &inside).unwrap();
    let error = load(repo.path(), &inside).unwrap_err();
    assert_eq!(error, ["pace/plan.yaml: is a symbolic link, which is not followed"]);
}
