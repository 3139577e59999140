# A machine image with the gateway for Huawei Cloud: Kunpeng, EulerOS 2.0.
#   packer init deploy/packer
#   packer build -var package=dist/pushgateway-1.0.0-1.aarch64.rpm -var package_sha256=... deploy/packer
# Access comes from HW_ACCESS_KEY and HW_SECRET_KEY.

packer {
  required_plugins {
    huaweicloud = {
      source  = "github.com/huaweicloud/huaweicloud"
      version = ">= 1.0.0"
    }
  }
}

variable "region" {
  type    = string
  default = "cn-north-4"
}

variable "flavor" {
  description = "A Kunpeng flavour; the image works on all of them."
  type        = string
  default     = "kc1.large.2"
}

variable "source_image_name" {
  description = "As the region calls its EulerOS 2.0 for Kunpeng."
  type        = string
  default     = "Huawei Cloud EulerOS 2.0 Standard 64 bit for ARM"
}

variable "image_name" {
  type    = string
  default = "pushgateway"
}

variable "package" {
  description = "The .rpm for aarch64, on this machine."
  type        = string
}

variable "package_sha256" {
  description = "Its checksum, from SHA256SUMS."
  type        = string
}

source "huaweicloud-ecs" "gateway" {
  region            = var.region
  flavor            = var.flavor
  source_image_name = var.source_image_name
  image_name        = var.image_name
  image_tags        = { service = "pushgateway" }

  eip_type           = "5_bgp"
  eip_bandwidth_size = 5
  ssh_username       = "root"
}

build {
  sources = ["source.huaweicloud-ecs.gateway"]

  provisioner "file" {
    sources     = [var.package, "${path.root}/../install", "${path.root}/../check"]
    destination = "/root/"
  }

  # It is installed, started, pushed to, scraped and started again.
  provisioner "shell" {
    inline = [
      "/root/install '/root/${basename(var.package)}' '${var.package_sha256}'",
      "/root/check before-reboot",
    ]
  }

  provisioner "shell" {
    inline            = ["systemctl reboot"]
    expect_disconnect = true
  }

  # After a reboot it is up by itself, with what was pushed before. The image
  # has no groups, and nothing of this machine.
  provisioner "shell" {
    pause_before = "30s"
    inline = [
      "/root/check after-reboot",
      "systemctl stop pushgateway.service",
      "rm -f /var/lib/pushgateway/metrics.db /root/install /root/check '/root/${basename(var.package)}'",
      "rm -f /etc/ssh/ssh_host_* /root/.ssh/authorized_keys",
      "truncate -s 0 /etc/machine-id",
    ]
  }
}
