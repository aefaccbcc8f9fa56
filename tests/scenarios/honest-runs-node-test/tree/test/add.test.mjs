import assert from "node:assert/strict";
import { test } from "node:test";
import { add } from "../sums.mjs";

test("adds two numbers", () => {
  assert.equal(add(1, 2), 3);
});
