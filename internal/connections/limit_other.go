//go:build !unix

package connections

func fileLimit() int { return 0 }
