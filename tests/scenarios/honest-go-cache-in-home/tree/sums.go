// Package sums adds.
package sums

import "example.org/twice"

// Add sums two numbers.
func Add(a, b int) int { return a + twice.Of(b) - b }
