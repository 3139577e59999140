package compression

import "testing"

func TestAcceptedCoding(t *testing.T) {
	for _, tc := range []struct {
		headers []string
		want    string
	}{
		{nil, "identity"},
		{[]string{""}, "identity"},
		{[]string{"gzip"}, "gzip"},
		{[]string{"x-gzip"}, "gzip"},
		{[]string{"GZIP;Q=0.5"}, "gzip"},
		{[]string{"gzip, zstd"}, "zstd"},
		{[]string{"gzip", "zstd"}, "zstd"},
		{[]string{"gzip;q=1.0, zstd;q=0.5"}, "gzip"},
		{[]string{"zstd;q=0.001, gzip;q=0.002"}, "gzip"},
		{[]string{"gzip;q=0.5, identity"}, "identity"},
		{[]string{"gzip, identity"}, "gzip"},
		{[]string{"gzip;q=0"}, "identity"},
		{[]string{"br, deflate"}, "identity"},
		{[]string{"*"}, "identity"},
		{[]string{"*, identity;q=0"}, "gzip"},
		{[]string{"*, identity;q=0, gzip;q=0"}, "zstd"},
		{[]string{"gzip, *;q=0"}, "gzip"},
		{[]string{"gzip, *;q=0.1"}, "gzip"},
		{[]string{"gzip;q=0.1, *"}, "identity"},
		{[]string{"gzip;q=0.1, identity;q=0, *"}, "zstd"},
		{[]string{"*;q=0"}, "identity"},
		{[]string{"gzip;level=1;q=0.5, zstd;q=0.4"}, "gzip"},
		{[]string{"gzip;q=2, zstd;q=1"}, "zstd"},
		{[]string{"gzip;q=x, zstd;q=NaN"}, "identity"},
		{[]string{"gzip;q=0, gzip;q=1"}, "identity"},
		{[]string{";,;q=,, gzip ; q = 1"}, "gzip"},
	} {
		if got := acceptedCoding(tc.headers); got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.headers, got, tc.want)
		}
	}
}
