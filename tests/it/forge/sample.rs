//! The smallest value that an API description allows, so that a fake's answers have the shape of real ones.

use serde_json::{Map, Value, json};

/// An OpenAPI 3.0 description.
pub(crate) struct Description(pub(crate) Value);

impl Description {
    /// `ours` laid over a sample of the component `schema`.
    pub(crate) fn shaped(&self, schema: &str, ours: Value) -> Value {
        let mut value = self.sample(&json!({"$ref": format!("#/components/schemas/{schema}")}), 0);
        lay_over(&mut value, ours);
        value
    }

    /// What `schema` refers to, or itself.
    pub(crate) fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().and_then(|reference| self.0.pointer(&reference[1..]));
        reference.unwrap_or(schema)
    }

    fn sample(&self, schema: &Value, depth: usize) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let schema = self.0.pointer(&reference[1..]).unwrap_or(&Value::Null);
            return self.sample(schema, depth);
        }
        if depth > 12 || schema["nullable"] == true {
            return Value::Null;
        }
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut whole = json!({});
            for part in parts {
                lay_over(&mut whole, self.sample(part, depth + 1));
            }
            return whole;
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(first) = schema[key].get(0) {
                return self.sample(first, depth + 1);
            }
        }
        match schema["type"].as_str() {
            Some("array") => json!([]),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(false),
            Some("string") => match schema["format"].as_str() {
                Some("uri") => json!("https://example.org/x"),
                Some("date-time") => json!("2026-01-01T00:00:00Z"),
                _ => json!("x"),
            },
            _ => self.object(schema, depth),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            object.insert(name.to_owned(), self.sample(&schema["properties"][name], depth + 1));
        }
        Value::Object(object)
    }
}

/// Lays `over` over `value`, object by object.
pub(crate) fn lay_over(value: &mut Value, over: Value) {
    match (value, over) {
        (Value::Object(fields), Value::Object(over)) => {
            for (name, item) in over {
                lay_over(fields.entry(name).or_insert(Value::Null), item);
            }
        }
        (value, over) => *value = over,
    }
}
