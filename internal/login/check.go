package login

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/access"
)

// maxCost bounds the cost of hashes: each check of one with this cost takes
// seconds.
const maxCost = 16

// check returns why a user cannot work.
func (u *User) check() error {
	switch {
	case u.Name == "":
		return errors.New("it has no name; give each user a name")
	case u.Name == access.Anonymous:
		return errors.New("this name is for requests of nobody known; list what they may do as anonymous, and give the user another name")
	case u.Password != "" && u.Hash != "":
		return errors.New("it has both password_file and password_hash; leave out one of them")
	case u.isSilent() && len(u.Addresses) == 0:
		return errors.New("nothing tells its requests from those of others; give it password_file, password_hash, token_file, certificate or addresses")
	case strings.Contains(u.Name, ":") && (u.Password != "" || u.Hash != ""):
		return errors.New("a name with a colon cannot be sent with a password; give the user another name")
	case strings.ContainsFunc(u.Token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return errors.New("its token has blanks, which cannot be sent; put one token into token_file, and nothing else")
	case u.Hash != "":
		return checkHash(u.Hash)
	}
	return nil
}

// isSilent reports whether requests of the user show nothing but an address.
func (u *User) isSilent() bool {
	return u.Password == "" && u.Hash == "" && u.Token == "" && u.Certificate == ""
}

func checkHash(hash string) error {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil {
		return fmt.Errorf("its password_hash is not a bcrypt hash: %w; make one with htpasswd -nBC 10 \"\"", err)
	}
	if cost > maxCost {
		return fmt.Errorf("its password_hash has the cost %d, more than the %d allowed, and would take minutes to check; make one with htpasswd -nBC 10 \"\"", cost, maxCost)
	}
	return nil
}
