module github.com/alecthomas/kingpin/v2

go 1.26.7

require (
	github.com/alecthomas/units v0.0.0-20240927000941-0f3dac36c52b
	github.com/xhit/go-str2duration/v2 v2.1.0
)
