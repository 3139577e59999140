package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/exporter-toolkit/web"

	"pushgateway/internal/httpapi"
	"pushgateway/internal/listen"
)

// Flags of addresses.
const (
	mainFlag      = "web.listen-address"
	telemetryFlag = "web.telemetry-listen-address"
)

// telemetrySocket is the FileDescriptorName of systemd's sockets for scrapes and
// health.
const telemetrySocket = "telemetry"

// door is a listener, and what it serves.
type door struct {
	net.Listener
	kind httpapi.Door
}

// openDoors opens the listeners that the flags name, as the toolkit would. The
// gateway opens them itself since its pool of connections must stand in front of
// the toolkit. The error says what to do.
func (s *service) openDoors(ctx context.Context) (doors []door, err error) {
	defer func() {
		if err != nil {
			closeAll(doors)
		}
	}()
	if *s.web.WebSystemdSocket {
		if doors, err = passedDoors(); err != nil {
			return doors, fmt.Errorf("serving HTTP: %w; systemd passes sockets to the service of a .socket unit: start that unit, or leave out --web.systemd-socket", err)
		}
	} else if doors, err = openAll(ctx, doors, httpapi.Main, mainFlag, *s.web.WebListenAddresses); err != nil {
		return doors, err
	}
	if doors, err = openAll(ctx, doors, httpapi.Telemetry, telemetryFlag, s.telemetryAddresses); err != nil {
		return doors, err
	}
	return doors, s.label(doors)
}

// label turns the main doors into doors for everything if there are no others,
// and otherwise logs where the others are.
func (s *service) label(doors []door) error {
	isMain := func(d door) bool { return d.kind == httpapi.Main }
	if !slices.ContainsFunc(doors, isMain) {
		return fmt.Errorf("serving HTTP: %w; every socket of systemd is named %s: pass one with another name for pushes", web.ErrNoListeners, telemetrySocket)
	}
	if !slices.ContainsFunc(doors, func(d door) bool { return !isMain(d) }) {
		for i := range doors {
			doors[i].kind = httpapi.Everything
		}
		return nil
	}
	for _, d := range doors {
		if !isMain(d) {
			s.logger.Info("Serving scrapes and health at another address", "telemetry_address", d.Addr())
		}
	}
	return nil
}

// passedDoors returns the sockets that systemd has passed.
func passedDoors() (doors []door, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, err
	}
	for name, listeners := range named {
		kind := httpapi.Main
		if name == telemetrySocket {
			kind = httpapi.Telemetry
		}
		for _, l := range listeners {
			if l != nil { // a socket of another kind, like one of datagrams
				doors = append(doors, door{l, kind})
			}
		}
	}
	if len(doors) == 0 {
		return nil, errors.New("systemd passed no socket")
	}
	return doors, nil
}

// openAll adds the doors of a flag.
func openAll(ctx context.Context, doors []door, kind httpapi.Door, flag string, addresses []string) ([]door, error) {
	for _, address := range addresses {
		a, err := parseAddress(address)
		if err != nil {
			return doors, fmt.Errorf("--%s=%q: %w", flag, address, err)
		}
		l, err := listen.Open(ctx, a)
		if err != nil {
			toDo := ""
			if errors.Is(err, syscall.EADDRINUSE) && a.Network == "tcp" {
				toDo = "; stop the process that uses the port, or set another one with --" + flag
			}
			return doors, fmt.Errorf("serving HTTP: --%s=%q: %w%s", flag, address, err, toDo)
		}
		doors = append(doors, door{l, kind})
	}
	return doors, nil
}

// parseAddress parses an address of a flag. An empty one is any free port.
func parseAddress(s string) (listen.Address, error) {
	if s == "" {
		return listen.Address{Network: "tcp", Port: "0"}, nil
	}
	return listen.Parse(s)
}

func closeAll(doors []door) {
	for _, d := range doors {
		_ = d.Close() // most are closed already
	}
}

// addressesOf returns where doors are, for messages.
func addressesOf(doors []door) (all httpapi.Addresses) {
	for _, d := range doors {
		address := d.Addr().String()
		if d.Addr().Network() == "unix" {
			address = "unix:" + address
		}
		if d.kind == httpapi.Telemetry {
			all.Telemetry = append(all.Telemetry, address)
		} else {
			all.Main = append(all.Main, address)
		}
	}
	return all
}

// checkAddresses returns an error for addresses that cannot be used, or not
// together.
func (c *settings) checkAddresses() error {
	var all []flagAddress
	if !*c.web.WebSystemdSocket { // which takes their place
		for _, text := range *c.web.WebListenAddresses {
			all = append(all, flagAddress{flag: mainFlag, text: text})
		}
	}
	for _, text := range c.telemetryAddresses {
		all = append(all, flagAddress{flag: telemetryFlag, text: text})
	}
	for i := range all {
		if err := all[i].parse(); err != nil {
			return fmt.Errorf("%s: %w", all[i], err)
		}
		for _, before := range all[:i] {
			if before.Collides(all[i].Address) {
				return fmt.Errorf("%s: %s has this address already; set another one", all[i], before)
			}
		}
	}
	return nil
}

// flagAddress is an address as a flag has it.
type flagAddress struct {
	listen.Address
	flag, text string
}

func (a flagAddress) String() string { return fmt.Sprintf("--%s=%q", a.flag, a.text) }

func (a *flagAddress) parse() (err error) {
	if a.text == "" && a.flag == telemetryFlag {
		return errors.New("it is empty; write it like 127.0.0.1:9092, or leave out the flag to serve scrapes and health at --" + mainFlag)
	}
	a.Address, err = parseAddress(a.text)
	return err
}
