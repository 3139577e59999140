# A gateway on a server of its own, with a disk for its groups that stays when
# the server goes. The server is in a subnet that exists, or in a network of its
# own.

data "huaweicloud_images_image" "system" {
  name        = var.image_name
  most_recent = true
}

resource "huaweicloud_vpc" "own" {
  count = var.subnet_id == null ? 1 : 0
  name  = var.name
  cidr  = var.network_cidr
}

resource "huaweicloud_vpc_subnet" "own" {
  count      = var.subnet_id == null ? 1 : 0
  name       = var.name
  vpc_id     = huaweicloud_vpc.own[0].id
  cidr       = var.network_cidr
  gateway_ip = cidrhost(var.network_cidr, 1)
}

# The address for the world outside of the network.
resource "huaweicloud_vpc_eip" "own" {
  count = var.eip_bandwidth_mbit > 0 ? 1 : 0

  publicip {
    type = "5_bgp"
  }

  bandwidth {
    name        = var.name
    share_type  = "PER"
    size        = var.eip_bandwidth_mbit
    charge_mode = "traffic"
  }
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

resource "huaweicloud_networking_secgroup_rule" "ssh" {
  count             = var.ssh_cidr == null ? 0 : 1
  security_group_id = huaweicloud_networking_secgroup.gateway.id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  ports             = "22"
  remote_ip_prefix  = var.ssh_cidr
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
    uuid = var.subnet_id != null ? var.subnet_id : huaweicloud_vpc_subnet.own[0].id
  }

  eip_id           = var.eip_bandwidth_mbit > 0 ? huaweicloud_vpc_eip.own[0].id : null
  system_disk_type = "GPSSD"
  system_disk_size = var.system_disk_gib

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
