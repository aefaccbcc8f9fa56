// Package twice doubles.
package twice

// Of is twice the number.
func Of(n int) int { return n * 2 }
