import { test, it, describe, expect } from 'vitest';
import x from './nothing';
test('never', () => {});
