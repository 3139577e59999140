// Package login finds out who sends a request: by a password, a token, a verified
// client certificate or an address. It also stands in front of the users of
// --web.config.file. Wrong passwords delay nobody else for long.
package login
