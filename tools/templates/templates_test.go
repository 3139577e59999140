// Package templates holds the templates for clouds to their language: what
// cannot be tried here can at least be read.
package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// directories are those with templates, each a module of its own.
var directories = map[string]string{
	"../../deploy/terraform/huaweicloud": "*.tf",
	"../../deploy/rfs":                   "*.tf",
	"../../deploy/packer":                "*.pkr.hcl",
}

// TestTemplates reads each file, and looks whether what it refers to is
// declared.
func TestTemplates(t *testing.T) {
	for dir, pattern := range directories {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: %v, %v", dir, files, err)
			}
			m := module{declared: make(map[string]bool)}
			for _, file := range files {
				m.read(t, file)
			}
			for name, at := range m.used {
				if !m.declared[name] {
					t.Errorf("%s: %s is not declared", at, name)
				}
			}
			for name := range m.declared {
				if _, used := m.used[name]; strings.HasPrefix(name, "var.") && !used {
					t.Errorf("%s is not used", name)
				}
			}
		})
	}
}

// module is what the files of a directory declare and use, by address.
type module struct {
	declared map[string]bool
	used     map[string]hcl.Range
}

func (m *module) read(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, diags := hclsyntax.ParseConfig(b, file, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if m.used == nil {
		m.used = make(map[string]hcl.Range)
	}
	body := parsed.Body.(*hclsyntax.Body)
	for _, b := range body.Blocks {
		switch b.Type {
		case "variable":
			m.declared["var."+b.Labels[0]] = true
		case "resource", "source":
			m.declared[strings.Join(b.Labels, ".")] = true
		case "data":
			m.declared["data."+strings.Join(b.Labels, ".")] = true
		}
	}
	m.use(body)
}

// use notes the variables and resources that expressions refer to.
func (m *module) use(body *hclsyntax.Body) {
	for _, a := range body.Attributes {
		if a.Name == "type" && len(a.Expr.Variables()) == 1 && len(a.Expr.Variables()[0]) == 1 {
			continue // a type like string
		}
		for _, v := range a.Expr.Variables() {
			if name := address(v); name != "" {
				m.used[name] = v.SourceRange()
			}
		}
	}
	for _, b := range body.Blocks {
		m.use(b.Body)
	}
}

// address is what a reference means, "" for what the language has itself.
func address(v hcl.Traversal) string {
	parts := []string{v.RootName()}
	for _, step := range v[1:] {
		if a, ok := step.(hcl.TraverseAttr); ok {
			parts = append(parts, a.Name)
		}
	}
	switch parts[0] {
	case "path", "string", "number", "bool", "list":
		return ""
	case "data":
		return strings.Join(parts[:3], ".")
	}
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// rfs is the template for the Resource Formation Service.
const rfs = "../../deploy/rfs/pushgateway.tf"

// TestRFS looks for what the Resource Formation Service refuses: a template
// over 50 kB, functions that read files, kinds of blocks, and some resources.
func TestRFS(t *testing.T) {
	b, err := os.ReadFile(rfs)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 50_000 {
		t.Errorf("%d bytes are too much for a template", len(b))
	}
	for _, refused := range []string{
		`(abspath|basename|dirname|file|filebase64|filebase64sha256|filebase64sha512|fileexists|fileset|filemd5|filesha1|filesha256|filesha512|pathexpand|templatefile)\(`,
		`(?m)^\s*(provisioner|backend|cloud)\b`,
		`"huaweicloud_(compute_keypair|kps_keypair|identity_access_key|obs_bucket_object)"`,
		`(access_key|secret_key|auth_url)\s*=`, // RFS has them itself
	} {
		if found := regexp.MustCompile(refused).Find(b); found != nil {
			t.Errorf("RFS refuses %q", found)
		}
	}
	if !strings.Contains(string(b), `"huawei.com/provider/huaweicloud"`) {
		t.Error("RFS has the provider under a name of its own")
	}
}

// openings are the ports that the templates open, each for one variable.
var openings = map[string]string{"9091": "clients_cidr", "22": "ssh_cidr"}

// TestSecurityGroups looks whether each template opens just these ports, and
// none for everybody.
func TestSecurityGroups(t *testing.T) {
	ports := regexp.MustCompile(`ports\s+= "(\d+)"\s+remote_ip_prefix\s+= var\.(\w+)`)
	for _, file := range []string{rfs, "../../deploy/terraform/huaweicloud/main.tf"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := ports.FindAllStringSubmatch(string(b), -1)
		if len(found) != len(openings) || strings.Count(string(b), `"ingress"`) != len(openings) {
			t.Errorf("%s opens %v", file, found)
		}
		for _, m := range found {
			if openings[m[1]] != m[2] {
				t.Errorf("%s opens %s for %s", file, m[1], m[2])
			}
		}
	}
}

// TestUserDataIsTheSame holds the two templates to one way to set up a server.
func TestUserDataIsTheSame(t *testing.T) {
	template, err := os.ReadFile("../../deploy/terraform/huaweicloud/user-data.yaml.tftpl")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(rfs)
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`(?s)user_data = <<EOT\n(.*?)EOT\n`).FindSubmatch(b)
	if given == nil {
		t.Fatal("the template gives no user data")
	}
	if got := strings.ReplaceAll(string(given[1]), "${var.", "${"); got != string(template) {
		t.Errorf("%s has\n%s\nand not\n%s", rfs, got, template)
	}
}

// TestUserData looks for placeholders that the module does not fill in.
func TestUserData(t *testing.T) {
	const dir = "../../deploy/terraform/huaweicloud/"
	template, err := os.ReadFile(dir + "user-data.yaml.tftpl")
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile(dir + "main.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(template), -1) {
		if !regexp.MustCompile(`(?m)^    ` + m[1] + ` +=`).Match(main) {
			t.Errorf("user-data.yaml.tftpl uses %s, which main.tf does not give", m[1])
		}
	}
}

// TestUserDataIsRead has cloud-init read what the templates give a server.
func TestUserDataIsRead(t *testing.T) {
	if _, err := exec.LookPath("cloud-init"); err != nil {
		t.Skip("cloud-init is missing: scripts/test-deps installs it on Debian")
	}
	template, err := os.ReadFile("../../deploy/terraform/huaweicloud/user-data.yaml.tftpl")
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`\$\{\w+\}`).ReplaceAll(template, []byte("x"))
	file := filepath.Join(t.TempDir(), "user-data.yaml")
	if err := os.WriteFile(file, given, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cloud-init", "schema", "--config-file", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
