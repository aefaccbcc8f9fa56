import { test, it, describe, expect } from 'vitest';
test('top level passes', () => { expect(1).toBe(1); });
