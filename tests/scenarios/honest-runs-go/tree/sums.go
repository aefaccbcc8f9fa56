// Package sums adds.
package sums

// Add sums two numbers.
func Add(a, b int) int { return a + b }
