import { describe, expect, it, test } from "vitest";
import { add } from "../sums.js";

test("adds two numbers", () => {
  expect(add(1, 2)).toBe(3);
});

test("adds nothing", () => {
  expect(add(0, 5)).toBe(5);
});
