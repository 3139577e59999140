# A gateway on a server of its own, in a subnet that exists, with a disk for
# its groups that stays when the server goes.

data "huaweicloud_images_image" "system" {
  name        = var.image_name
  most_recent = true
}

resource "huaweicloud_networking_secgroup" "gateway" {
  name                 = var.name
  description          = "Pushes to, and scrapes of, the gateway"
  delete_default_rules = true
}

resource "huaweicloud_networking_secgroup_rule" "clients" {
  security_group_id = huaweicloud_networking_secgroup.gateway.id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  ports             = "9091"
  remote_ip_prefix  = var.clients_cidr
}

# For the package, names and time.
resource "huaweicloud_networking_secgroup_rule" "out" {
  security_group_id = huaweicloud_networking_secgroup.gateway.id
  direction         = "egress"
  ethertype         = "IPv4"
}

resource "huaweicloud_compute_instance" "gateway" {
  name               = var.name
  image_id           = data.huaweicloud_images_image.system.id
  flavor_id          = var.flavor_id
  availability_zone  = var.availability_zone
  security_group_ids = [huaweicloud_networking_secgroup.gateway.id]
  key_pair           = var.key_pair

  network {
    uuid = var.subnet_id
  }

  data_disks {
    type = "GPSSD"
    size = var.data_disk_gib
  }

  delete_disks_on_termination = false
  stop_before_destroy         = true

  user_data = templatefile("${path.module}/user-data.yaml.tftpl", {
    args           = join(" ", var.args)
    package_url    = var.package_url == null ? "" : var.package_url
    package_sha256 = var.package_sha256
  })
}
